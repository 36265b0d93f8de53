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

/// Rows of pixels that share what they load, with sums of their own.
inline constexpr int kSharedRows = k32Registers ? 2 : 1;

/// Adds what kPixels pixels of each of kRows rows contribute to kHeight x kWidth taps, in sums of
/// their own for each row; `kStep` is how far apart pixels are, in taps, or 0 for
/// any distance.
template <int kStep, int kRows, int kPixels, int kHeight, int kWidth, class T, class Part, class V>
HWY_INLINE void AddPixels(const DepthwiseGradient<T>& s, const T* x, const T* dy, Part part,
                          V (&sum)[kRows * kHeight * kWidth]) {
  const hn::ScalableTag<T> d;
  V gradient[kRows * kPixels];
  NNKERNELS_UNROLL
  for (int p = 0; p < kRows * kPixels; ++p) {
    gradient[p] = part.Load(d, dy + p / kPixels * s.dy_line + p % kPixels * s.dy_step);
  }
  constexpr int kLines = (kRows - 1) * kStep + kHeight, kElements = (kPixels - 1) * kStep + kWidth;
  const EvenRows<kLines, const T> lines(x, s.x_row);
  NNKERNELS_UNROLL
  for (int line = 0; line < kLines; ++line) {
    const EvenRows<kElements, const T> elements(lines.row(line), s.x_col);
    NNKERNELS_UNROLL
    for (int q = 0; q < kElements; ++q) {
      const V element = part.Load(d, elements.row(q));
      NNKERNELS_UNROLL
      for (int p = 0; p < kRows * kPixels; ++p) {
        const int i = line - p / kPixels * kStep, j = q - p % kPixels * kStep;
        if (i < 0 || i >= kHeight || j < 0 || j >= kWidth) continue;
        const int tap = (p / kPixels * kHeight + i) * kWidth + j;
        sum[tap] = hn::MulAdd(element, gradient[p], sum[tap]);
      }
    }
  }
}

/// The same for whole rows; neighbouring pixels share what they meet.
template <int kStep, int kRows, int kHeight, int kWidth, class T, class Part, class V>
HWY_INLINE void AddLines(const DepthwiseGradient<T>& s, const T* x, const T* dy, Part part,
                         V (&sum)[kRows * kHeight * kWidth]) {
  std::int64_t p = 0;
  if constexpr (kStep > 0) {
    constexpr int kShared = 4;
    for (; p + kShared <= s.cols;
         p += kShared, x += kShared * s.x_step, dy += kShared * s.dy_step) {
      AddPixels<kStep, kRows, kShared, kHeight, kWidth>(s, x, dy, part, sum);
    }
  }
  for (; p < s.cols; ++p, x += s.x_step, dy += s.dy_step) {
    AddPixels<kStep, kRows, 1, kHeight, kWidth>(s, x, dy, part, sum);
  }
}

/// kHeight x kWidth taps from (row, col) on, whose pixels lie as `kStep` says.
template <int kStep, int kHeight, int kWidth, class T, class Part>
HWY_INLINE void SomeTaps(const DepthwiseGradient<T>& s, std::int64_t row, std::int64_t col,
                         std::int64_t c, Part part) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const T* x = s.x + row * s.x_row + col * s.x_col + c;
  const T* dy = s.dy + c;
  constexpr int kTapCount = kHeight * kWidth;
  constexpr bool kShare = kSharedRows > 1 && kStep > 0 && kHeight == kTaps;
  constexpr int kRows = kShare ? kSharedRows : 1;
  V sum[kRows * kTapCount];
  const EvenRows<kHeight, T> dw(s.dw + row * s.dw_row + col * s.dw_col + c, s.dw_row);
  NNKERNELS_UNROLL
  for (int tap = 0; tap < kTapCount; ++tap) {
    sum[tap] = part.Load(d, dw.row(tap / kWidth) + tap % kWidth * s.dw_col);
  }
  NNKERNELS_UNROLL
  for (int tap = kTapCount; tap < kRows * kTapCount; ++tap) sum[tap] = hn::Zero(d);
  std::int64_t r = 0;
  if (kShare && s.x_line == kStep * s.x_row) {
    for (; r + kRows <= s.rows; r += kRows, x += kRows * s.x_line, dy += kRows * s.dy_line) {
      AddLines<kStep, kRows, kHeight, kWidth>(s, x, dy, part, sum);
    }
    NNKERNELS_UNROLL
    for (int tap = kTapCount; tap < kRows * kTapCount; ++tap) {
      sum[tap % kTapCount] = hn::Add(sum[tap % kTapCount], sum[tap]);
    }
  }
  V first[kTapCount];
  NNKERNELS_UNROLL
  for (int tap = 0; tap < kTapCount; ++tap) first[tap] = sum[tap];
  for (; r < s.rows; ++r, x += s.x_line, dy += s.dy_line) {
    AddLines<kStep, 1, kHeight, kWidth>(s, x, dy, part, first);
  }
  NNKERNELS_UNROLL
  for (int tap = 0; tap < kTapCount; ++tap) {
    part.Store(d, first[tap], dw.row(tap / kWidth) + tap % kWidth * s.dw_col);
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
