// Matrix products with few rows or few columns. Internal to kernels/.
#ifndef NNKERNELS_KERNELS_GEMM_THIN_H_
#define NNKERNELS_KERNELS_GEMM_THIN_H_

#include "kernels/gemm_product.h"

namespace nnkernels::detail {

/// Computes a product with so few rows or columns that the usual tiles would leave most lanes idle,
/// or would pack an operand that is read hardly more than once. C may have any strides. Returns
/// false, and does nothing, if this is none of these.
template <class T>
bool multiply_thin(const Product<T>& product);

}  // namespace nnkernels::detail

#endif  // NNKERNELS_KERNELS_GEMM_THIN_H_
