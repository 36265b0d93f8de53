// Kernels on vectors and on the rows or columns of a matrix, that training needs around the GEMM.
#ifndef NNKERNELS_KERNELS_VECTOR_H_
#define NNKERNELS_KERNELS_VECTOR_H_

#include <cstdint>

namespace nnkernels {

// All of them: T is float or double; arrays are dense; parallel in fixed pieces where it pays;
// nothing is allocated (column_sums: by the first call of a size); result bits do not depend on the
// number of threads or on alignment. std::invalid_argument on negative sizes and on null pointers
// to non-empty arrays.

/// y[i] += alpha x[i], fused as from_bytes is. x may be y.
template <class T>
void axpy(std::int64_t size, T alpha, const T* x, T* y);

/// y[i] += alpha (x[i] - y[i]), the product fused as from_bytes is: a step of a moving average.
template <class T>
void move_towards(std::int64_t size, T alpha, const T* x, T* y);

/// x[i] *= alpha. As in the BLAS' successors, NaN and Inf stay NaN under alpha = 0.
template <class T>
void scale(std::int64_t size, T alpha, T* x);

/// y[i,j] += bias[j] for y of [rows][cols].
template <class T>
void add_bias(std::int64_t rows, std::int64_t cols, const T* bias, T* y);

/// sum[j] = sum over i of x[i,j] for x of [rows][cols]: in pieces of 256 rows, each summed top
/// down, the pieces then added in order. The gradient of a bias.
template <class T>
void column_sums(std::int64_t rows, std::int64_t cols, const T* x, T* sum);

/// y[i] = sum over p in [0, count) of x[p * size + i], p ascending: adds up partial results that
/// pieces of a parallel loop left side by side. y must not overlap x.
template <class T>
void sum_pieces(std::int64_t count, std::int64_t size, const T* x, T* y);

/// y[i] = scale * x[i] + shift, from bytes: what turns the pixels of an image into numbers. One
/// fused multiply-add where the instruction set has it, else two roundings.
template <class T>
void from_bytes(std::int64_t size, T scale, T shift, const std::uint8_t* x, T* y);

}  // namespace nnkernels

#endif  // NNKERNELS_KERNELS_VECTOR_H_
