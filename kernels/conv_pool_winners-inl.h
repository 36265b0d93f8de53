// The weight gradient of a convolution under a 2x2 max pool, from the winners alone. Included as
// simd-inl.h is; not for SCALAR, which has no lanes to choose from.
// clang-format off: the toggle guard is Highway's idiom
#if defined(NNKERNELS_KERNELS_CONV_POOL_WINNERS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NNKERNELS_KERNELS_CONV_POOL_WINNERS_INL_H_
#undef NNKERNELS_KERNELS_CONV_POOL_WINNERS_INL_H_
#else
#define NNKERNELS_KERNELS_CONV_POOL_WINNERS_INL_H_
#endif
// clang-format on

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "hwy/highway.h"
#include "kernels/conv_pool_simd.h"
#include "kernels/simd-inl.h"
#include "kernels/unroll.h"

HWY_BEFORE_NAMESPACE();
namespace nnkernels {
namespace HWY_NAMESPACE {

using detail::WinnerImage;

#if HWY_TARGET != HWY_SCALAR
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
          (AddTaps<D, Rows, std::min(kRows, kMaxSums / (kTaps + 1)), kTaps + 1>(
               image, row, tap, panel, places, dw, channels),
           true)) ||
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

}  // namespace HWY_NAMESPACE
}  // namespace nnkernels
HWY_AFTER_NAMESPACE();

#endif  // NNKERNELS_KERNELS_CONV_POOL_WINNERS_INL_H_
