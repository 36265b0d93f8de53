// The loops of depthwise.h for the instruction set in use. Internal to kernels/.
#ifndef NNKERNELS_KERNELS_DEPTHWISE_SIMD_H_
#define NNKERNELS_KERNELS_DEPTHWISE_SIMD_H_

#include <cstddef>
#include <cstdint>

namespace nnkernels::detail {

/// Neighbouring pixels of a row of y that the same taps contribute to:
///
///     y[p][c] = relu(bias[c] + sum over i < kh, j < kw of x[p][i][j][c] * w[i][j][c])
///
/// where x[p][i][j] is at x + p * x_step + i * x_row + j * x_col, and likewise w and y. All steps
/// are in elements and may be negative. Without taps y is 0 (and the bias).
template <class T>
struct DepthwisePixels {
  std::int64_t channels = 0, pixels = 0, kh = 0, kw = 0;
  const T* x = nullptr;
  std::ptrdiff_t x_step = 0, x_row = 0, x_col = 0;
  const T* w = nullptr;
  std::ptrdiff_t w_row = 0, w_col = 0;
  const T* bias = nullptr;  // or null
  bool relu = false;
  T* y = nullptr;
  std::ptrdiff_t y_step = 0;
};

/// What these pixels of a row of dy contribute to the taps that they meet:
///
///     dw[i][j][c] += sum over p < pixels of x[p][i][j][c] * dy[p][c]   for i < kh, j < kw
template <class T>
struct DepthwiseGradient {
  std::int64_t channels = 0, pixels = 0, kh = 0, kw = 0;
  const T* x = nullptr;
  std::ptrdiff_t x_step = 0, x_row = 0, x_col = 0;
  const T* dy = nullptr;
  std::ptrdiff_t dy_step = 0;
  T* dw = nullptr;
  std::ptrdiff_t dw_row = 0, dw_col = 0;
};

template <class T>
struct DepthwiseKernels {
  void (*pixels)(const DepthwisePixels<T>& pixels) = nullptr;
  void (*gradient)(const DepthwiseGradient<T>& gradient) = nullptr;
};

template <class T>
DepthwiseKernels<T> depthwise_kernels();

}  // namespace nnkernels::detail

#endif  // NNKERNELS_KERNELS_DEPTHWISE_SIMD_H_
