#include "bench/peak.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <barrier>
#include <chrono>
#include <cstddef>
#include <functional>
#include <limits>
#include <memory>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "bench/affinity.h"
#include "bench/options.h"
#include "kernels/aligned_buffer.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bench/peak.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace nnkernels::bench {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Latency times throughput: 4 cycles at 2 FMAs a cycle need 8 chains, 4 pipes (Apple, Neoverse V)
/// need 16. The chains and two operands must fit into 32 registers or 16.
inline constexpr int kChains = HWY_TARGET == HWY_AVX3 || HWY_ARCH_ARM ? 24 : 12;

/// Runs x = x * factor + term `steps` times in every lane of every chain, and returns the mean of
/// all of them. `operations` receives the number of floating-point operations.
template <class T>
double RunChains(std::int64_t steps, T factor, T term, double& operations) {
  const hn::ScalableTag<T> d;
  const auto factors = hn::Set(d, factor);
  const auto terms = hn::Set(d, term);
  hn::Vec<decltype(d)> x[kChains];
  // Chains that start from the same value are one chain to a compiler.
  _Pragma("GCC unroll 32") for (int i = 0; i < kChains; ++i) x[i] = hn::Set(d, static_cast<T>(i));
  for (std::int64_t step = 0; step < steps; ++step) {
    _Pragma("GCC unroll 32") for (int i = 0; i < kChains; ++i) {
      x[i] = hn::MulAdd(x[i], factors, terms);
    }
  }
  auto sum = hn::Zero(d);
  _Pragma("GCC unroll 32") for (int i = 0; i < kChains; ++i) sum = hn::Add(sum, x[i]);
  const double elements = static_cast<double>(hn::Lanes(d)) * kChains;
  operations = 2.0 * elements * static_cast<double>(steps);
  return static_cast<double>(hn::GetLane(hn::SumOfLanes(d, sum))) / elements;
}

double RunChainsF32(std::int64_t steps, double factor, double term, double& operations) {
  return RunChains(steps, static_cast<float>(factor), static_cast<float>(term), operations);
}
double RunChainsF64(std::int64_t steps, double factor, double term, double& operations) {
  return RunChains(steps, factor, term, operations);
}

