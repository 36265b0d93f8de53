// The passes of batch normalization over the rows of a matrix, beside kernels/moments.h.
#ifndef NNKERNELS_KERNELS_BATCH_NORM_H_
#define NNKERNELS_KERNELS_BATCH_NORM_H_

#include <cstdint>

namespace nnkernels {

// All of them: matrices are dense [rows][cols] (an NHWC tensor has n * h * w rows and c columns),
// and coefficients have one element a column. T is float or double. Parallel in fixed pieces where
// it pays; result bits do not depend on the number of threads or on alignment.
// std::invalid_argument on negative sizes and on null pointers to non-empty arrays.

/// y[i,j] = scale[j] x[i,j] + shift[j], and then, if `relu`, 0 where that is less than 0 (NaN and
/// -0 stay: activation.h). y may be x, or must not overlap it. Allocates nothing.
template <class T>
void scale_shift(std::int64_t rows, std::int64_t cols, const T* scale, const T* shift, bool relu,
                 const T* x, T* y);

/// sum[j] = sum over i of dy[i,j] and product[j] = sum over i of dy[i,j] (x[i,j] - mean[j]): in
/// pieces of 256 rows, each summed top down in T, the pieces then added in order in double.
/// Allocates in the first call of a size only.
template <class T>
void batch_norm_sums(std::int64_t rows, std::int64_t cols, const T* x, const T* mean, const T* dy,
                     T* sum, T* product);

/// dx[i,j] = a[j] dy[i,j] + b[j] (x[i,j] - mean[j]) + c[j]. dx may be dy. Allocates nothing.
template <class T>
void batch_norm_dx(std::int64_t rows, std::int64_t cols, const T* x, const T* mean, const T* a,
                   const T* b, const T* c, const T* dy, T* dx);

}  // namespace nnkernels

#endif  // NNKERNELS_KERNELS_BATCH_NORM_H_
