#include <cstddef>
#include <cstdint>

#include "kernels/depthwise_simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/depthwise_gradient_simd.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "hwy/highway.h"
#include "kernels/even_rows.h"
#include "kernels/simd-inl.h"
#include "kernels/unroll.h"

HWY_BEFORE_NAMESPACE();
namespace nnkernels {
namespace HWY_NAMESPACE {
namespace {

using detail::DepthwiseGradient;
using detail::EvenRows;

/// Rows of so many taps share the loads of neighbouring pixels.
inline constexpr int kTaps = 3;
/// Taps in a column and in a row of the kernel that share each load of a gradient.
inline constexpr int kTapRows = 3;
inline constexpr int kTapCols = 4;

/// Adds what kPixels pixels of a row contribute to kHeight x kWidth taps; `kStep` is how far apart
/// they are, in taps, or 0 for any distance.
template <int kStep, int kPixels, int kHeight, int kWidth, class T, class Part, class V>
HWY_INLINE void AddPixels(const DepthwiseGradient<T>& s, const T* x, const T* dy, Part part,
                          V (&sum)[kHeight][kWidth]) {
  const hn::ScalableTag<T> d;
  V gradient[kPixels];
  NNKERNELS_UNROLL
  for (int p = 0; p < kPixels; ++p) gradient[p] = part.Load(d, dy + p * s.dy_step);
  constexpr int kElements = (kPixels - 1) * kStep + kWidth;
  const EvenRows<kHeight, const T> lines(x, s.x_row);
  NNKERNELS_UNROLL
  for (int i = 0; i < kHeight; ++i) {
    const EvenRows<kElements, const T> elements(lines.row(i), s.x_col);
    NNKERNELS_UNROLL
    for (int q = 0; q < kElements; ++q) {
      const V element = part.Load(d, elements.row(q));
      NNKERNELS_UNROLL
      for (int p = 0; p < kPixels; ++p) {
        const int j = q - p * kStep;
        if (j < 0 || j >= kWidth) continue;
        sum[i][j] = hn::MulAdd(element, gradient[p], sum[i][j]);
      }
    }
  }
}

/// kHeight x kWidth taps from (row, col) on, whose pixels lie as `kStep` says: neighbours then
/// share what they meet.
template <int kStep, int kHeight, int kWidth, class T, class Part>
HWY_INLINE void SomeTaps(const DepthwiseGradient<T>& s, std::int64_t row, std::int64_t col,
                         std::int64_t c, Part part) {
  const hn::ScalableTag<T> d;
  const T* x_line = s.x + row * s.x_row + col * s.x_col + c;
  const T* dy_line = s.dy + c;
  const EvenRows<kHeight, T> dw(s.dw + row * s.dw_row + col * s.dw_col + c, s.dw_row);
  hn::Vec<decltype(d)> sum[kHeight][kWidth];
  NNKERNELS_UNROLL
  for (int i = 0; i < kHeight; ++i) {
    NNKERNELS_UNROLL
    for (int j = 0; j < kWidth; ++j) sum[i][j] = part.Load(d, dw.row(i) + j * s.dw_col);
  }
  for (std::int64_t r = 0; r < s.rows; ++r, x_line += s.x_line, dy_line += s.dy_line) {
    const T* x = x_line;
    const T* dy = dy_line;
    std::int64_t p = 0;
    if constexpr (kStep > 0) {
      constexpr int kShared = 4;
      for (; p + kShared <= s.cols;
           p += kShared, x += kShared * s.x_step, dy += kShared * s.dy_step) {
        AddPixels<kStep, kShared>(s, x, dy, part, sum);
      }
    }
    for (; p < s.cols; ++p, x += s.x_step, dy += s.dy_step) {
      AddPixels<kStep, 1>(s, x, dy, part, sum);
    }
  }
  NNKERNELS_UNROLL
  for (int i = 0; i < kHeight; ++i) {
    NNKERNELS_UNROLL
    for (int j = 0; j < kWidth; ++j) part.Store(d, sum[i][j], dw.row(i) + j * s.dw_col);
  }
}

template <int kHeight, class T, class Part>
HWY_INLINE void TapRows(const DepthwiseGradient<T>& s, std::int64_t row, std::int64_t c,
                        Part part) {
  std::int64_t col = 0;
  for (; col + kTapCols <= s.kw; col += kTapCols) {
    SomeTaps<0, kHeight, kTapCols>(s, row, col, c, part);
  }
  switch (s.kw - col) {
    case kTaps:
      if (s.x_step == s.x_col) return SomeTaps<1, kHeight, kTaps>(s, row, col, c, part);
      if (s.x_step == 2 * s.x_col) return SomeTaps<2, kHeight, kTaps>(s, row, col, c, part);
      return SomeTaps<0, kHeight, kTaps>(s, row, col, c, part);
    case 2:
      return SomeTaps<0, kHeight, 2>(s, row, col, c, part);
    case 1:
      return SomeTaps<0, kHeight, 1>(s, row, col, c, part);
    default:
      return;
  }
}

template <class T, class Part>
HWY_INLINE void AllTaps(const DepthwiseGradient<T>& s, std::int64_t c, Part part) {
  std::int64_t row = 0;
  for (; row + kTapRows <= s.kh; row += kTapRows) TapRows<kTapRows>(s, row, c, part);
  if (s.kh - row == 2) return TapRows<2>(s, row, c, part);
  if (s.kh - row == 1) TapRows<1>(s, row, c, part);
}

template <class T>
void Gradient(const DepthwiseGradient<T>& s) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t c = 0;
  for (; c + lanes <= s.channels; c += lanes) AllTaps(s, c, WholeVector());
  if (c < s.channels) AllTaps(s, c, FirstLanes{static_cast<std::size_t>(s.channels - c)});
}

detail::DepthwiseGradientKernel<float> FloatGradient() { return Gradient<float>; }
detail::DepthwiseGradientKernel<double> DoubleGradient() { return Gradient<double>; }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace nnkernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace nnkernels::detail {

HWY_EXPORT(FloatGradient);
HWY_EXPORT(DoubleGradient);

template <>
DepthwiseGradientKernel<float> depthwise_gradient_kernel<float>() {
  return HWY_DYNAMIC_DISPATCH(FloatGradient)();
}
template <>
DepthwiseGradientKernel<double> depthwise_gradient_kernel<double>() {
  return HWY_DYNAMIC_DISPATCH(DoubleGradient)();
}

}  // namespace nnkernels::detail
#endif  // HWY_ONCE
