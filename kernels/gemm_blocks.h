// The loops of a matrix product over blocks and tiles. Internal to kernels/.
#ifndef NNKERNELS_KERNELS_GEMM_BLOCKS_H_
#define NNKERNELS_KERNELS_GEMM_BLOCKS_H_

#include <cstdint>

#include "kernels/activation.h"
#include "kernels/gemm_product.h"
#include "kernels/gemm_tile.h"
#include "kernels/matrix_view.h"

namespace nnkernels::detail {

/// kc: the longest of the equal blocks that k is cut into.
inline std::int64_t block_depth(std::int64_t k, std::int64_t max_depth) {
  const std::int64_t blocks = (k + max_depth - 1) / max_depth;
  return (k + blocks - 1) / blocks;
}

/// Computes a product with k >= 1 whose C has contiguous rows, shared among threads where that
/// pays.
template <class T>
void multiply(const Product<T>& product);

/// How many elements pack_all() writes for a B of k rows and n columns.
template <class T>
std::int64_t packed_size(const TileKernels<T>& kernels, std::int64_t k, std::int64_t n);

/// Packs the whole of B: for each block of kc rows its panels, of two vectors or less.
template <class T>
void pack_all(const TileKernels<T>& kernels, const MatrixView<const T>& b, T* packed);

/// Whether multiply_small() can do it: the operands are few enough and the epilogue is one that
/// tiles have.
template <class T>
bool is_small(const TileKernels<T>& kernels, const MatrixView<const T>& a,
              const MatrixView<const T>& b, const Epilogue<T>& epilogue) {
  const std::int64_t m = a.rows, n = b.cols, k = b.rows;
  return (k <= kernels.max_depth) & (m * k + k * n + m * n <= kernels.small_size) &
         (epilogue.activation <= Activation::relu);
}

/// Computes a product that is_small(), whose C has contiguous rows, and which a single tile covers;
/// else returns false. The shortest way from the caller to the tile, for products that take no
/// longer than a few function calls.
template <class T>
bool multiply_one_tile(const TileKernels<T>& kernels, T alpha, const MatrixView<const T>& a,
                       const MatrixView<const T>& b, T beta, const MatrixView<T>& c,
                       const Epilogue<T>& epilogue) {
  const std::size_t width = kernels.width_for(c.cols, kTwoVectors);
  const bool masked = c.cols < kernels.columns[width];
  if (c.rows > kernels.max_rows[width] || c.cols > kernels.columns[width] || b.col_stride != 1 ||
      (masked && !kernels.masked)) {
    return false;
  }
  MatrixTile<T> tile;
  tile.b = b.data;
  tile.b_step = b.row_stride;
  tile.cols = c.cols;
  tile.alpha = alpha;
  tile.beta = beta;
  tile.bias = epilogue.bias;
  tile.relu = epilogue.activation == Activation::relu;
  tile.a = tile.next_a = a.data;
  tile.a_row_stride = a.row_stride;
  tile.a_step = a.col_stride;
  tile.k = b.rows;
  tile.c = c.data;
  tile.next_c = c.data;
  tile.c_row_stride = c.row_stride;
  kernels.matrix_tile[width][static_cast<std::size_t>(c.rows)][masked](tile);
  return true;
}

/// A product that is_small() and whose C has contiguous rows: nothing to cut or to share.
template <class T>
void multiply_small(const TileKernels<T>& kernels, T alpha, const MatrixView<const T>& a,
                    const MatrixView<const T>& b, T beta, const MatrixView<T>& c,
                    const Epilogue<T>& epilogue);

}  // namespace nnkernels::detail

#endif  // NNKERNELS_KERNELS_GEMM_BLOCKS_H_
