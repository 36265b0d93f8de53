#include "kernels/gemm_product.h"

#include <algorithm>
#include <cstdint>

#include "kernels/cost.h"
#include "kernels/gemm_blocks.h"
#include "kernels/gemm_thin.h"
#include "kernels/gemm_tile.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"
#include "kernels/vector.h"

namespace nnkernels::detail {
namespace {

/// C with gaps between the elements of a row. A column-major C is the transposed product; any other
/// goes through blocks of dense rows.
template <class T>
void multiply_scattered(const Product<T>& p) {
  if (p.c.row_stride == 1 && p.epilogue.bias == nullptr && p.packed_b == nullptr) {
    return multiply(Product<T>{p.alpha, p.b.transposed(), p.a.transposed(), p.beta,
                               p.c.transposed(), p.epilogue});
  }
  constexpr std::int64_t kRows = 64;
  for (std::int64_t row = 0; row < p.c.rows; row += kRows) {
    const std::int64_t rows = std::min(kRows, p.c.rows - row);
    const MatrixView<T> sums(scratch<T>(Purpose::result, rows * p.c.cols), rows, p.c.cols);
    multiply(Product<T>{T{1}, p.a.row_block(row, rows), p.b, T{0}, sums, {}, p.packed_b});
    finish<T>(p.alpha, sums, p.beta, p.c.row_block(row, rows), p.epilogue);
  }
}

/// A product of long sums and a C of few tiles, which leave little to share: sums over pieces of
/// k, each by itself, that are added in the end. Returns false if it is none.
template <class T>
bool multiply_long(const Product<T>& p) {
  constexpr std::int64_t kPieces = 8;
  constexpr std::int64_t kSide = 256, kSize = 1 << 14;  // the sums stay in the L2 cache
  const std::int64_t m = p.c.rows, n = p.c.cols, k = p.a.cols;
  if (k < kLongSum || std::max(m, n) > kSide || m * n > kSize) return false;
  T* const sums = scratch<T>(Purpose::sums_over_k, (kPieces + 1) * m * n);
  nnkernels::parallel_for(kPieces, estimated_microseconds(p), [&](std::int64_t piece, int) {
    const std::int64_t first = k * piece / kPieces, depth = k * (piece + 1) / kPieces - first;
    multiply(Product<T>{T{1},
                        p.a.col_block(first, depth),
                        p.b.row_block(first, depth),
                        T{0},
                        MatrixView<T>(sums + piece * m * n, m, n),
                        {}});
  });
  T* const total = sums + kPieces * m * n;
  sum_pieces(kPieces, m * n, sums, total);
  finish<T>(p.alpha, MatrixView<const T>(total, m, n), p.beta, p.c, p.epilogue);
  return true;
}

}  // namespace

template <class T>
void finish(T alpha, const MatrixView<const T>& sums, T beta, const MatrixView<T>& c,
            const Epilogue<T>& epilogue) {
  // Enough rows at a time to make a call of the activation worth it.
  const std::int64_t block = std::clamp<std::int64_t>(2048 / c.cols, 1, c.rows);
  T* const values = scratch<T>(Purpose::vector, block * c.cols);
  for (std::int64_t first = 0; first < c.rows; first += block) {
    const std::int64_t rows = std::min(block, c.rows - first);
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t j = 0; j < c.cols; ++j) {
        T y = sums.data == nullptr ? T{0} : alpha * sums(first + i, j);
        if (beta != T{0}) y += beta * c(first + i, j);
        values[i * c.cols + j] = epilogue.bias == nullptr ? y : y + epilogue.bias[j];
      }
    }
    if (epilogue.activation != Activation::identity) {
      activation_forward(epilogue.activation, rows * c.cols, values, values);
    }
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t j = 0; j < c.cols; ++j) c(first + i, j) = values[i * c.cols + j];
    }
  }
}

template <class T>
double estimated_microseconds(const Product<T>& p) {
  const double flops =
      2.0 * static_cast<double>(p.c.rows * p.c.cols) * static_cast<double>(p.a.cols);
  return arithmetic_microseconds<T>(flops);
}

template <class T>
void compute(const Product<T>& p) {
  if (p.a.cols == 0 || p.alpha == T{0}) return finish<T>(p.alpha, {}, p.beta, p.c, p.epilogue);
  const TileKernels<T>& kernels = tile_kernels<T>();
  const bool unpacked = p.packed_b == nullptr;
  if (unpacked && p.c.col_stride == 1 && is_small(kernels, p.a, p.b, p.epilogue) &&
      !is_thin(kernels, p.a, p.b)) {
    if (multiply_one_tile(kernels, p.alpha, p.a, p.b, p.beta, p.c, p.epilogue)) return;
    return multiply_small(kernels, p.alpha, p.a, p.b, p.beta, p.c, p.epilogue);
  }
  if (unpacked ? multiply_thin(p) || multiply_long(p) : multiply_few_packed(p)) return;
  if (p.c.col_stride != 1 && p.c.cols > 1) return multiply_scattered(p);
  multiply(p);
}

template void finish<float>(float, const MatrixView<const float>&, float, const MatrixView<float>&,
                            const Epilogue<float>&);
template void finish<double>(double, const MatrixView<const double>&, double,
                             const MatrixView<double>&, const Epilogue<double>&);
template double estimated_microseconds<float>(const Product<float>&);
template double estimated_microseconds<double>(const Product<double>&);
template void compute<float>(const Product<float>&);
template void compute<double>(const Product<double>&);

}  // namespace nnkernels::detail
