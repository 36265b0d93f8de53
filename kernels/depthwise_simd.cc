#include "kernels/depthwise_simd.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/depthwise_simd.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "hwy/highway.h"
#include "kernels/aligned_buffer.h"
#include "kernels/even_rows.h"
#include "kernels/simd-inl.h"
#include "kernels/unroll.h"

HWY_BEFORE_NAMESPACE();
namespace nnkernels {
namespace HWY_NAMESPACE {
namespace {

using detail::DepthwiseCopy;
using detail::DepthwiseGradient;
using detail::DepthwisePixels;
using detail::EvenRows;

/// How the taps of a row of the kernel lie to the pixels. Where `kTaps` of them are three, every
/// element of x that several pixels meet is loaded once for all of them.
enum class Taps {
  any,
  three,         // as far apart as the pixels
  three_by_two,  // half as far: stride 2
};
inline constexpr int kTaps = 3;

/// Pixels from one to the next, in taps.
constexpr int StepOf(Taps taps) { return taps == Taps::three_by_two ? 2 : 1; }

/// Taps in a column and in a row of the kernel that share each load of a gradient.
inline constexpr int kTapRows = 3;
inline constexpr int kTapCols = 4;

/// Adds to the sums of kCount pixels what rows of taps of any kind contribute.
template <int kCount, class T, class Part, class V>
HWY_INLINE void AddTaps(const DepthwisePixels<T>& s, const T* x, const T* w, Part part,
                        V (&sum)[kCount]) {
  const hn::ScalableTag<T> d;
  for (std::int64_t i = 0; i < s.kh; ++i, x += s.x_row, w += s.w_row) {
    EvenRows<kCount, const T> pixels(x, s.x_step);
    const T* tap = w;
    for (std::int64_t j = 0; j < s.kw; ++j, tap += s.w_col) {
      const V weight = part.Load(d, tap);
      NNKERNELS_UNROLL
      for (int p = 0; p < kCount; ++p) {
        sum[p] = hn::MulAdd(part.Load(d, pixels.row(p)), weight, sum[p]);
      }
      pixels.advance(s.x_col);
    }
  }
}

/// The same for three taps in a row.
template <Taps kKind, int kCount, class T, class Part, class V>
HWY_INLINE void AddThreeTaps(const DepthwisePixels<T>& s, const T* x, const T* w, Part part,
                             V (&sum)[kCount]) {
  const hn::ScalableTag<T> d;
  constexpr int kStep = StepOf(kKind), kElements = (kCount - 1) * kStep + kTaps;
  EvenRows<kElements, const T> elements(x, s.x_col);
  const std::ptrdiff_t x_row = s.x_row, w_row = s.w_row, w_col = s.w_col;
  for (std::int64_t i = s.kh; i > 0; --i, w += w_row) {
    V weight[kTaps];
    NNKERNELS_UNROLL
    for (int j = 0; j < kTaps; ++j) weight[j] = part.Load(d, w + j * w_col);
    NNKERNELS_UNROLL
    for (int q = 0; q < kElements; ++q) {
      const V element = part.Load(d, elements.row(q));
      NNKERNELS_UNROLL
      for (int j = 0; j < kTaps; ++j) {
        const int from = q - j;
        if (from < 0 || from % kStep != 0 || from / kStep >= kCount) continue;
        sum[from / kStep] = hn::MulAdd(element, weight[j], sum[from / kStep]);
      }
    }
    elements.advance(x_row);
  }
}

/// kCount pixels, for the channels from c on that `part` stands for.
template <Taps kKind, int kCount, class T, class Part>
HWY_INLINE void SomePixels(const DepthwisePixels<T>& s, std::int64_t c, Part part) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  V sum[kCount];
  const V start = s.bias == nullptr ? hn::Zero(d) : part.Load(d, s.bias + c);
  NNKERNELS_UNROLL
  for (int p = 0; p < kCount; ++p) sum[p] = start;
  if constexpr (kKind == Taps::any) {
    AddTaps(s, s.x + c, s.w + c, part, sum);
  } else {
    AddThreeTaps<kKind>(s, s.x + c, s.w + c, part, sum);
  }
  if (s.relu) {
    NNKERNELS_UNROLL
    for (int p = 0; p < kCount; ++p) sum[p] = Rectified(sum[p]);
  }
  const EvenRows<kCount, T> y(s.y + c, s.y_step);
  NNKERNELS_UNROLL
  for (int p = 0; p < kCount; ++p) part.Store(d, sum[p], y.row(p));
}

/// The last channels of kCount pixels, too few for a vector. Not inlined: one copy serves all
/// kinds.
template <int kCount, class T>
HWY_NOINLINE void LastChannels(const DepthwisePixels<T>& s, std::int64_t c) {
  SomePixels<Taps::any, kCount>(s, c, FirstLanes{static_cast<std::size_t>(s.channels - c)});
}

/// All channels of kCount pixels: in memory these lie side by side.
template <Taps kKind, int kCount, class T>
void AllChannels(const DepthwisePixels<T>& s) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t c = 0;
  for (; c + lanes <= s.channels; c += lanes) SomePixels<kKind, kCount>(s, c, WholeVector());
  if (c < s.channels) LastChannels<kCount>(s, c);
}

/// Adds what kPixels pixels contribute to kHeight x kWidth taps; `kStep` is as StepOf() says, or 0
/// for any.
template <int kStep, int kPixels, int kHeight, int kWidth, class T, class Part, class V>
HWY_INLINE void AddPixels(const DepthwiseGradient<T>& s, const EvenRows<kHeight, const T>& x,
                          const T* dy, Part part, V (&sum)[kHeight][kWidth]) {
  const hn::ScalableTag<T> d;
  V gradient[kPixels];
  NNKERNELS_UNROLL
  for (int p = 0; p < kPixels; ++p) gradient[p] = part.Load(d, dy + p * s.dy_step);
  NNKERNELS_UNROLL
  for (int i = 0; i < kHeight; ++i) {
    const EvenRows<(kPixels - 1) * kStep + kWidth, const T> elements(x.row(i), s.x_col);
    NNKERNELS_UNROLL
    for (int q = 0; q < (kPixels - 1) * kStep + kWidth; ++q) {
      const V element = part.Load(d, elements.row(q));
      NNKERNELS_UNROLL
      for (int p = 0; p < kPixels; ++p) {
        const int j = q - p * kStep;
        if (j >= 0 && j < kWidth) sum[i][j] = hn::MulAdd(element, gradient[p], sum[i][j]);
      }
    }
  }
}

/// kHeight x kWidth taps from (row, col) on.
template <int kHeight, int kWidth, class T, class Part>
HWY_INLINE void SomeTaps(const DepthwiseGradient<T>& s, std::int64_t row, std::int64_t col,
                         std::int64_t c, Part part) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const EvenRows<kHeight, T> dw(s.dw + row * s.dw_row + col * s.dw_col + c, s.dw_row);
  V sum[kHeight][kWidth];
  NNKERNELS_UNROLL
  for (int i = 0; i < kHeight; ++i) {
    NNKERNELS_UNROLL
    for (int j = 0; j < kWidth; ++j) sum[i][j] = part.Load(d, dw.row(i) + j * s.dw_col);
  }
  const T* x_line = s.x + row * s.x_row + col * s.x_col + c;
  const T* dy_line = s.dy + c;
  for (std::int64_t r = 0; r < s.rows; ++r, x_line += s.x_line, dy_line += s.dy_line) {
    EvenRows<kHeight, const T> x(x_line, s.x_row);
    const T* dy = dy_line;
    std::int64_t p = 0;
    // Neighbouring pixels share what they meet.
    constexpr int kShared = 4;
    if (kWidth == kTaps && s.x_step == s.x_col) {
      for (; p + kShared <= s.cols; p += kShared, dy += kShared * s.dy_step) {
        AddPixels<1, kShared>(s, x, dy, part, sum);
        x.advance(kShared * s.x_step);
      }
    } else if (kWidth == kTaps && s.x_step == 2 * s.x_col) {
      for (; p + kShared <= s.cols; p += kShared, dy += kShared * s.dy_step) {
        AddPixels<2, kShared>(s, x, dy, part, sum);
        x.advance(kShared * s.x_step);
      }
    }
    for (; p < s.cols; ++p, dy += s.dy_step) {
      AddPixels<0, 1>(s, x, dy, part, sum);
      x.advance(s.x_step);
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
  if (s.kh - row == 2) return TapRows<2>(s, row, c, part);
  if (s.kh - row == 1) TapRows<1>(s, row, c, part);
}

template <Taps kKind, class T, int... kCounts>
void Pixels(const DepthwisePixels<T>& s, std::integer_sequence<int, kCounts...>) {
  constexpr std::array kOfCount = {AllChannels<kKind, kCounts + 1, T>...};
  kOfCount[static_cast<std::size_t>(s.pixels - 1)](s);
}

template <class T>
void Pixels(const DepthwisePixels<T>& s) {
  constexpr auto kCounts = std::make_integer_sequence<int, detail::kDepthwisePixels>();
  if (s.kw == kTaps && s.x_step == s.x_col) return Pixels<Taps::three>(s, kCounts);
  if (s.kw == kTaps && s.x_step == 2 * s.x_col) return Pixels<Taps::three_by_two>(s, kCounts);
  Pixels<Taps::any>(s, kCounts);
}

template <class T>
void Gradient(const DepthwiseGradient<T>& s) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t c = 0;
  for (; c + lanes <= s.channels; c += lanes) AllTaps(s, c, WholeVector());
  if (c < s.channels) AllTaps(s, c, FirstLanes{static_cast<std::size_t>(s.channels - c)});
}

template <class T>
void Copy(const DepthwiseCopy<T>& s) {
  constexpr std::int64_t kLine = kAlignment / sizeof(T);
  const hn::CappedTag<T, kLine> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  T* HWY_RESTRICT to = s.to;
  const std::int64_t step = s.to_step;
  const auto zeros = [d, lanes, step, &to](std::int64_t pixels) HWY_ATTR {
    for (T* const end = to + pixels * step; to < end; to += lanes) hn::Store(hn::Zero(d), d, to);
  };
  const T* line = s.x;
  zeros(s.rows.first * s.cols.count);
  for (std::int64_t r = s.rows.first; r < s.rows.last; ++r, line += s.x_line) {
    zeros(s.cols.first);
    const T* HWY_RESTRICT x = line;
    for (std::int64_t c = s.cols.first; c < s.cols.last; ++c, x += s.x_step, to += step) {
      std::int64_t i = 0;
      for (; i + kLine <= s.channels; i += kLine) {
        for (std::int64_t v = i; v < i + kLine; v += lanes)
          hn::Store(hn::LoadU(d, x + v), d, to + v);
      }
      for (; i + lanes <= s.channels; i += lanes) hn::Store(hn::LoadU(d, x + i), d, to + i);
      for (; i < s.channels; ++i) to[i] = x[i];
    }
    zeros(s.cols.count - s.cols.last);
  }
  zeros((s.rows.count - s.rows.last) * s.cols.count);
}

template <class T>
detail::DepthwiseKernels<T> Kernels() {
  return {Pixels<T>, Gradient<T>, Copy<T>};
}
detail::DepthwiseKernels<float> FloatKernels() { return Kernels<float>(); }
detail::DepthwiseKernels<double> DoubleKernels() { return Kernels<double>(); }

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
