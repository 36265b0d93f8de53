#include "kernels/conv_pool_simd.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv_pool_simd.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "hwy/highway.h"
#include "kernels/conv_pool_winners-inl.h"
#include "kernels/even_rows.h"
#include "kernels/simd-inl.h"
#include "kernels/unroll.h"

HWY_BEFORE_NAMESPACE();
namespace nnkernels {
namespace HWY_NAMESPACE {
namespace {

using detail::ConvPoolKernels;
using detail::EvenRows;
using detail::kMaxWindows;
using detail::WindowTile;

/// How many windows of four rows fit into the registers beside a row of B, for each width: half a
/// vector, one, two, three. With a fused multiply-add, 4 x 3 sums fill 16 registers.
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3  // better targets have lower numbers
inline constexpr std::array<int, 4> kWindows = {3, 3, 3, 0};
#elif HWY_TARGET == HWY_AVX2 && HWY_COMPILER_GCC_ACTUAL  // clang++ 14 keeps 12 of them in memory
inline constexpr std::array<int, 4> kWindows = {0, 3, 1, 1};
#elif HWY_TARGET == HWY_NEON
inline constexpr std::array<int, 4> kWindows = {0, 3, 3, 0};
#elif HWY_TARGET == HWY_SCALAR
inline constexpr std::array<int, 4> kWindows = {0, 1, 1, 0};
#else
inline constexpr std::array<int, 4> kWindows = {0, 3, 1, 0};
#endif

/// Where in a window the largest is, in as many lanes as values have: int32 beside float, double
/// (which is exact) beside double.
template <class T>
using PlaceOf = std::conditional_t<std::is_same_v<T, float>, std::int32_t, double>;

/// Stores the first `count` lanes of v, small integers, as bytes.
template <class D, class V>
HWY_INLINE void StoreBytes(D d, V v, std::uint8_t* p, std::size_t count) {
  const hn::Rebind<std::int32_t, D> d32;
  const hn::Rebind<std::uint8_t, D> d8;
  hn::Vec<decltype(d8)> bytes;
  if constexpr (std::is_same_v<hn::TFromD<D>, double>) {
    bytes = hn::DemoteTo(d8, hn::DemoteTo(d32, v));
  } else {
    bytes = hn::DemoteTo(d8, v);
  }
  if (count == hn::Lanes(d)) return hn::StoreU(bytes, d8, p);
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  hn::BlendedStore(bytes, hn::FirstN(d8, count), d8, p);
#else
  static_assert(hn::MaxLanes(d8) <= 8);
  HWY_ALIGN std::uint8_t lanes[8] = {};
  hn::Store(bytes, d8, lanes);
  const std::uint8_t* from = lanes;
  for (const std::size_t size : {4, 2, 1}) {
    if ((count & size) == 0) continue;
    std::memcpy(p, from, size);
    p += size;
    from += size;
  }
#endif
}

/// Stores the largest of each window's four sums, and which it was. wins(v, best) says whether v
/// beats the largest so far.
template <int kCount, int kWidth, class D, class T, class V, class Wins>
HWY_INLINE void StoreLargest(D d, const WindowTile<T>& tile, const V (&sum)[4 * kCount][kWidth],
                             Wins wins) {
  const std::size_t lanes = hn::Lanes(d);
  const hn::Rebind<PlaceOf<T>, D> places;
  const std::size_t last = static_cast<std::size_t>(tile.cols) - (kWidth - 1) * lanes;
  NNKERNELS_UNROLL
  for (int j = 0; j < kWidth; ++j) {
    const std::size_t count = j == kWidth - 1 ? last : lanes;
    const V bias = tile.bias == nullptr ? hn::Zero(d) : LoadFirst(d, tile.bias + j * lanes, count);
    NNKERNELS_UNROLL
    for (int w = 0; w < kCount; ++w) {
      V best = sum[4 * w][j];
      auto place = hn::Zero(places);
      NNKERNELS_UNROLL
      for (int q = 1; q < 4; ++q) {
        const V v = sum[4 * w + q][j];
        const auto larger = wins(v, best);
        best = hn::IfThenElse(larger, v, best);
        place = hn::IfThenElse(hn::RebindMask(places, larger),
                               hn::Set(places, static_cast<PlaceOf<T>>(q)), place);
      }
      best = hn::Add(best, bias);
      if (tile.relu) best = Rectified(best);
      T* const y = tile.y + w * tile.step + j * lanes;
      if (count == lanes) {
        hn::StoreU(best, d, y);
      } else {
        StoreFirst(d, best, y, count);
      }
      if (tile.winner != nullptr) {
        StoreBytes(d, place, tile.winner + w * tile.step + j * lanes, count);
      }
    }
  }
}

template <class D, int kCount, int kWidth, class T = hn::TFromD<D>>
void RunWindows(const WindowTile<T>& tile) {
  const D d;
  using V = hn::Vec<D>;
  constexpr int kRows = 4 * kCount;
  const std::size_t lanes = hn::Lanes(d);

  V sum[kRows][kWidth];
  NNKERNELS_UNROLL
  for (int i = 0; i < kRows; ++i) {
    NNKERNELS_UNROLL
    for (int j = 0; j < kWidth; ++j) sum[i][j] = hn::Zero(d);
  }
  const T* HWY_RESTRICT b = tile.b;
  for (std::int64_t s = 0; s < tile.segment_count; ++s) {
    const T* const x = tile.x + tile.segments[s];
    EvenRows<2 * kCount, const T> upper(x, tile.x_col), lower(x + tile.x_row, tile.x_col);
    for (std::int64_t p = 0; p < tile.segment_length; ++p) {
      V b_row[kWidth];
      NNKERNELS_UNROLL
      for (int j = 0; j < kWidth; ++j) b_row[j] = hn::LoadU(d, b + j * lanes);
      b += kWidth * lanes;
      NNKERNELS_UNROLL
      for (int i = 0; i < kRows; ++i) {
        const int pixel = i / 4 * 2 + i % 2;
        const V a = hn::Set(d, i % 4 < 2 ? upper[pixel] : lower[pixel]);
        NNKERNELS_UNROLL
        for (int j = 0; j < kWidth; ++j) sum[i][j] = hn::MulAdd(a, b_row[j], sum[i][j]);
      }
      upper.advance(1);
      lower.advance(1);
    }
  }

  // Whether any of these is NaN (or infinities cancel), which the fast comparison does not see.
  V any = hn::Zero(d);
  NNKERNELS_UNROLL
  for (int w = 0; w < kRows; w += 4) {
    NNKERNELS_UNROLL
    for (int j = 0; j < kWidth; ++j) {
      const V upper = hn::Add(sum[w][j], sum[w + 1][j]);
      any = hn::Add(any, hn::Add(upper, hn::Add(sum[w + 2][j], sum[w + 3][j])));
    }
  }
  if (hn::AllTrue(d, hn::Eq(any, any))) {
    StoreLargest<kCount, kWidth>(d, tile, sum, [](V v, V best) { return hn::Lt(best, v); });
  } else {
    // Larger or NaN, unless NaN has won already.
    StoreLargest<kCount, kWidth>(d, tile, sum, [](V v, V best) {
      return hn::And(hn::Not(hn::Le(v, best)), hn::Eq(best, best));
    });
  }
}

template <class D, int kWidthIndex, int kWidth, int kCount, class T>
void AddTile(ConvPoolKernels<T>& kernels) {
  if constexpr (kCount <= kWindows[kWidthIndex]) {
    kernels.tile[kWidthIndex][kCount] = RunWindows<D, kCount, kWidth>;
    kernels.widest = kWidthIndex;
  }
}

template <class T, int... kCount>
ConvPoolKernels<T> MakeKernels(std::integer_sequence<int, kCount...>) {
  using D = hn::ScalableTag<T>;
  ConvPoolKernels<T> kernels;
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  (AddTile<hn::Half<D>, 0, 1, kCount + 1>(kernels), ...);
#endif
  (AddTile<D, 1, 1, kCount + 1>(kernels), ...);
  (AddTile<D, 2, 2, kCount + 1>(kernels), ...);
  (AddTile<D, 3, 3, kCount + 1>(kernels), ...);
#if HWY_TARGET != HWY_SCALAR
  // Where a lookup in two rows takes three instructions, it pays for few taps alone.
  constexpr bool kQuick = HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(D()));
  kernels.max_span = kQuick ? lanes : std::min<std::int64_t>(4, lanes);
  kernels.add_image = AddImage<T>;
#endif
  return kernels;
}

const ConvPoolKernels<float>& ConvPoolF32() {
  static const ConvPoolKernels<float> kernels =
      MakeKernels<float>(std::make_integer_sequence<int, kMaxWindows>());
  return kernels;
}
const ConvPoolKernels<double>& ConvPoolF64() {
  static const ConvPoolKernels<double> kernels =
      MakeKernels<double>(std::make_integer_sequence<int, kMaxWindows>());
  return kernels;
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace nnkernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace nnkernels {
HWY_EXPORT(ConvPoolF32);
HWY_EXPORT(ConvPoolF64);

namespace detail {

template <>
const ConvPoolKernels<float>& conv_pool_kernels<float>() {
  return HWY_DYNAMIC_DISPATCH(ConvPoolF32)();
}
template <>
const ConvPoolKernels<double>& conv_pool_kernels<double>() {
  return HWY_DYNAMIC_DISPATCH(ConvPoolF64)();
}

}  // namespace detail
}  // namespace nnkernels
#endif  // HWY_ONCE
