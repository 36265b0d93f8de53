// Element-wise activations, forward and backward, and the epilogue that fuses them into GEMM and
// convolution.
#ifndef NNKERNELS_KERNELS_ACTIVATION_H_
#define NNKERNELS_KERNELS_ACTIVATION_H_

#include <cstdint>
#include <type_traits>

#include "kernels/matrix_view.h"

namespace nnkernels {

/// y = f(x), element by element.
///
/// | kind     | f(x)                    | df/dx, written in y |
/// |----------|-------------------------|---------------------|
/// | identity | x                       | 1                   |
/// | relu     | x < 0 ? 0 : x           | y > 0 ? 1 : 0 (0 at the kink, as PyTorch) |
/// | sigmoid  | 1 / (1 + exp(-x))       | y (1 - y)           |
/// | tanh     | tanh(x)                 | 1 - y^2             |
///
/// So relu leaves NaN as it is, and -0 as well: here, in every epilogue and in batch normalization.
enum class Activation { identity, relu, sigmoid, tanh };

/// What a GEMM or a convolution does to each element of its result before it stores it the last
/// time: y = activation(sum + bias[column]). `bias` has one element a column, or is null.
template <class T>
struct Epilogue {
  const T* bias = nullptr;
  Activation activation = Activation::identity;
};

/// y[i] = f(x[i]) for i in [0, size). y may be x, or must not overlap it. NaN propagates through
/// every kind; sigmoid and tanh are within 4 units in the last place and never leave [0, 1] and
/// [-1, 1]. Allocates nothing; parallel when large. T is float or double.
template <class T>
void activation_forward(Activation kind, std::int64_t size, const T* x, T* y);

/// dx[i] = dy[i] * f'(x[i]), computed from y = f(x) alone (the table above). dx may be dy.
/// Where y is NaN, dx is NaN (also for relu: an error is not to be hidden), but for identity, which
/// copies dy.
template <class T>
void activation_backward(Activation kind, std::int64_t size, const T* y, const T* dy, T* dx);

/// In place for a block of a matrix: dx(i, j) *= f'(x(i, j)), computed from y. Rows of y and dx
/// must be contiguous (col_stride 1) and their shapes the same, or std::invalid_argument is thrown,
/// as on negative sizes and null pointers to elements. Runs on the calling thread.
template <class T>
void activation_backward(Activation kind, std::type_identity_t<MatrixView<const T>> y,
                         MatrixView<T> dx);

}  // namespace nnkernels

#endif  // NNKERNELS_KERNELS_ACTIVATION_H_
