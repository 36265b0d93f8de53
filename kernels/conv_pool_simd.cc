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

/// Which of a window's four values is the largest: right_above says whether the second of the upper
/// row beats the first, right_below the same for the lower row, below whether the lower row wins.
template <class M>
struct Places {
  M right_above, right_below, below;
};

/// Stores the first `count` places, from 0 to 3, as bytes.
template <class D, class M>
HWY_INLINE void StorePlaces(D d, const Places<M>& places, std::uint8_t* p, std::size_t count) {
  const hn::Rebind<std::uint8_t, D> d8;
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  const auto bytes_of = [&](M mask, std::uint8_t value) HWY_ATTR {
    std::uint8_t bits[8] = {};
    hn::StoreMaskBits(d, mask, bits);
    return hn::IfThenElseZero(hn::LoadMaskBits(d8, bits), hn::Set(d8, value));
  };
  const M right = hn::Or(hn::And(places.below, places.right_below),
                         hn::AndNot(places.below, places.right_above));
  const auto bytes = hn::Or(bytes_of(right, 1), bytes_of(places.below, 2));
  if (count == hn::Lanes(d)) return hn::StoreU(bytes, d8, p);
  hn::BlendedStore(bytes, hn::FirstN(d8, count), d8, p);
#else
  // In as many lanes as values have: int32 beside float, double (which is exact) beside double.
  constexpr bool kDouble = std::is_same_v<hn::TFromD<D>, double>;
  using Place = std::conditional_t<kDouble, double, std::int32_t>;
  const hn::Rebind<Place, D> d_place;
  const auto choose = [&](M mask, auto yes, auto no) HWY_ATTR {
    return hn::IfThenElse(hn::RebindMask(d_place, mask), yes, no);
  };
  const auto above = choose(places.right_above, hn::Set(d_place, Place{1}), hn::Zero(d_place));
  const auto below =
      choose(places.right_below, hn::Set(d_place, Place{3}), hn::Set(d_place, Place{2}));
  const auto place = choose(places.below, below, above);
  hn::Vec<decltype(d8)> bytes;
  if constexpr (kDouble) {
    bytes = hn::DemoteTo(d8, hn::DemoteTo(hn::Rebind<std::int32_t, D>(), place));
  } else {
    bytes = hn::DemoteTo(d8, place);
  }
  if (count == hn::Lanes(d)) return hn::StoreU(bytes, d8, p);
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

/// Stores the largest of the four sums of window w, and which it was. wins(v, other) says whether v
/// beats a value before it.
template <int kWidth, class D, class T, class Sums, class Wins>
HWY_INLINE void StoreLargest(D d, const WindowTile<T>& tile, int w, const Sums& sum, Wins wins) {
  using V = hn::Vec<D>;
  const std::size_t lanes = hn::Lanes(d);
  const std::size_t last = static_cast<std::size_t>(tile.cols) - (kWidth - 1) * lanes;
  NNKERNELS_UNROLL
  for (int j = 0; j < kWidth; ++j) {
    const std::size_t count = j == kWidth - 1 ? last : lanes;
    const V v0 = sum[4 * w][j], v1 = sum[4 * w + 1][j];
    const V v2 = sum[4 * w + 2][j], v3 = sum[4 * w + 3][j];
    Places<decltype(wins(v1, v0))> places{wins(v1, v0), wins(v3, v2), {}};
    const V above = hn::IfThenElse(places.right_above, v1, v0);
    const V below = hn::IfThenElse(places.right_below, v3, v2);
    places.below = wins(below, above);
    V best = hn::IfThenElse(places.below, below, above);
    if (tile.bias != nullptr) best = hn::Add(best, LoadFirst(d, tile.bias + j * lanes, count));
    if (tile.relu) best = Rectified(best);
    T* const y = tile.y + w * tile.step + j * lanes;
    if (count == lanes) {
      hn::StoreU(best, d, y);
    } else {
      StoreFirst(d, best, y, count);
    }
    if (tile.winner == nullptr) continue;
    StorePlaces(d, places, tile.winner + w * tile.step + j * lanes, count);
  }
}

/// Whether one of the sums of window w is NaN (or infinities cancel), which the fast comparison
/// does not see.
template <int kWidth, class D, class Sums>
HWY_INLINE bool HasNan(D d, int w, const Sums& sum) {
  auto any = hn::Zero(d);
  NNKERNELS_UNROLL
  for (int j = 0; j < kWidth; ++j) {
    const auto above = hn::Add(sum[4 * w][j], sum[4 * w + 1][j]);
    any = hn::Add(any, hn::Add(above, hn::Add(sum[4 * w + 2][j], sum[4 * w + 3][j])));
  }
  return !hn::AllTrue(d, hn::Eq(any, any));
}

/// One step of the k loop for rows [kFirst, kEnd): one row of B, and for each row i of the tile its
/// element of A, `at` steps further on than the pointers.
template <int kFirst, int kEnd, int kWidth, class D, class T, class Pixels, class Sums>
HWY_INLINE void AddStep(D d, const T* HWY_RESTRICT b, const Pixels& upper, const Pixels& lower,
                        int at, Sums& sum) {
  using V = hn::Vec<D>;
  V b_row[kWidth];
  NNKERNELS_UNROLL
  for (int j = 0; j < kWidth; ++j) b_row[j] = hn::LoadU(d, b + j * hn::Lanes(d));
  NNKERNELS_UNROLL
  for (int i = kFirst; i < kEnd; ++i) {
    const int pixel = i / 4 * 2 + i % 2;
    const V a = hn::Set(d, i % 4 < 2 ? upper.row(pixel)[at] : lower.row(pixel)[at]);
    NNKERNELS_UNROLL
    for (int j = 0; j < kWidth; ++j) sum[i][j] = hn::MulAdd(a, b_row[j], sum[i][j]);
  }
}

/// The last steps of a window are done just before its largest sum is chosen, which then goes on
/// beside the multiply-adds of the next window.
inline constexpr int kLastSteps = 2;

/// Stores the largest of the sums of window w, whatever they are.
template <int kWidth, class D, class T, class Sums>
HWY_INLINE void PickLargest(D d, const WindowTile<T>& tile, int w, const Sums& sum) {
  using V = hn::Vec<D>;
  if (!HasNan<kWidth>(d, w, sum)) {
    StoreLargest<kWidth>(d, tile, w, sum, [](V v, V other) { return hn::Lt(other, v); });
  } else {
    // Larger or NaN, unless the other one is NaN already.
    StoreLargest<kWidth>(d, tile, w, sum, [](V v, V other) {
      return hn::And(hn::Not(hn::Le(v, other)), hn::Eq(other, other));
    });
  }
}

/// As ConvPoolKernels::pick.
template <class T>
void Pick(const WindowTile<T>& windows, std::int64_t count) {
  const hn::ScalableTag<T> d;
  WindowTile<T> tile = windows;
  for (; count > 0; --count) {
    const hn::Vec<decltype(d)> sum[4][1] = {{hn::LoadU(d, tile.x)},
                                            {hn::LoadU(d, tile.x + tile.x_col)},
                                            {hn::LoadU(d, tile.x + tile.x_row)},
                                            {hn::LoadU(d, tile.x + tile.x_row + tile.x_col)}};
    PickLargest<1>(d, tile, 0, sum);
    tile.x += 2 * tile.x_col;
    tile.y += tile.step;
    if (tile.winner != nullptr) tile.winner += tile.step;
  }
}

/// Ends window kWindow, with its last steps if they are left.
template <int kWindow, int kWidth, class D, class T, class Pixels, class Sums>
HWY_INLINE void EndWindow(D d, const WindowTile<T>& tile, bool steps_left, const T* HWY_RESTRICT b,
                          const Pixels& upper, const Pixels& lower, Sums& sum) {
  if (steps_left) {
    NNKERNELS_UNROLL
    for (int p = 0; p < kLastSteps; ++p) {
      AddStep<4 * kWindow, 4 * kWindow + 4, kWidth>(d, b, upper, lower, p, sum);
      b += kWidth * hn::Lanes(d);
    }
  }
  PickLargest<kWidth>(d, tile, kWindow, sum);
}

template <int kWidth, class D, class T, class Pixels, class Sums, int... kWindows>
HWY_INLINE void EndWindows(D d, const WindowTile<T>& tile, bool steps_left, const T* b,
                           const Pixels& upper, const Pixels& lower, Sums& sum,
                           std::integer_sequence<int, kWindows...> /*windows*/) {
  (EndWindow<kWindows, kWidth>(d, tile, steps_left, b, upper, lower, sum), ...);
}

template <class D, int kCount, int kWidth, class T = hn::TFromD<D>>
void RunWindows(const WindowTile<T>& tile) {
  const D d;
  using V = hn::Vec<D>;
  constexpr int kRows = 4 * kCount;
  const std::size_t lanes = hn::Lanes(d);
  using Pixels = EvenRows<2 * kCount, const T>;

  V sum[kRows][kWidth];
  NNKERNELS_UNROLL
  for (int i = 0; i < kRows; ++i) {
    NNKERNELS_UNROLL
    for (int j = 0; j < kWidth; ++j) sum[i][j] = hn::Zero(d);
  }
  const bool by_window = kCount > 1 && tile.segment_length >= kLastSteps;
  const T* HWY_RESTRICT b = tile.b;
  Pixels upper(tile.x, tile.x_col), lower(tile.x, tile.x_col);
  std::int64_t left = tile.segment_count;
  for (const std::ptrdiff_t* segment = tile.segments; left > 0; ++segment, --left) {
    const T* const x = tile.x + *segment;
    upper = {x, tile.x_col};
    lower = {x + tile.x_row, tile.x_col};
    std::int64_t length = tile.segment_length;
    if (by_window && left == 1) length -= kLastSteps;
    for (; length > 0; --length) {
      AddStep<0, kRows, kWidth>(d, b, upper, lower, 0, sum);
      upper.advance(1);
      lower.advance(1);
      b += kWidth * lanes;
    }
  }
  EndWindows<kWidth>(d, tile, by_window, b, upper, lower, sum,
                     std::make_integer_sequence<int, kCount>());
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
  kernels.pick = Pick<T>;
#if HWY_TARGET != HWY_SCALAR
  if constexpr (hn::MaxLanes(D()) >= 4) {
    kernels.most_taps = static_cast<std::int64_t>(hn::Lanes(D())) * (k32Registers ? 4 : 3) / 2;
    kernels.add_image = AddImage<T>;
  }
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
