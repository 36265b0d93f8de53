#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/depthwise_simd.h"
#include "kernels/row_tiles.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/depthwise_3x3_simd.cc"
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

using detail::DepthwiseGradient3x3;
using detail::EvenRows;

inline constexpr int kSide = 3;  // taps in a row or column

/// Loads one column of x and moves on to the next.
template <int kLines, class D, class Part, class T, class V>
HWY_INLINE void LoadColumn(D d, Part part, hn::Mask<D> of_top, hn::Mask<D> of_bottom,
                           std::ptrdiff_t step, const T* (&x)[kLines], V (&column)[kLines]) {
  NNKERNELS_UNROLL
  for (int i = 0; i < kLines; ++i) {
    column[i] = part.Load(d, x[i]);
    x[i] += step;
  }
  column[0] = hn::IfThenElseZero(of_top, column[0]);
  column[kLines - 1] = hn::IfThenElseZero(of_bottom, column[kLines - 1]);
}

/// Adds what one column of dy contributes, and moves on to the next. Columns of x change their
/// meaning from turn to turn, not their place in the window.
template <int kStride, int kTurn, int kRows, int kLines, class D, class Part, class T, class V>
HWY_INLINE void AddColumn(D d, Part part, std::ptrdiff_t step, EvenRows<kRows, const T>& dy,
                          const V (&window)[kSide][kLines], V (&sum)[kSide][kSide], V& bias) {
  constexpr auto place = [](int col) {
    if (kStride == 1) return (kTurn + col) % kSide;
    return kTurn == 0 ? col : kSide - 1 - col;
  };
  constexpr int kLeft = place(0), kMiddle = place(1), kRight = place(2);
  NNKERNELS_UNROLL
  for (int p = 0; p < kRows; ++p) {
    const V gradient = part.Load(d, dy.row(p));
    bias = hn::Add(bias, gradient);
    NNKERNELS_UNROLL
    for (int i = 0; i < kSide; ++i) {
      const int line = p * kStride + i;
      sum[i][0] = hn::MulAdd(window[kLeft][line], gradient, sum[i][0]);
      sum[i][1] = hn::MulAdd(window[kMiddle][line], gradient, sum[i][1]);
      sum[i][2] = hn::MulAdd(window[kRight][line], gradient, sum[i][2]);
    }
  }
  dy.advance(step);
}

/// Adds what kRows rows of dy, from row r on, contribute, for one vector of channels. Three columns
/// of x slide along the rows in registers, so that what lies in memory is loaded once; where x has
/// no row or column, zeros are put there.
template <int kStride, int kRows, class T, class Part>
HWY_INLINE void AddRows(const DepthwiseGradient3x3<T>& s, std::int64_t r, std::int64_t c,
                        Part part) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  constexpr int kLines = (kRows - 1) * kStride + kSide;
  const std::ptrdiff_t step = s.channels, x_line = s.x_cols * step, dy_line = s.dy_cols * step;

  // Only the first and the last row of x may be missing: another one is read in their place.
  const std::int64_t top = r * kStride - s.pad_h, bottom = top + kLines - 1;
  const bool has_top = top >= 0, has_bottom = bottom < s.x_rows;
  const T* x[kLines];
  NNKERNELS_UNROLL
  for (int i = 0; i < kLines; ++i) {
    const std::int64_t above = i == 0 && !has_top ? 1 : 0;
    const std::int64_t below = i == kLines - 1 && !has_bottom ? 1 : 0;
    x[i] = s.x + (top + i + above - below) * x_line + c;
  }
  const auto of_top = hn::FirstN(d, has_top ? hn::Lanes(d) : 0);
  const auto of_bottom = hn::FirstN(d, has_bottom ? hn::Lanes(d) : 0);
  EvenRows<kRows, const T> dy(s.dy + r * dy_line + c, dy_line);

  T* const dw = s.dw + c;
  V sum[kSide][kSide], bias = hn::Zero(d);
  NNKERNELS_UNROLL
  for (int i = 0; i < kSide; ++i) {
    NNKERNELS_UNROLL
    for (int j = 0; j < kSide; ++j) sum[i][j] = part.Load(d, dw + (i * kSide + j) * step);
  }

  V window[kSide][kLines];
  std::int64_t col = -s.pad_w;
  const auto load = [&](V(&column)[kLines])
                        HWY_ATTR { LoadColumn(d, part, of_top, of_bottom, step, x, column); };
  const auto load_any = [&](V(&column)[kLines]) HWY_ATTR {
    if (col >= 0 && col < s.x_cols) {
      load(column);
    } else {
      NNKERNELS_UNROLL
      for (int i = 0; i < kLines; ++i) column[i] = hn::Zero(d);
    }
    ++col;
  };
  load_any(window[0]);
  if (kStride == 1) load_any(window[1]);
  const std::int64_t last = s.x_cols + s.pad_w - kSide;
  const std::int64_t inside = last < 0 ? 0 : std::min(s.dy_cols, last / kStride + 1);
  std::int64_t q = 0;
  if constexpr (kStride == 1) {
    for (; q + 3 <= inside; q += 3) {
      load(window[2]);
      AddColumn<1, 0>(d, part, step, dy, window, sum, bias);
      load(window[0]);
      AddColumn<1, 1>(d, part, step, dy, window, sum, bias);
      load(window[1]);
      AddColumn<1, 2>(d, part, step, dy, window, sum, bias);
    }
  } else {
    for (; q + 2 <= inside; q += 2) {
      load(window[1]);
      load(window[2]);
      AddColumn<2, 0>(d, part, step, dy, window, sum, bias);
      load(window[1]);
      load(window[0]);
      AddColumn<2, 1>(d, part, step, dy, window, sum, bias);
    }
  }
  col += q * kStride;
  for (; q < s.dy_cols; ++q) {
    if (kStride == 2) load_any(window[1]);
    load_any(window[2]);
    AddColumn<kStride, 0>(d, part, step, dy, window, sum, bias);
    NNKERNELS_UNROLL
    for (int i = 0; i < kLines; ++i) {
      window[0][i] = window[kStride][i];
      if (kStride == 1) window[1][i] = window[2][i];
    }
  }

  NNKERNELS_UNROLL
  for (int i = 0; i < kSide; ++i) {
    NNKERNELS_UNROLL
    for (int j = 0; j < kSide; ++j) part.Store(d, sum[i][j], dw + (i * kSide + j) * step);
  }
  if (s.db != nullptr) part.Store(d, hn::Add(part.Load(d, s.db + c), bias), s.db + c);
}

