#include "kernels/strip_sums.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/strip_sums.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "hwy/highway.h"
#include "kernels/simd-inl.h"
#include "kernels/unroll.h"

HWY_BEFORE_NAMESPACE();
namespace nnkernels {
namespace HWY_NAMESPACE {
namespace {

using detail::StripSums;

/// Sums in registers: of three strips and so many vectors each, or of more strips where they are
/// shorter, so that there are enough sums to hide the latency of the multiply-add.
inline constexpr int kMaxVectors = k32Registers ? 8 : 4;
constexpr int MaxStrips(int vectors) { return std::min(6, 3 * kMaxVectors / vectors); }

/// Elements [at, at + kVectors vectors) of strips [first, first + kStrips). `last` loads and stores
/// the last vector, which may be only partly there.
template <class D, int kStrips, int kVectors, class Last, class T = hn::TFromD<D>>
HWY_INLINE void AddBlock(const StripSums<T>& sums, std::int64_t first, std::int64_t at, Last last) {
  const D d;
  using V = hn::Vec<D>;
  const std::size_t lanes = hn::Lanes(d);
  constexpr int kWhole = kVectors - 1;
  T* to[kStrips];
  std::ptrdiff_t from[kStrips];
  V sum[kStrips][kVectors];
  NNKERNELS_UNROLL
  for (int s = 0; s < kStrips; ++s) {
    to[s] = sums.to + sums.to_places[first + s] + at;
    from[s] = sums.from_places[first + s] + at;
    NNKERNELS_UNROLL
    for (int v = 0; v < kWhole; ++v) sum[s][v] = hn::LoadU(d, to[s] + v * lanes);
    sum[s][kWhole] = last.Load(d, to[s] + kWhole * lanes);
  }
  for (std::int64_t t = 0; t < sums.count; ++t) {
    const V factor = hn::Set(d, sums.factors[t]);
    NNKERNELS_UNROLL
    for (int s = 0; s < kStrips; ++s) {
      const T* HWY_RESTRICT strip = sums.terms[t] + from[s];
      NNKERNELS_UNROLL
      for (int v = 0; v < kWhole; ++v) {
        sum[s][v] = hn::MulAdd(hn::LoadU(d, strip + v * lanes), factor, sum[s][v]);
      }
      sum[s][kWhole] = hn::MulAdd(last.Load(d, strip + kWhole * lanes), factor, sum[s][kWhole]);
    }
  }
  NNKERNELS_UNROLL
  for (int s = 0; s < kStrips; ++s) {
    NNKERNELS_UNROLL
    for (int v = 0; v < kWhole; ++v) hn::StoreU(sum[s][v], d, to[s] + v * lanes);
    last.Store(d, sum[s][kWhole], to[s] + kWhole * lanes);
  }
}

/// AddBlock() of the one instance for `strips`.
template <class D, int kVectors, class Last, class T, int... kStrips>
HWY_INLINE void AddSome(const StripSums<T>& sums, std::int64_t first, std::int64_t strips,
                        std::int64_t at, Last last, std::integer_sequence<int, kStrips...>) {
  (void)((strips == kStrips + 1 &&
          (AddBlock<D, kStrips + 1, kVectors>(sums, first, at, last), true)) ||
         ...);
}

/// All strips, `rest` lanes in the last vector.
template <class D, int kVectors, class T = hn::TFromD<D>>
void AddColumns(const StripSums<T>& sums, std::int64_t at, std::size_t rest) {
  const auto add = [&](auto last) {
    constexpr int kMost = MaxStrips(kVectors);
    const std::int64_t blocks = (sums.strips + kMost - 1) / kMost;
    for (std::int64_t b = 0; b < blocks; ++b) {
      const std::int64_t first = sums.strips * b / blocks;
      AddSome<D, kVectors>(sums, first, sums.strips * (b + 1) / blocks - first, at, last,
                           std::make_integer_sequence<int, kMost>());
    }
  };
  if (rest == hn::Lanes(D())) {
    add(WholeVector{});
  } else {
    add(FirstLanes{rest});
  }
}

template <class T, int... kVectors>
void AddStrips(const StripSums<T>& sums, std::integer_sequence<int, kVectors...>) {
  using D = hn::ScalableTag<T>;
  using Columns = void (*)(const StripSums<T>&, std::int64_t, std::size_t);
  static constexpr std::array<Columns, sizeof...(kVectors)> kColumns = {
      AddColumns<D, kVectors + 1>...};
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(D()));
  const std::int64_t vectors = (sums.length + lanes - 1) / lanes;
  const std::int64_t blocks = (vectors + kMaxVectors - 1) / kMaxVectors;
  for (std::int64_t b = 0; b < blocks; ++b) {
    const std::int64_t first = vectors * b / blocks, last = vectors * (b + 1) / blocks;
    const std::int64_t rest = std::min(lanes, sums.length - (last - 1) * lanes);
    kColumns[static_cast<std::size_t>(last - first - 1)](sums, first * lanes,
                                                         static_cast<std::size_t>(rest));
  }
}

template <class T>
void AddAll(const StripSums<T>& sums) {
  AddStrips(sums, std::make_integer_sequence<int, kMaxVectors>());
}

detail::StripSumsKernel<float> StripSumsF32() { return AddAll<float>; }
detail::StripSumsKernel<double> StripSumsF64() { return AddAll<double>; }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace nnkernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace nnkernels {
HWY_EXPORT(StripSumsF32);
HWY_EXPORT(StripSumsF64);

namespace detail {

template <>
StripSumsKernel<float> strip_sums_kernel<float>() {
  return HWY_DYNAMIC_DISPATCH(StripSumsF32)();
}
template <>
StripSumsKernel<double> strip_sums_kernel<double>() {
  return HWY_DYNAMIC_DISPATCH(StripSumsF64)();
}

}  // namespace detail
}  // namespace nnkernels
#endif  // HWY_ONCE
