// Matrix products with few rows or few columns. Internal to kernels/.
#ifndef NNKERNELS_KERNELS_GEMM_THIN_H_
#define NNKERNELS_KERNELS_GEMM_THIN_H_

#include "kernels/gemm_product.h"
#include "kernels/gemm_tile.h"

namespace nnkernels::detail {

/// From so many rows on it pays to pack B for tiles instead of summing along k.
inline constexpr std::int64_t kMostDotRows = 16;
/// Up to so many rows a product takes hardly longer than reading B does, wherever B lies.
inline constexpr std::int64_t kMostStreamedRows = 3;
/// So few columns of C fill a vector worse than sums along k do, or vectors along m.
inline constexpr std::int64_t kMostThinColumns = 12;

/// Whether multiply_thin() sums along k, rows of A by columns of B.
template <class T>
bool sums_rows_along_k(const TileKernels<T>& kernels, const MatrixView<const T>& a,
                       const MatrixView<const T>& b) {
  return (b.row_stride == 1) &
         ((a.rows == 1) | ((a.rows <= kMostDotRows) & (b.rows >= 4 * kernels.lanes)));
}

/// Whether a small product is better computed as a thin one: if its operands take more than 32 KB
/// together, any that sums along k can do, else the thinnest.
template <class T>
bool is_thin(const TileKernels<T>& kernels, const MatrixView<const T>& a,
             const MatrixView<const T>& b) {
  constexpr std::int64_t kTiny = 32768 / static_cast<std::int64_t>(sizeof(T));
  const std::int64_t m = a.rows, n = b.cols, k = b.rows;
  if (m * k + k * n + m * n > kTiny) {
    return sums_rows_along_k(kernels, a, b) | (n <= kMostThinColumns);
  }
  const bool dot = (b.row_stride == 1) & (b.col_stride != 1) & (m <= kMostDotRows / 4) & (k >= 64);
  const bool columns =
      (a.row_stride == 1) & (a.col_stride != 1) & (n <= kMostThinColumns) & (m >= 32);
  return dot | columns;
}

/// Computes a product with so few rows or columns that the usual tiles would leave most lanes idle,
/// or would pack an operand that is read hardly more than once. C may have any strides. Returns
/// false, and does nothing, if this is none of these.
template <class T>
bool multiply_thin(const Product<T>& product);

/// The same for a packed B and at most kMostStreamedRows rows.
template <class T>
bool multiply_few_packed(const Product<T>& product);

}  // namespace nnkernels::detail

#endif  // NNKERNELS_KERNELS_GEMM_THIN_H_
