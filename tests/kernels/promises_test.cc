// What all kernels promise: the same bits however they are called, no access outside of their
// arrays, and floating-point control left as it was.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cfenv>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "kernels/parallel.h"
#include "tests/kernels/kernel_calls.h"
#include "tests/support/each_simd.h"
#include "tests/support/guard_page.h"
#include "tests/support/guarded_array.h"

namespace nnkernels {
namespace {

using Bytes = std::vector<std::vector<std::byte>>;

constexpr std::uint64_t kSeed = 11;

class PromisesTest : public EachSimd {};
NNKERNELS_EACH_SIMD(PromisesTest);

/// The arrays after the call. They begin `misalignment` elements behind a cache line.
Bytes run(const KernelCall& call, std::int64_t misalignment) {
  Bytes contents = draw(call, kSeed);
  std::vector<GuardedArray<std::byte>> arrays;
  std::vector<void*> pointers;
  arrays.reserve(contents.size());
  pointers.reserve(contents.size());
  for (std::size_t i = 0; i < contents.size(); ++i) {
    const auto bytes = static_cast<std::int64_t>(element_bytes(call, call.arrays[i]));
    arrays.emplace_back(contents[i], misalignment * bytes);
    pointers.push_back(arrays.back().data());
  }
  call.run(Pointers(std::move(pointers)));
  for (std::size_t i = 0; i < contents.size(); ++i) {
    EXPECT_TRUE(arrays[i].intact()) << call.name << " wrote outside of array " << i;
    contents[i] = arrays[i].values();
  }
  return contents;
}

std::vector<Bytes> run_all(const std::vector<KernelCall>& calls) {
  const ForceThreads one(1);
  std::vector<Bytes> results;
  results.reserve(calls.size());
  for (const KernelCall& call : calls) results.push_back(run(call, 0));
  return results;
}

TEST_P(PromisesTest, SameBitsForThreadsAlignmentsAndRepetitions) {
  const std::vector<KernelCall> calls = shared_calls();
  const std::vector<Bytes> want = run_all(calls);
  for (const int count : {1, 2, 3, 8, 16}) {
    const ForceThreads many(count);
    for (const std::int64_t misalignment : {0, 1, 5}) {
      for (int repetition = 0; repetition < 2; ++repetition) {
        for (std::size_t i = 0; i < calls.size(); ++i) {
          EXPECT_TRUE(run(calls[i], misalignment) == want[i])
              << calls[i].name << " with " << count << " threads, misalignment " << misalignment;
        }
      }
    }
  }
}

TEST_P(PromisesTest, SameBitsForEightCallersAtOnce) {
  const std::vector<KernelCall> calls = shared_calls();
  const std::vector<Bytes> want = run_all(calls);
  const ForceThreads many(3);
  std::array<std::string, 8> wrong;
  std::vector<std::thread> callers;
  callers.reserve(wrong.size());
  for (std::size_t caller = 0; caller < wrong.size(); ++caller) {
    callers.emplace_back([&, caller] {
      // Each starts elsewhere, so that different kernels meet.
      for (std::size_t i = 0; i < calls.size(); ++i) {
        const std::size_t at = (i + caller * calls.size() / wrong.size()) % calls.size();
        if (run(calls[at], 1) != want[at]) wrong[caller] += calls[at].name + "; ";
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  for (const std::string& names : wrong) EXPECT_EQ(names, "");
}

/// The call that is running, for the handler below.
std::atomic<const char*> running{nullptr};

/// Says which kernel left its arrays: a process that faults cannot go on.
void report_fault(int) {
  const char* const name = running.load();
  const auto print = [](const char* text) {
    return write(STDERR_FILENO, text, std::strlen(text)) >= 0;
  };
  const bool printed = print("access outside of the arrays of ") && print(name) && print("\n");
  _exit(printed ? 1 : 2);
}

/// Handles faults for as long as it lives.
class FaultHandler {
 public:
  FaultHandler() {
    struct sigaction action {};
    action.sa_handler = report_fault;
    sigaction(SIGSEGV, &action, &before_);
  }
  ~FaultHandler() { sigaction(SIGSEGV, &before_, nullptr); }
  FaultHandler(const FaultHandler&) = delete;
  FaultHandler& operator=(const FaultHandler&) = delete;

 private:
  struct sigaction before_ {};
};

TEST_P(PromisesTest, StayWithinTheirArrays) {
  const FaultHandler handler;
  for (const KernelCall& call : small_calls()) {
    const Bytes contents = draw(call, kSeed);
    const Bytes want = run(call, 0);
    for (const Edge edge : {Edge::front, Edge::back}) {
      std::vector<std::unique_ptr<GuardPage<std::byte>>> arrays;
      std::vector<void*> pointers;
      arrays.reserve(contents.size());
      pointers.reserve(contents.size());
      for (const std::vector<std::byte>& content : contents) {
        arrays.push_back(std::make_unique<GuardPage<std::byte>>(
            static_cast<std::int64_t>(content.size()), edge));
        pointers.push_back(arrays.back()->data());
        std::memcpy(pointers.back(), content.data(), content.size());
      }
      running = call.name.c_str();
      call.run(Pointers(std::move(pointers)));
      for (std::size_t i = 0; i < want.size(); ++i) {
        ASSERT_EQ(std::memcmp(arrays[i]->data(), want[i].data(), want[i].size()), 0)
            << call.name << ", array " << i;
      }
    }
  }
}

TEST(GuardPageTest, FaultsOnBothSides) {
  for (const Edge edge : {Edge::front, Edge::back}) {
    const GuardPage<float> array(5, edge);
    const volatile float* const outside = array.data() + (edge == Edge::front ? -1 : 5);
    EXPECT_DEATH(static_cast<void>(*outside), "");
  }
}

#if defined(__x86_64__)
/// The control bits of MXCSR: masks, rounding, flush to zero. The flags below them may change.
using Control = unsigned;
Control control() { return _mm_getcsr() & ~0x3fu; }
void set_control(Control bits) { _mm_setcsr(bits); }
/// Rounds up, flushes denormal results and arguments to zero.
constexpr Control kUnusual = 0x4000 | 0x8000 | 0x40;
#elif defined(__aarch64__)
/// FPCR; the flags are in another register.
using Control = std::uint64_t;
Control control() {
  Control bits = 0;
  __asm__ volatile("mrs %0, fpcr" : "=r"(bits));
  return bits;
}
void set_control(Control bits) { __asm__ volatile("msr fpcr, %0" : : "r"(bits)); }
/// Rounds up, flushes denormal numbers to zero.
constexpr Control kUnusual = 0x400000 | 0x1000000;
#endif

#if defined(__x86_64__) || defined(__aarch64__)
TEST_P(PromisesTest, FloatingPointControlOfTheCallerStays) {
  const Control before = control();
  const ForceThreads many(3);
  for (const Control extra : {Control{0}, kUnusual}) {
    for (const KernelCall& call : shared_calls()) {
      set_control(before | extra);
      const Control set = control();
      const int rounding = std::fegetround();
      run(call, 0);
      const Control after = control();
      const int rounding_after = std::fegetround();
      set_control(before);
      EXPECT_EQ(set, before | extra);
      EXPECT_EQ(after, set) << call.name;
      EXPECT_EQ(rounding_after, rounding) << call.name;
    }
  }
}

TEST_P(PromisesTest, FloatingPointControlOfTheWorkersStays) {
  constexpr int kThreads = 3;
  const ForceThreads many(kThreads);
  const Control want = control();
  for (const KernelCall& call : shared_calls()) run(call, 0);
  // Pieces last long enough for every worker to take one.
  constexpr Control kNobody = ~Control{0};
  std::array<std::atomic<Control>, kThreads> seen{};
  for (std::atomic<Control>& bits : seen) bits = kNobody;
  for (int attempt = 0; attempt < 1000; ++attempt) {
    parallel_for(64, 1e6, [&](std::int64_t, int slot) {
      seen[static_cast<std::size_t>(slot)] = control();
      std::this_thread::yield();
    });
  }
  int workers = 0;
  for (const std::atomic<Control>& bits : seen) {
    if (bits == kNobody) continue;  // a slot that no thread took
    EXPECT_EQ(bits, want);
    ++workers;
  }
  EXPECT_GE(workers, 2) << "no worker took part";
}
#endif

}  // namespace
}  // namespace nnkernels
