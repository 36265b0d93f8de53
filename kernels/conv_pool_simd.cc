#include "kernels/conv_pool_simd.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv_pool_simd.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "hwy/highway.h"
#include "kernels/simd-inl.h"

// As in gemm_tile.cc: a loop over accumulators that is not unrolled keeps them in memory.
#define NNKERNELS_UNROLL _Pragma("GCC unroll 32")

HWY_BEFORE_NAMESPACE();
namespace nnkernels {
namespace HWY_NAMESPACE {
namespace {

using detail::ConvPoolKernels;
using detail::kMaxWindows;
using detail::kTwoVectors;
using detail::WindowTile;
using detail::WinnerImage;

/// How many windows of four rows fit into the registers beside a row of B, for each width: half a
/// vector, one, two.
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3  // better targets have lower numbers
inline constexpr std::array<int, 3> kWindows = {3, 3, 3};
#elif HWY_TARGET == HWY_NEON
inline constexpr std::array<int, 3> kWindows = {0, 3, 3};
#elif HWY_TARGET == HWY_SCALAR
inline constexpr std::array<int, 3> kWindows = {0, 1, 1};
#else
inline constexpr std::array<int, 3> kWindows = {0, 3, 1};
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
  HWY_ALIGN std::uint8_t lanes[hn::MaxLanes(d8)];
  hn::Store(bytes, d8, lanes);
  for (std::size_t i = 0; i < count; ++i) p[i] = lanes[i];
#endif
}

/// The first `count` bytes from p, zeros behind them; reads nothing else.
template <class D>
HWY_INLINE hn::Vec<D> LoadBytes(D d, const std::uint8_t* p, std::size_t count) {
  if (count == hn::Lanes(d)) return hn::LoadU(d, p);
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  return hn::MaskedLoad(hn::FirstN(d, count), d, p);
#else
  HWY_ALIGN std::uint8_t copy[hn::MaxLanes(d)] = {};
  for (std::size_t i = 0; i < count; ++i) copy[i] = p[i];
  return hn::Load(d, copy);
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
      if (tile.relu) best = hn::IfThenZeroElse(hn::Le(best, hn::Zero(d)), best);
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

  const T* rows[kRows];
  NNKERNELS_UNROLL
  for (int i = 0; i < kRows; ++i) rows[i] = tile.rows[i];
  V sum[kRows][kWidth];
  NNKERNELS_UNROLL
  for (int i = 0; i < kRows; ++i) {
    NNKERNELS_UNROLL
    for (int j = 0; j < kWidth; ++j) sum[i][j] = hn::Zero(d);
  }
  const T* HWY_RESTRICT b = tile.b;
  for (std::int64_t s = 0; s < tile.segment_count; ++s) {
    std::ptrdiff_t offset = tile.segments[s];
    for (const std::ptrdiff_t end = offset + tile.segment_length; offset < end; ++offset) {
      V b_row[kWidth];
      NNKERNELS_UNROLL
      for (int j = 0; j < kWidth; ++j) b_row[j] = hn::LoadU(d, b + j * lanes);
      b += kWidth * lanes;
      NNKERNELS_UNROLL
      for (int i = 0; i < kRows; ++i) {
        const V a = hn::Set(d, rows[i][offset]);
        NNKERNELS_UNROLL
        for (int j = 0; j < kWidth; ++j) sum[i][j] = hn::MulAdd(a, b_row[j], sum[i][j]);
      }
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

#if HWY_TARGET != HWY_SCALAR
/// Two rows of x from which the lanes of a vector choose: element [row * Stride() + i].
/// In one register where both fit (each AVX-512 lookup is one instruction) ...
template <class D>
struct JoinedRows {
  using T = hn::TFromD<D>;
  static std::int64_t Stride() { return static_cast<std::int64_t>(hn::Lanes(D()) / 2); }

  HWY_INLINE JoinedRows(const T* upper, const T* lower, std::size_t span) {
    const hn::Half<D> half;
    rows = hn::Combine(D(), LoadFirst(half, lower, span), LoadFirst(half, upper, span));
  }
  template <class Index>
  HWY_INLINE hn::Vec<D> Choose(Index index) const {
    return hn::TableLookupLanes(rows, hn::IndicesFromVec(D(), index));
  }
  hn::Vec<D> rows;
};

/// ... else in two.
template <class D>
struct SeparateRows {
  using T = hn::TFromD<D>;
  static std::int64_t Stride() { return static_cast<std::int64_t>(hn::Lanes(D())); }

  HWY_INLINE SeparateRows(const T* upper_row, const T* lower_row, std::size_t span)
      : upper(LoadFirst(D(), upper_row, span)), lower(LoadFirst(D(), lower_row, span)) {}
  template <class Index>
  HWY_INLINE hn::Vec<D> Choose(Index index) const {
    const D d;
    const hn::RebindToSigned<D> di;
    using I = hn::TFromD<decltype(di)>;
    const auto lanes = hn::Set(di, static_cast<I>(hn::Lanes(d)));
    const auto in_row = hn::IndicesFromVec(d, hn::AndNot(lanes, index));
    const auto is_lower = hn::RebindMask(d, hn::TestBit(index, lanes));
    return hn::IfThenElse(is_lower, hn::TableLookupLanes(lower, in_row),
                          hn::TableLookupLanes(upper, in_row));
  }
  hn::Vec<D> upper, lower;
};

/// kRows rows of the kernel from `row` on, kTaps elements of each from `tap` on, for the channels
/// of one vector: all sums in registers, in one pass over the windows.
template <class D, template <class> class Rows, int kRows, int kTaps, class T = hn::TFromD<D>>
HWY_INLINE void AddTaps(const WinnerImage<T>& image, std::int64_t row, std::int64_t tap,
                        const T* HWY_RESTRICT panel,
                        const hn::TFromD<hn::RebindToSigned<D>>* HWY_RESTRICT places, T* dw,
                        std::size_t channels) {
  const D d;
  const hn::RebindToSigned<D> di;
  using I = hn::TFromD<decltype(di)>;
  using V = hn::Vec<D>;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto span = static_cast<std::size_t>(image.pixel + image.taps);
  dw += (row * image.taps + tap) * image.oc;
  V sum[kRows][kTaps];
  NNKERNELS_UNROLL
  for (int r = 0; r < kRows; ++r) {
    NNKERNELS_UNROLL
    for (int t = 0; t < kTaps; ++t) {
      sum[r][t] = LoadFirst(d, dw + (r * image.taps + t) * image.oc, channels);
    }
  }
  for (std::int64_t i = 0; i < image.rows; ++i) {
    const T* HWY_RESTRICT x = image.x + (2 * i + row) * image.row_length;
    for (std::int64_t j = 0; j < image.cols; ++j, x += 2 * image.pixel) {
      const V dy = hn::Load(d, panel);
      const auto place = hn::Add(hn::Load(di, places), hn::Set(di, static_cast<I>(tap)));
      panel += lanes;
      places += lanes;
      NNKERNELS_UNROLL
      for (int r = 0; r < kRows; ++r) {
        const Rows<D> rows(x + r * image.row_length, x + (r + 1) * image.row_length, span);
        NNKERNELS_UNROLL
        for (int t = 0; t < kTaps; ++t) {
          const auto index = hn::Add(place, hn::Set(di, static_cast<I>(t)));
          sum[r][t] = hn::MulAdd(dy, rows.Choose(index), sum[r][t]);
        }
      }
    }
  }
  NNKERNELS_UNROLL
  for (int r = 0; r < kRows; ++r) {
    NNKERNELS_UNROLL
    for (int t = 0; t < kTaps; ++t) {
      StoreFirst(d, sum[r][t], dw + (r * image.taps + t) * image.oc, channels);
    }
  }
}

/// Copies dy of one vector of channels into `panel`, one window after the other, and to `places`
/// which element of the two rows of its window the winner's first tap is.
template <class D, class I, class T = hn::TFromD<D>>
void GatherPanel(const WinnerImage<T>& image, std::int64_t channel, std::size_t channels,
                 std::int64_t stride, T* HWY_RESTRICT panel, I* HWY_RESTRICT places) {
  const D d;
  const hn::RebindToSigned<D> di;
  const hn::Rebind<std::int32_t, D> d32;
  const hn::Rebind<std::uint8_t, D> d8;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto pixel = hn::Set(di, static_cast<I>(image.pixel));
  const auto lower = hn::Set(di, static_cast<I>(stride));
  const T* dy = image.dy + channel;
  const std::uint8_t* winner = image.winner + channel;
  for (std::int64_t p = 0; p < image.rows * image.cols; ++p) {
    hn::Store(LoadFirst(d, dy, channels), d, panel);
    const auto bytes = LoadBytes(d8, winner, channels);
    const auto number32 = hn::PromoteTo(d32, bytes);
    hn::Vec<decltype(di)> number;
    if constexpr (std::is_same_v<T, double>) {
      number = hn::PromoteTo(di, number32);
    } else {
      number = number32;
    }
    const auto right = hn::TestBit(number, hn::Set(di, I{1}));
    const auto below = hn::TestBit(number, hn::Set(di, I{2}));
    hn::Store(hn::Add(hn::IfThenElseZero(right, pixel), hn::IfThenElseZero(below, lower)), di,
              places);
    dy += image.oc;
    winner += image.oc;
    panel += lanes;
    places += lanes;
  }
}

inline constexpr int kMaxTaps = 8;
/// Sums in registers: rows of the kernel by taps.
inline constexpr int kMaxSums = HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3 ? 16 : 8;

template <class D, template <class> class Rows, int kRows, class T, class I, int... kTaps>
HWY_INLINE void AddRows(const WinnerImage<T>& image, std::int64_t row, std::int64_t tap, int taps,
                        const T* panel, const I* places, T* dw, std::size_t channels,
                        std::integer_sequence<int, kTaps...>) {
  // Calls the one instance for `taps`.
  (void)((taps == kTaps + 1 && kRows * (kTaps + 1) <= kMaxSums &&
          (AddTaps < D, Rows, kRows * (kTaps + 1) <= kMaxSums ? kRows : 1,
           kTaps + 1 > (image, row, tap, panel, places, dw, channels), true)) ||
         ...);
}

template <class D, template <class> class Rows, class T = hn::TFromD<D>>
void AddWinners(const WinnerImage<T>& image, T* panel, void* scratch, T* dw) {
  using I = hn::TFromD<hn::RebindToSigned<D>>;
  constexpr auto kAllTaps = std::make_integer_sequence<int, kMaxTaps>();
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(D()));
  auto* const places = static_cast<I*>(scratch);
  for (std::int64_t channel = 0; channel < image.oc; channel += lanes) {
    const auto channels = static_cast<std::size_t>(std::min(lanes, image.oc - channel));
    GatherPanel<D>(image, channel, channels, Rows<D>::Stride(), panel, places);
    for (std::int64_t tap = 0; tap < image.taps; tap += kMaxTaps) {
      const int taps = static_cast<int>(std::min<std::int64_t>(kMaxTaps, image.taps - tap));
      for (std::int64_t row = 0; row < image.kh;) {
        const auto rows = std::min<std::int64_t>({image.kh - row, kMaxSums / taps, 3});
        if (rows == 3) {
          AddRows<D, Rows, 3>(image, row, tap, taps, panel, places, dw + channel, channels,
                              kAllTaps);
        } else if (rows == 2) {
          AddRows<D, Rows, 2>(image, row, tap, taps, panel, places, dw + channel, channels,
                              kAllTaps);
        } else {
          AddRows<D, Rows, 1>(image, row, tap, taps, panel, places, dw + channel, channels,
                              kAllTaps);
        }
        row += rows;
      }
    }
  }
}

template <class T>
void AddImage(const WinnerImage<T>& image, T* panel, void* places, T* dw) {
  using D = hn::ScalableTag<T>;
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  if (image.pixel + image.taps <= JoinedRows<D>::Stride()) {
    return AddWinners<D, JoinedRows>(image, panel, places, dw);
  }
#endif
  AddWinners<D, SeparateRows>(image, panel, places, dw);
}
#endif  // HWY_TARGET != HWY_SCALAR

template <class T>
void Spread(std::int64_t cols, std::int64_t oc, const T* dy, const std::uint8_t* winner,
            std::int64_t row, T* dense) {
  for (std::int64_t j = 0; j < cols; ++j, dy += oc, winner += oc, dense += 2 * oc) {
    for (int q = 0; q < 4; ++q) {
      T* HWY_RESTRICT to = dense + q / 2 * row + q % 2 * oc;
      for (std::int64_t c = 0; c < oc; ++c) to[c] = winner[c] == q ? dy[c] : T{0};
    }
  }
}

template <class D, int kWidthIndex, int kWidth, int kCount, class T>
void AddTile(ConvPoolKernels<T>& kernels) {
  if constexpr (kCount <= kWindows[kWidthIndex]) {
    kernels.tile[kWidthIndex][kCount] = RunWindows<D, kCount, kWidth>;
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
#if HWY_TARGET != HWY_SCALAR
  kernels.max_span = static_cast<std::int64_t>(hn::Lanes(D()));
  kernels.add_image = AddImage<T>;
#endif
  kernels.spread = Spread<T>;
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
