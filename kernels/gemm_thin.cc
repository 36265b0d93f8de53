#include "kernels/gemm_thin.h"

#include <algorithm>
#include <cstdint>

#include "kernels/gemm_blocks.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"

namespace nnkernels::detail {
namespace {

/// From so many rows on it pays to pack B for tiles instead of summing along k.
constexpr std::int64_t kMostDotRows = 16;
/// So few columns of C fill a vector worse than sums along k do, when k is long.
constexpr std::int64_t kMostDotColumns = 12;

template <class T>
bool is_plain(const Product<T>& p) {
  return p.alpha == T{1} && p.beta == T{0} && p.epilogue.bias == nullptr &&
         p.epilogue.activation == Activation::identity;
}

/// x as rows of contiguous elements: x itself, or a copy.
template <class T>
MatrixView<const T> contiguous_rows(const MatrixView<const T>& x) {
  if (x.col_stride == 1) return x;
  T* const copy = scratch<T>(Purpose::packed_a, x.rows * x.cols);
  tile_kernels<T>().pack(x.data, x.col_stride, x.row_stride, x.cols, x.cols, x.rows, copy);
  return {copy, x.rows, x.cols};
}

/// out[i, j] = x[i, :] . y[j, :], shared among threads by rows of y, which has contiguous rows.
template <class T>
void multiply_along_k(const MatrixView<const T>& few, const MatrixView<const T>& y,
                      const MatrixView<T>& out) {
  const TileKernels<T>& kernels = tile_kernels<T>();
  const MatrixView<const T> x = contiguous_rows(few);
  const std::int64_t pieces = std::clamp<std::int64_t>(y.rows / 16, 1, 16);
  const double flops = 2.0 * static_cast<double>(x.rows * y.rows) * static_cast<double>(y.cols);
  const double bytes = static_cast<double>(y.rows * y.cols) * sizeof(T);
  const double microseconds =
      std::max(flops * (sizeof(T) / 4.0) / kFlopsPerMicrosecond, bytes / kBytesPerMicrosecond);
  nnkernels::parallel_for(pieces, microseconds, [&](std::int64_t piece, int) {
    const std::int64_t row = y.rows * piece / pieces, end = y.rows * (piece + 1) / pieces;
    kernels.dot(x.data, x.row_stride, x.rows, &y(row, 0), y.row_stride, end - row, y.cols,
                &out(0, row), out.row_stride, out.col_stride);
  });
}

/// C with `few` as the operand of few rows and `y` as the other one, both along k; C^T if
/// `transposed`.
template <class T>
void multiply_dot(const Product<T>& p, const MatrixView<const T>& few, const MatrixView<const T>& y,
                  bool transposed) {
  if (is_plain(p)) return multiply_along_k(few, y, transposed ? p.c.transposed() : p.c);
  const MatrixView<T> sums(scratch<T>(Purpose::result, few.rows * y.rows), few.rows, y.rows);
  multiply_along_k(few, y, sums);
  finish<T>(p.alpha, transposed ? sums.transposed() : sums, p.beta, p.c, p.epilogue);
}

/// Few columns, and columns of A that are contiguous: vectors run along m, in C^T = B^T A^T.
template <class T>
void multiply_columns(const Product<T>& p) {
  // As many rows of C at a time as keep the transposed result in the L1 cache.
  const std::int64_t chunk =
      std::clamp<std::int64_t>(16384 / static_cast<std::int64_t>(sizeof(T)) / p.c.cols, 64, 2048);
  const std::int64_t chunks = (p.c.rows + chunk - 1) / chunk;
  const double flops =
      2.0 * static_cast<double>(p.c.rows * p.c.cols) * static_cast<double>(p.a.cols);
  nnkernels::parallel_for(
      chunks, flops * (sizeof(T) / 4.0) / kFlopsPerMicrosecond, [&](std::int64_t index, int) {
        const std::int64_t first = index * chunk, rows = std::min(chunk, p.c.rows - first);
        const MatrixView<T> sums(scratch<T>(Purpose::result, p.c.cols * rows), p.c.cols, rows);
        multiply(Product<T>{
            T{1}, p.b.transposed(), p.a.row_block(first, rows).transposed(), T{0}, sums, {}});
        const MatrixView<T> c = p.c.row_block(first, rows);
        if (is_plain(p) && c.col_stride == 1 && c.row_stride == c.cols) {
          tile_kernels<T>().pack(sums.data, rows, 1, c.cols, c.cols, rows, c.data);
        } else {
          finish<T>(p.alpha, sums.transposed(), p.beta, c, p.epilogue);
        }
      });
}

}  // namespace

template <class T>
bool multiply_thin(const Product<T>& p) {
  const std::int64_t m = p.c.rows, n = p.c.cols, k = p.a.cols;
  const std::int64_t lanes = tile_kernels<T>().lanes;
  // B's columns are contiguous: packing them for tiles would cost more than the product.
  if (p.b.row_stride == 1 && (m == 1 || (m <= kMostDotRows && k >= 4 * lanes))) {
    multiply_dot<T>(p, p.a, p.b.transposed(), false);
    return true;
  }
  if (p.a.col_stride == 1 && (n == 1 || (n <= kMostDotColumns && n < m &&
                                         n % lanes <= (3 * lanes) / 4 && k >= 16 * lanes))) {
    multiply_dot<T>(p, p.b.transposed(), p.a, true);
    return true;
  }
  if (p.a.row_stride == 1 && n <= lanes && (n == 1 || m >= 2 * lanes)) {
    multiply_columns(p);
    return true;
  }
  return false;
}

template bool multiply_thin<float>(const Product<float>&);
template bool multiply_thin<double>(const Product<double>&);

}  // namespace nnkernels::detail
