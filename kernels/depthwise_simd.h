// The loops of depthwise.h for the instruction set in use. Internal to kernels/.
#ifndef NNKERNELS_KERNELS_DEPTHWISE_SIMD_H_
#define NNKERNELS_KERNELS_DEPTHWISE_SIMD_H_

#include <cstddef>
#include <cstdint>

namespace nnkernels::detail {

/// The most pixels in a row of one call: enough sums to hide the latency of the multiply-add, and
/// few enough for 16 registers.
inline constexpr std::int64_t kDepthwisePixels = 8;

/// Channels of a group that Pixels() can mix: those of 128 bits, within which a lane is copied to
/// the others in one instruction.
inline constexpr int kMixedChannels = 4;

/// Rows of neighbouring pixels of y that the same taps contribute to:
///
///     y[r][p][c] = relu(bias[c] + sum over i < kh, j < kw, q < mixed of
///                       x[r][p][i][j][c - c % mixed + q] * w[i][j][q][c])
///
/// where x[r][p][i][j] is at x + r * x_line + p * x_step + i * x_row + j * x_col, and likewise w
/// and y. All steps are in elements and may be negative. Without taps y is 0 (and the bias).
template <class T>
struct DepthwisePixels {
  std::int64_t channels = 0, rows = 0, pixels = 0, kh = 0, kw = 0;
  std::int64_t mixed = 1;  // or kMixedChannels, of which `channels` is then a multiple
  const T* x = nullptr;
  std::ptrdiff_t x_line = 0, x_step = 0, x_row = 0, x_col = 0;
  const T* w = nullptr;
  std::ptrdiff_t w_row = 0, w_col = 0, w_mixed = 0;
  const T* bias = nullptr;  // or null
  bool relu = false;
  T* y = nullptr;
  std::ptrdiff_t y_line = 0, y_step = 0;
};

/// What a rectangle of pixels of dy contributes to the taps that they meet:
///
///     dw[i][j][c] += sum over r < rows, p < cols of x[r][p][i][j][c] * dy[r][p][c]
///
/// for i < kh and j < kw, where x[r][p][i][j] is at x + r * x_line + p * x_step + i * x_row +
/// j * x_col, and likewise dy and dw.
template <class T>
struct DepthwiseGradient {
  std::int64_t channels, rows, cols, kh, kw;
  const T* x;
  std::ptrdiff_t x_line, x_step, x_row, x_col;
  const T* dy;
  std::ptrdiff_t dy_line, dy_step;
  T* dw;
  std::ptrdiff_t dw_row, dw_col;
};

/// The same for 3 x 3 taps that meet neighbouring pixels of one image, and rows [first, last) of
/// its dy, with the border, in one pass; and what they contribute to db[c], the sum of dy. `stride`
/// is 1 or 2 in both directions, pad_h at most 1, pad_w at most 3 - stride. The pixels of x, dy and
/// dw lie side by side.
template <class T>
struct DepthwiseGradient3x3 {
  std::int64_t channels, first, last;
  std::int64_t x_rows, x_cols, dy_cols;
  std::int64_t pad_h, pad_w, stride;
  const T* x;
  const T* dy;
  T* dw;
  T* db;  // or null
};

/// `count` rows or columns, of which an image has [first, last).
struct Part {
  std::int64_t count, first, last;
};

/// Copies some channels of a part of an image to to[row][column][to_step], with zeros where the
/// image has no pixel, and anything from `channels` on.
template <class T>
struct DepthwiseCopy {
  std::int64_t channels;
  Part rows, cols;
  const T* x;  // of row rows.first and column cols.first
  std::ptrdiff_t x_line, x_step;
  T* to;
  std::ptrdiff_t to_step;  // a multiple of a cache line, on which `to` is
};

template <class T>
using DepthwiseGradientKernel = void (*)(const DepthwiseGradient<T>& gradient);

template <class T>
using DepthwiseGradient3x3Kernel = void (*)(const DepthwiseGradient3x3<T>& gradient);

template <class T>
struct DepthwiseKernels {
  void (*pixels)(const DepthwisePixels<T>& pixels) = nullptr;
  DepthwiseGradientKernel<T> gradient = nullptr;
  DepthwiseGradient3x3Kernel<T> gradient_3x3 = nullptr;  // needs 32 vector registers
  void (*copy)(const DepthwiseCopy<T>& copy) = nullptr;
  bool mixes = false;  // whether `pixels` can mix channels
};

template <class T>
DepthwiseGradientKernel<T> depthwise_gradient_kernel();
template <class T>
DepthwiseGradient3x3Kernel<T> depthwise_gradient_3x3_kernel();
template <class T>
DepthwiseKernels<T> depthwise_kernels();

}  // namespace nnkernels::detail

#endif  // NNKERNELS_KERNELS_DEPTHWISE_SIMD_H_