/// to[i] = from[i]; `size` is a multiple of 64 elements, so of four vectors.
void CopyFloats(std::int64_t size, const float* from, float* to) {
  const hn::CappedTag<float, 16> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t i = 0; i < size; i += 4 * lanes) {
    const auto v0 = hn::Load(d, from + i);
    const auto v1 = hn::Load(d, from + i + lanes);
    const auto v2 = hn::Load(d, from + i + 2 * lanes);
    const auto v3 = hn::Load(d, from + i + 3 * lanes);
    hn::Store(v0, d, to + i);
    hn::Store(v1, d, to + i + lanes);
    hn::Store(v2, d, to + i + 2 * lanes);
    hn::Store(v3, d, to + i + 3 * lanes);
    // Or the compiler would call memcpy, which may write around the caches.
    benchmark::ClobberMemory();
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace nnkernels::bench
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace nnkernels::bench {

HWY_EXPORT(RunChainsF32);
HWY_EXPORT(RunChainsF64);
HWY_EXPORT(CopyFloats);

namespace {

using Clock = std::chrono::steady_clock;

/// Short and many: where others work too, at least some rounds are not disturbed.
constexpr double kRoundSeconds = 0.004;

}  // namespace

Yardstick::Yardstick(const Crew& crew, Work work, std::int64_t probe, double per_unit)
    : crew_(crew), work_(std::move(work)), per_unit_(per_unit) {
  const double probed = fastest_round(probe, 2);
  const double scale = std::max(1.0, kRoundSeconds / std::max(probed, 1e-9));
  amount_ = static_cast<std::int64_t>(static_cast<double>(probe) * scale);
}

/// From the first start to the last end of `amount` work on every thread.
double Yardstick::fastest_round(std::int64_t amount, int rounds) const {
  const auto count = static_cast<std::size_t>(crew_.threads);
  const std::vector<int>& cpus = process_cpus();
  std::vector<Clock::time_point> begin(count), end(count);
  std::barrier together(crew_.threads);
  double fastest = std::numeric_limits<double>::infinity();
  const auto member = [&](std::size_t thread) {
    // New threads inherit the binding of the one that starts them.
    set_thread_cpus(crew_.pin && !cpus.empty() ? std::vector<int>{cpus[thread % cpus.size()]}
                                               : cpus);
    work_.prepare(static_cast<int>(thread));
    for (int round = 0; round < rounds; ++round) {
      together.arrive_and_wait();
      begin[thread] = Clock::now();
      work_.perform(static_cast<int>(thread), amount);
      end[thread] = Clock::now();
      together.arrive_and_wait();
      if (thread == 0) {
        const std::chrono::duration<double> seconds = *std::max_element(end.begin(), end.end()) -
                                                      *std::min_element(begin.begin(), begin.end());
        fastest = std::min(fastest, seconds.count());
      }
    }
  };
  std::vector<std::jthread> members;
  for (std::size_t thread = 0; thread < count; ++thread) members.emplace_back(member, thread);
  members.clear();
  return fastest;
}

double Yardstick::measure(int rounds) const {
  return per_unit_ * static_cast<double>(amount_) * crew_.threads / fastest_round(amount_, rounds);
}

const char* name(Precision precision) { return precision == Precision::f32 ? "f32" : "f64"; }

Precision precision_named(const std::string& text) {
  for (const Precision precision : {Precision::f32, Precision::f64}) {
    if (text == name(precision)) return precision;
  }
  throw UsageError("no type \"" + text + "\"; expected f32 or f64");
}

Yardstick multiply_add_yardstick(Precision precision, const Crew& crew) {
  const auto chains = [precision](std::int64_t steps, double& operations) {
    // Towards x = x / 2 + 1 = 2, which the chains reach exactly; the compiler must not know.
    const volatile double factor = 0.5, term = 1.0;
    return precision == Precision::f32
               ? HWY_DYNAMIC_DISPATCH(RunChainsF32)(steps, factor, term, operations)
               : HWY_DYNAMIC_DISPATCH(RunChainsF64)(steps, factor, term, operations);
  };
  constexpr std::int64_t kProbe = 100000;
  double operations = 0;
  if (chains(kProbe, operations) != 2.0) {
    throw std::runtime_error("multiply_add_yardstick: the chains gave a wrong result");
  }
  const auto perform = [chains](int, std::int64_t steps) {
    double ignored = 0;
    benchmark::DoNotOptimize(chains(steps, ignored));
  };
  return {crew, {[](int) {}, perform}, kProbe, operations / kProbe};
}

Yardstick copy_yardstick(std::int64_t footprint, const Crew& crew) {
  const std::int64_t size = std::max<std::int64_t>(footprint / crew.threads / 8 / 64 * 64, 64);
  // Half a page further on than the array copied from, in its page: loads whose addresses agree
  // with recent stores in the last 12 bits wait for them.
  constexpr std::int64_t kPage = 4096 / sizeof(float);
  const std::int64_t to = (size + kPage - 1) / kPage * kPage + kPage / 2;
  const auto memory =
      std::make_shared<std::vector<AlignedBuffer<float>>>(static_cast<std::size_t>(crew.threads));
  const auto prepare = [memory, size, to](int thread) {
    AlignedBuffer<float>& mine = (*memory)[static_cast<std::size_t>(thread)];
    if (mine.size() > 0) return;
    mine.reserve(to + size);
    std::fill_n(mine.data(), to + size, 1.0f);
  };
  const auto perform = [memory, size, to](int thread, std::int64_t passes) {
    float* mine = (*memory)[static_cast<std::size_t>(thread)].data();
    for (std::int64_t pass = 0; pass < passes; ++pass) {
      HWY_DYNAMIC_DISPATCH(CopyFloats)(size, mine, mine + to);
    }
  };
  return {crew, {prepare, perform}, 1, 8.0 * static_cast<double>(size)};
}

}  // namespace nnkernels::bench
#endif  // HWY_ONCE