/// The same for all channels.
template <int kStride, int kRows, class T>
void AddRows(const DepthwiseGradient3x3<T>& s, std::int64_t r) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(hn::ScalableTag<T>()));
  std::int64_t c = 0;
  for (; c + lanes <= s.channels; c += lanes) AddRows<kStride, kRows>(s, r, c, WholeVector());
  if (c < s.channels) {
    AddRows<kStride, kRows>(s, r, c, FirstLanes{static_cast<std::size_t>(s.channels - c)});
  }
}

/// The same for all rows: so many at a time that registers hold three columns of all rows of x that
/// they meet, nine sums, a gradient and the sum of gradients.
template <int kStride, class T>
void AddAllRows(const DepthwiseGradient3x3<T>& s) {
  constexpr int kRowsTogether = kStride == 1 ? 3 : 2;
  const detail::RowTiles tiles(s.last - s.first, kRowsTogether);
  for (std::int64_t t = 0; t < tiles.count(); ++t) {
    const std::int64_t r = s.first + tiles.begin(t), rows = tiles.size(t);
    if (rows == 1) {
      AddRows<kStride, 1>(s, r);
    } else if (rows == 2) {
      AddRows<kStride, 2>(s, r);
    } else if constexpr (kStride == 1) {
      AddRows<kStride, 3>(s, r);
    }
  }
}

template <class T>
void Gradient3x3(const DepthwiseGradient3x3<T>& s) {
  if (s.stride == 1) {
    AddAllRows<1>(s);
  } else {
    AddAllRows<2>(s);
  }
}

template <class T>
detail::DepthwiseGradient3x3Kernel<T> Kernel() {
  if constexpr (k32Registers) {
    return Gradient3x3<T>;
  } else {
    return nullptr;
  }
}
detail::DepthwiseGradient3x3Kernel<float> FloatGradient3x3() { return Kernel<float>(); }
detail::DepthwiseGradient3x3Kernel<double> DoubleGradient3x3() { return Kernel<double>(); }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace nnkernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace nnkernels::detail {

HWY_EXPORT(FloatGradient3x3);
HWY_EXPORT(DoubleGradient3x3);

template <>
DepthwiseGradient3x3Kernel<float> depthwise_gradient_3x3_kernel<float>() {
  return HWY_DYNAMIC_DISPATCH(FloatGradient3x3)();
}
template <>
DepthwiseGradient3x3Kernel<double> depthwise_gradient_3x3_kernel<double>() {
  return HWY_DYNAMIC_DISPATCH(DoubleGradient3x3)();
}

}  // namespace nnkernels::detail
#endif  // HWY_ONCE
