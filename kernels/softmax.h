// Softmax, its logarithm, and the cross-entropy loss fused with it, row by row.
#ifndef NNKERNELS_KERNELS_SOFTMAX_H_
#define NNKERNELS_KERNELS_SOFTMAX_H_

#include <cstdint>

namespace nnkernels {

/// y[i,j] = exp(x[i,j] - max_i) / sum over j of exp(x[i,j] - max_i), for dense [rows][cols].
/// Stable for any finite x (the largest exponent is 0); -Inf gives 0. A row that holds NaN or +Inf,
/// or nothing but -Inf, gives NaN.
/// y may be x. Rows are independent; parallel over rows where it pays; allocates nothing; the sum
/// of a row runs in a fixed order, so the bits do not depend on the number of threads. cols = 0 or
/// rows = 0 does nothing. T is float or double. Throws std::invalid_argument on negative sizes and
/// null pointers.
template <class T>
void softmax_forward(std::int64_t rows, std::int64_t cols, const T* x, T* y);

/// dx[i,j] = y[i,j] * (dy[i,j] - sum over j of dy[i,j] y[i,j]). dx may be dy.
template <class T>
void softmax_backward(std::int64_t rows, std::int64_t cols, const T* y, const T* dy, T* dx);

/// y[i,j] = x[i,j] - max_i - log(sum over j of exp(x[i,j] - max_i)). y may be x.
template <class T>
void log_softmax_forward(std::int64_t rows, std::int64_t cols, const T* x, T* y);

/// dx[i,j] = dy[i,j] - exp(y[i,j]) * sum over j of dy[i,j]. dx may be dy.
template <class T>
void log_softmax_backward(std::int64_t rows, std::int64_t cols, const T* y, const T* dy, T* dx);

/// loss[i] = -log softmax(x_i)[labels[i]]. One loss a row, so that the caller chooses the order
/// of the sum. Stable for logits of any size whose differences within a row are finite in T.
/// Throws std::invalid_argument if a label is not in [0, cols).
template <class T>
void softmax_cross_entropy_forward(std::int64_t rows, std::int64_t cols, const T* x,
                                   const std::int32_t* labels, T* loss);

/// The same loss, and its gradient in the same pass over x:
/// dx[i,j] = scale * (softmax(x_i)[j] - (j == labels[i])). scale = 1 / rows gives the gradient of
/// the mean loss. dx may be x.
template <class T>
void softmax_cross_entropy_backward(std::int64_t rows, std::int64_t cols, const T* x,
                                    const std::int32_t* labels, T scale, T* loss, T* dx);

}  // namespace nnkernels

#endif  // NNKERNELS_KERNELS_SOFTMAX_H_
