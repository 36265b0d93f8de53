// Mean and variance of the columns of a matrix: what batch normalization needs.
#ifndef NNKERNELS_KERNELS_MOMENTS_H_
#define NNKERNELS_KERNELS_MOMENTS_H_

#include <cstdint>

namespace nnkernels {

/// For each column j of x of [rows][cols], dense (an NHWC tensor has n * h * w rows and c columns):
///     mean[j]     = (sum over i of x[i,j]) / rows
///     variance[j] = (sum over i of (x[i,j] - mean[j])^2) / rows
/// Reads memory once, and yet squares differences from a mean, not numbers whose mean may be far
/// larger than their spread: pieces of 32 rows, which the cache keeps, are gone through twice and
/// merged by the rule of T. Chan, G. Golub and R. LeVeque ("Algorithms for computing the sample
/// variance", 1983), in order, 8 of them at a time. NaN makes its column NaN, an
/// infinity the variance NaN and the mean infinite or NaN. Sums of finite values that overflow give
/// infinities or NaN.
///
/// x must not overlap the results. T is float or double. Allocates in the first call of a size
/// only; parallel in fixed pieces where it pays; result bits do not depend on the number of threads
/// or on alignment. Throws std::invalid_argument on negative sizes, on no rows where there are
/// columns, and on null pointers to non-empty arrays.
template <class T>
void column_moments(std::int64_t rows, std::int64_t cols, const T* x, T* mean, T* variance);

}  // namespace nnkernels

#endif  // NNKERNELS_KERNELS_MOMENTS_H_
