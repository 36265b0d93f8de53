#include "kernels/depthwise_simd.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/depthwise_simd.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "hwy/highway.h"
#include "kernels/simd-inl.h"

// As in gemm_tile-inl.h: a loop over accumulators that is not unrolled keeps them in memory.
#define NNKERNELS_UNROLL _Pragma("GCC unroll 32")

HWY_BEFORE_NAMESPACE();
namespace nnkernels {
namespace HWY_NAMESPACE {
namespace {

using detail::DepthwiseGradient;
using detail::DepthwisePixels;

/// Pixels that share each load of a weight. Enough sums to hide the latency of the multiply-add.
inline constexpr int kPixels = 8;
/// Taps in a column and in a row of the kernel that share each load of a gradient.
inline constexpr int kTapRows = 3;
inline constexpr int kTapCols = 4;

/// Adds what one row of taps, at x and w, contributes to the sums of kCount pixels.
template <int kCount, class T, class Part, class V>
HWY_INLINE void AddTaps(const DepthwisePixels<T>& s, const T* x, const T* w, Part part,
                        V (&sum)[kCount]) {
  const hn::ScalableTag<T> d;
  for (std::int64_t j = 0; j < s.kw; ++j, x += s.x_col, w += s.w_col) {
    const V weight = part.Load(d, w);
    NNKERNELS_UNROLL
    for (int p = 0; p < kCount; ++p) {
      sum[p] = hn::MulAdd(part.Load(d, x + p * s.x_step), weight, sum[p]);
    }
  }
}

/// The same for kWidth taps as far apart as the pixels are (kBackward: in the other direction), so
/// that each element of x is loaded once for all of them.
template <int kWidth, bool kBackward, int kCount, class T, class Part, class V>
HWY_INLINE void AddDenseTaps(const DepthwisePixels<T>& s, const T* x, const T* w, Part part,
                             V (&sum)[kCount]) {
  const hn::ScalableTag<T> d;
  V weight[kWidth];
  NNKERNELS_UNROLL
  for (int j = 0; j < kWidth; ++j) weight[j] = part.Load(d, w + j * s.w_col);
  if (kBackward) x -= (kWidth - 1) * s.x_step;
  NNKERNELS_UNROLL
  for (int q = 0; q < kCount + kWidth - 1; ++q) {
    const V element = part.Load(d, x + q * s.x_step);
    NNKERNELS_UNROLL
    for (int j = 0; j < kWidth; ++j) {
      const int p = kBackward ? q - (kWidth - 1) + j : q - j;
      if (p >= 0 && p < kCount) sum[p] = hn::MulAdd(element, weight[j], sum[p]);
    }
  }
}

/// kCount pixels from `first` on, for the channels from c on that `part` stands for.
template <int kCount, class T, class Part>
HWY_INLINE void SomePixels(const DepthwisePixels<T>& s, std::int64_t first, std::int64_t c,
                           Part part) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  V sum[kCount];
  const V start = s.bias == nullptr ? hn::Zero(d) : part.Load(d, s.bias + c);
  NNKERNELS_UNROLL
  for (int p = 0; p < kCount; ++p) sum[p] = start;
  const T* x = s.x + first * s.x_step + c;
  const T* w = s.w + c;
  for (std::int64_t i = 0; i < s.kh; ++i, x += s.x_row, w += s.w_row) {
    if (s.kw == 3 && s.x_col == s.x_step) {
      AddDenseTaps<3, false>(s, x, w, part, sum);
    } else if (s.kw == 3 && s.x_col == -s.x_step) {
      AddDenseTaps<3, true>(s, x, w, part, sum);
    } else {
      AddTaps(s, x, w, part, sum);
    }
  }
  if (s.relu) {
    NNKERNELS_UNROLL
    for (int p = 0; p < kCount; ++p) {
      sum[p] = Rectified(sum[p]);
    }
  }
  T* const y = s.y + first * s.y_step + c;
  NNKERNELS_UNROLL
  for (int p = 0; p < kCount; ++p) part.Store(d, sum[p], y + p * s.y_step);
}

/// All channels of kCount pixels: in memory these lie side by side.
template <int kCount, class T>
HWY_INLINE void AllChannels(const DepthwisePixels<T>& s, std::int64_t first) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t c = 0;
  for (; c + lanes <= s.channels; c += lanes) SomePixels<kCount>(s, first, c, WholeVector());
  if (c < s.channels) {
    SomePixels<kCount>(s, first, c, FirstLanes{static_cast<std::size_t>(s.channels - c)});
  }
}

/// kHeight x kWidth taps from (row, col) on.
template <int kHeight, int kWidth, class T, class Part>
HWY_INLINE void SomeTaps(const DepthwiseGradient<T>& s, std::int64_t row, std::int64_t col,
                         std::int64_t c, Part part) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  T* const dw = s.dw + row * s.dw_row + col * s.dw_col + c;
  V sum[kHeight][kWidth];
  NNKERNELS_UNROLL
  for (int i = 0; i < kHeight; ++i) {
    NNKERNELS_UNROLL
    for (int j = 0; j < kWidth; ++j) sum[i][j] = part.Load(d, dw + i * s.dw_row + j * s.dw_col);
  }
  const T* x = s.x + row * s.x_row + col * s.x_col + c;
  const T* dy = s.dy + c;
  for (std::int64_t p = 0; p < s.pixels; ++p, x += s.x_step, dy += s.dy_step) {
    const V gradient = part.Load(d, dy);
    NNKERNELS_UNROLL
    for (int i = 0; i < kHeight; ++i) {
      NNKERNELS_UNROLL
      for (int j = 0; j < kWidth; ++j) {
        sum[i][j] = hn::MulAdd(part.Load(d, x + i * s.x_row + j * s.x_col), gradient, sum[i][j]);
      }
    }
  }
  NNKERNELS_UNROLL
  for (int i = 0; i < kHeight; ++i) {
    NNKERNELS_UNROLL
    for (int j = 0; j < kWidth; ++j) part.Store(d, sum[i][j], dw + i * s.dw_row + j * s.dw_col);
  }
}

