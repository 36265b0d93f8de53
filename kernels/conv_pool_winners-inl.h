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
#include <cstring>
#include <type_traits>
#include <utility>

#include "hwy/highway.h"
#include "kernels/conv_pool_simd.h"
#include "kernels/even_rows.h"
#include "kernels/simd-inl.h"
#include "kernels/unroll.h"

HWY_BEFORE_NAMESPACE();
namespace nnkernels {
namespace HWY_NAMESPACE {

using detail::hide_origin;
using detail::WinnerImage;

#if HWY_TARGET != HWY_SCALAR
/// The first `count` bytes from p, zeros behind them; reads nothing else.
template <class D>
HWY_INLINE hn::Vec<D> LoadBytes(D d, const std::uint8_t* p, std::size_t count) {
  if (count == hn::Lanes(d)) return hn::LoadU(d, p);
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  return hn::MaskedLoad(hn::FirstN(d, count), d, p);
#else
  // Put together in a general register: a load of several stores would wait for all of them.
  // (Little-endian, as are all CPUs that this has vectors for.)
  using Bits = std::conditional_t<hn::MaxLanes(d) == 8, std::uint64_t, std::uint32_t>;
  static_assert(hn::MaxLanes(d) == sizeof(Bits));
  Bits bits = 0;
  std::size_t done = 0;
  NNKERNELS_UNROLL
  for (std::size_t size = sizeof(Bits) / 2; size > 0; size /= 2) {
    if ((count & size) == 0) continue;
    Bits part = 0;
    std::memcpy(&part, p + done, size);
    bits |= part << (8 * done);
    done += size;
  }
  return hn::BitCast(d, hn::Set(hn::CappedTag<Bits, 1>(), bits));
#endif
}

/// The four elements of a quad in the first lanes of a vector.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE hn::Vec<D> LoadQuad(D d, const T* quad) {
  if constexpr (hn::MaxLanes(d) == 4) {
    return hn::LoadU(d, quad);
  } else {
    return hn::ZeroExtendVector(d, LoadQuad(hn::Half<D>(), quad));
  }
}

/// Writes a quad for each element of x that a tap meets from the upper left pixel of a window: what
/// it meets from the window's four pixels, in the order of the winners' numbers.
template <class D, class T = hn::TFromD<D>>
void ExpandImage(const WinnerImage<T>& image, T* HWY_RESTRICT quads) {
  const D d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t rows = image.quad_rows(), cols = image.quad_cols();
  const T* upper = image.x;
  for (std::int64_t row = 0; row < rows; ++row, upper += image.row_length) {
    const T* const lower = upper + image.row_length;
    const auto expand = [&](const auto& loads, std::int64_t at) HWY_ATTR {
      hn::StoreInterleaved4(loads.Load(d, upper + at), loads.Load(d, upper + image.pixel + at),
                            loads.Load(d, lower + at), loads.Load(d, lower + image.pixel + at), d,
                            quads + (row * cols + at) * 4);
    };
    std::int64_t at = 0;
    for (; at + lanes <= cols; at += lanes) expand(WholeVector(), at);
    // What this writes behind the row's end is written again, or not read.
    if (at < cols) expand(FirstLanes{static_cast<std::size_t>(cols - at)}, at);
  }
}

/// kRows rows of the kernel from `row` on, kTaps elements of each from `tap` on, for the channels
/// of one vector: all sums in registers, in one pass over the windows.
template <class D, int kRows, int kTaps, class T = hn::TFromD<D>>
HWY_NOINLINE void AddTaps(const WinnerImage<T>& image, std::int64_t row, std::int64_t tap,
                          const T* HWY_RESTRICT quads, std::int64_t channel, T* dw) {
  const D d;
  const hn::RebindToSigned<D> di;
  const hn::Rebind<std::int32_t, D> d32;
  const hn::Rebind<std::uint8_t, D> d8;
  using V = hn::Vec<D>;
  const auto channels = static_cast<std::size_t>(
      std::min(static_cast<std::int64_t>(hn::Lanes(d)), image.oc - channel));
  // The masked loads of AVX2 are as quick as others, and spare a branch.
  const bool whole = HWY_TARGET != HWY_AVX2 && channels == hn::Lanes(d);
  const std::ptrdiff_t quad_row = 4 * image.quad_cols(), window = 8 * image.pixel;
  dw += (row * image.taps + tap) * image.oc + channel;
  V sum[kRows][kTaps];
  NNKERNELS_UNROLL
  for (int r = 0; r < kRows; ++r) {
    NNKERNELS_UNROLL
    for (int t = 0; t < kTaps; ++t) {
      sum[r][t] = LoadFirst(d, dw + (r * image.taps + t) * image.oc, channels);
    }
  }
  const T* dy_at = image.dy + channel;
  const std::uint8_t* winner_at = image.winner + channel;
  for (std::int64_t i = 0; i < image.rows; ++i) {
    const T* quad[kRows];
    NNKERNELS_UNROLL
    for (int r = 0; r < kRows; ++r) quad[r] = quads + (2 * i + row + r) * quad_row + 4 * tap;
    for (std::int64_t j = 0; j < image.cols; ++j) {
      const V dy = whole ? hn::LoadU(d, dy_at) : LoadFirst(d, dy_at, channels);
      const auto number32 = hn::PromoteTo(d32, LoadBytes(d8, winner_at, channels));
      hn::Vec<decltype(di)> number;
      if constexpr (std::is_same_v<T, double>) {
        number = hn::PromoteTo(di, number32);
      } else {
        number = number32;
      }
      const auto index = hn::IndicesFromVec(d, number);
      dy_at += image.oc;
      winner_at += image.oc;
      NNKERNELS_UNROLL
      for (int r = 0; r < kRows; ++r) {
        NNKERNELS_UNROLL
        for (int t = 0; t < kTaps; ++t) {
          const V x = hn::TableLookupLanes(LoadQuad(d, quad[r] + 4 * t), index);
          sum[r][t] = hn::MulAdd(dy, x, sum[r][t]);
        }
        quad[r] += window;
        hide_origin(quad[r]);
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

/// Rows of the kernel, and elements of each, that one pass takes at most; and their product, which
/// registers limit.
inline constexpr int kMaxRows = 5, kMaxTaps = 8;
inline constexpr int kMaxSums = k32Registers ? 25 : 10;

template <class D, int kRows, class T, int... kTaps>
HWY_INLINE void AddRows(const WinnerImage<T>& image, std::int64_t row, std::int64_t tap, int taps,
                        const T* quads, std::int64_t channel, T* dw,
                        std::integer_sequence<int, kTaps...> /*all*/) {
  // Calls the one instance for `taps`.
  (void)((taps == kTaps + 1 && kRows * (kTaps + 1) <= kMaxSums &&
          (AddTaps<D, std::min(kRows, kMaxSums / (kTaps + 1)), kTaps + 1>(image, row, tap, quads,
                                                                          channel, dw),
           true)) ||
         ...);
}

template <class D, class T, int... kRows>
HWY_INLINE void AddRows(const WinnerImage<T>& image, std::int64_t row, std::int64_t rows,
                        std::int64_t tap, int taps, const T* quads, std::int64_t channel, T* dw,
                        std::integer_sequence<int, kRows...> /*all*/) {
  (void)((rows == kRows + 1 && (AddRows<D, kRows + 1>(image, row, tap, taps, quads, channel, dw,
                                                      std::make_integer_sequence<int, kMaxTaps>()),
                                true)) ||
         ...);
}

template <class T>
void AddImage(const WinnerImage<T>& image, T* quads, T* dw) {
  using D = hn::ScalableTag<T>;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(D()));
  ExpandImage<D>(image, quads);
  const std::int64_t parts = (image.taps + kMaxTaps - 1) / kMaxTaps;
  for (std::int64_t channel = 0; channel < image.oc; channel += lanes) {
    for (std::int64_t part = 0; part < parts; ++part) {
      const std::int64_t tap = image.taps * part / parts;
      const auto taps = static_cast<int>(image.taps * (part + 1) / parts - tap);
      const std::int64_t most = std::min(kMaxRows, kMaxSums / taps);
      const std::int64_t passes = (image.kh + most - 1) / most;
      for (std::int64_t pass = 0; pass < passes; ++pass) {
        const std::int64_t row = image.kh * pass / passes;
        const std::int64_t rows = image.kh * (pass + 1) / passes - row;
        AddRows<D>(image, row, rows, tap, taps, quads, channel, dw,
                   std::make_integer_sequence<int, kMaxRows>());
      }
    }
  }
}
#endif  // HWY_TARGET != HWY_SCALAR

}  // namespace HWY_NAMESPACE
}  // namespace nnkernels
HWY_AFTER_NAMESPACE();

#endif  // NNKERNELS_KERNELS_CONV_POOL_WINNERS_INL_H_
