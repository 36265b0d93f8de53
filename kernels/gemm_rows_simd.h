// Matrix products with few rows, for the instruction set in use. Internal to
// kernels/.
#ifndef NNKERNELS_KERNELS_GEMM_ROWS_SIMD_H_
#define NNKERNELS_KERNELS_GEMM_ROWS_SIMD_H_

#include <cstddef>
#include <cstdint>

namespace nnkernels::detail {

inline constexpr std::int64_t kMostPanelRows = 3;

/// rows x cols of C over one block of k,
///
///     c[i][j] = relu(alpha * sum over p < k of a(i, p) b[p][j] + beta * c[i][j] + bias[j])
///
/// with a(i, p) = a[i * a_row_stride + p * a_step], b[p][j] = b[p * b_row_stride + j] and c[i][j] =
/// c[i * c_row_stride + j]. B is read once, several whole rows at a time. An element's sum is one
/// chain of multiply-adds with p ascending, the same bits as in a tile.
///
/// With `panels`, B is packed: b[p][j] = b[j / nr * nr * k + p * nr + j % nr] for panels of nr
/// columns, two vectors. cols is then a multiple of nr, and rows at most kMostPanelRows.
template <class T>
struct RowsBlock {
  std::int64_t rows = 0, cols = 0, k = 0;
  const T* a = nullptr;
  std::ptrdiff_t a_row_stride = 0, a_step = 1;
  const T* b = nullptr;
  std::ptrdiff_t b_row_stride = 0;
  bool panels = false;

  /// Memory for the sums: `rows` rows of cols rounded up to whole vectors, each aligned to
  /// kAlignment and sums_row_stride behind the one before. Should lie in the L1 cache, or the L2
  /// cache if there are many rows.
  T* sums = nullptr;
  std::ptrdiff_t sums_row_stride = 0;

  T* c = nullptr;
  std::ptrdiff_t c_row_stride = 0;
  T alpha = 1, beta = 0;    // beta 0: C is not read
  const T* bias = nullptr;  // cols elements, or null
  bool relu = false;
};

template <class T>
void run_rows_block(const RowsBlock<T>& block);

}  // namespace nnkernels::detail

#endif  // NNKERNELS_KERNELS_GEMM_ROWS_SIMD_H_