template <int kHeight, class T, class Part>
HWY_INLINE void TapRows(const DepthwiseGradient<T>& s, std::int64_t row, std::int64_t c,
                        Part part) {
  std::int64_t col = 0;
  for (; col + kTapCols <= s.kw; col += kTapCols) {
    SomeTaps<kHeight, kTapCols>(s, row, col, c, part);
  }
  switch (s.kw - col) {
    case 3:
      return SomeTaps<kHeight, 3>(s, row, col, c, part);
    case 2:
      return SomeTaps<kHeight, 2>(s, row, col, c, part);
    case 1:
      return SomeTaps<kHeight, 1>(s, row, col, c, part);
    default:
      return;
  }
}

template <class T, class Part>
HWY_INLINE void AllTaps(const DepthwiseGradient<T>& s, std::int64_t c, Part part) {
  std::int64_t row = 0;
  for (; row + kTapRows <= s.kh; row += kTapRows) TapRows<kTapRows>(s, row, c, part);
  for (; row < s.kh; ++row) TapRows<1>(s, row, c, part);
}

template <class T>
void Pixels(const DepthwisePixels<T>& s) {
  std::int64_t pixel = 0;
  for (; pixel + kPixels <= s.pixels; pixel += kPixels) AllChannels<kPixels>(s, pixel);
  if (pixel + 4 <= s.pixels) {
    AllChannels<4>(s, pixel);
    pixel += 4;
  }
  for (; pixel < s.pixels; ++pixel) AllChannels<1>(s, pixel);
}

template <class T>
void Gradient(const DepthwiseGradient<T>& s) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t c = 0;
  for (; c + lanes <= s.channels; c += lanes) AllTaps(s, c, WholeVector());
  if (c < s.channels) AllTaps(s, c, FirstLanes{static_cast<std::size_t>(s.channels - c)});
}

detail::DepthwiseKernels<float> FloatKernels() { return {Pixels<float>, Gradient<float>}; }
detail::DepthwiseKernels<double> DoubleKernels() { return {Pixels<double>, Gradient<double>}; }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace nnkernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace nnkernels::detail {

HWY_EXPORT(FloatKernels);
HWY_EXPORT(DoubleKernels);

template <>
DepthwiseKernels<float> depthwise_kernels<float>() {
  return HWY_DYNAMIC_DISPATCH(FloatKernels)();
}
template <>
DepthwiseKernels<double> depthwise_kernels<double>() {
  return HWY_DYNAMIC_DISPATCH(DoubleKernels)();
}

}  // namespace nnkernels::detail
#endif  // HWY_ONCE
