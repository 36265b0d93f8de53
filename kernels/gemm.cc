#include "kernels/gemm.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "kernels/gemm_tile.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"

namespace nnkernels {
namespace {

using detail::kMaxTileRows;
using detail::kTileWidths;
using detail::Purpose;
using detail::scratch;
using detail::Tile;
using detail::TileKernels;

// How a product is cut, measured on Zen 4 (1 MB of L2 cache a core). A row block of A (mc x kc) and
// a panel of B (kc x nr) share the L2 cache; a packed block of B (kc x nc) lies in the L3 cache.
constexpr std::int64_t kDepthBytes = 4096;    // kc: 1024 floats
constexpr std::int64_t kColumnBytes = 12288;  // nc: 3072 floats
constexpr std::int64_t kRowBlock = 56;        // mc: 4 tiles of 14 rows
// At least so many pieces to share among threads, where the tiles allow it.
constexpr std::int64_t kPieces = 8;
// A product whose operands have at most this many bytes together takes them as they are.
constexpr std::int64_t kSmallBytes = 32768;

/// One product whose rows of C are contiguous, and how it is cut.
template <class T>
struct Product {
  T alpha;
  MatrixView<const T> a, b;
  T beta;
  MatrixView<T> c;
  Epilogue<T> epilogue;
};

std::string shape(std::int64_t rows, std::int64_t cols) {
  return std::to_string(rows) + "x" + std::to_string(cols);
}

/// Whether two views share an element for certain: the same row stride decides exactly, other
/// strides only if the address ranges are apart.
template <class T>
bool overlap(MatrixView<const T> x, MatrixView<const T> c) {
  if (x.rows == 0 || x.cols == 0 || x.col_stride != 1 || c.col_stride != 1 ||
      x.row_stride != c.row_stride || x.row_stride <= 0) {
    return x.data == c.data && x.rows > 0 && x.cols > 0;
  }
  // Rows of c start `shift` columns right of rows of x, seen in the row they fall into.
  const std::ptrdiff_t distance = c.data - x.data;
  if (distance >= x.rows * x.row_stride || -distance >= c.rows * c.row_stride) return false;
  std::ptrdiff_t row = distance / x.row_stride;
  std::ptrdiff_t shift = distance % x.row_stride;
  if (shift < 0) {
    shift += x.row_stride;
    --row;
  }
  const bool same_rows = row < x.rows && row + c.rows > 0;
  const bool next_rows = row + 1 < x.rows && row + 1 + c.rows > 0;
  return (same_rows && shift < x.cols) || (next_rows && shift + c.cols > x.row_stride);
}

/// Whether two elements of one view are known to be the same: a step of one stride is some steps of
/// the other.
template <class T>
bool shares_elements(MatrixView<T> c) {
  const auto within = [](std::int64_t stride, std::int64_t size, std::int64_t other_stride,
                         std::int64_t other_size) {
    if (size <= 1) return false;
    if (stride == 0) return true;
    return other_size > 1 && other_stride % stride == 0 && std::abs(other_stride / stride) < size;
  };
  return within(c.row_stride, c.rows, c.col_stride, c.cols) ||
         within(c.col_stride, c.cols, c.row_stride, c.rows);
}

template <class T>
void check_arguments(T alpha, MatrixView<const T> a, MatrixView<const T> b, MatrixView<T> c) {
  const auto fail = [&](const std::string& what) {
    throw std::invalid_argument("gemm: " + what + " (A is " + shape(a.rows, a.cols) + ", B is " +
                                shape(b.rows, b.cols) + ", C is " + shape(c.rows, c.cols) + ")");
  };
  if (std::min({a.rows, a.cols, b.rows, b.cols, c.rows, c.cols}) < 0) fail("a size is negative");
  if (a.cols != b.rows) fail("A's columns must be as many as B's rows");
  if (c.rows != a.rows) fail("C must have as many rows as A");
  if (c.cols != b.cols) fail("C must have as many columns as B");
  if (c.rows == 0 || c.cols == 0) return;
  if (c.data == nullptr) fail("C is a null pointer");
  if (shares_elements(c)) {
    fail("two elements of C share memory: strides " + std::to_string(c.row_stride) + ", " +
         std::to_string(c.col_stride));
  }
  if (a.cols == 0 || alpha == T{0}) return;
  if (a.data == nullptr) fail("A is a null pointer");
  if (b.data == nullptr) fail("B is a null pointer");
  if (overlap<T>(a, c)) fail("C overlaps A");
  if (overlap<T>(b, c)) fail("C overlaps B");
}

/// c[i, :] = activation(alpha * sums[i, :] + beta * c[i, :] + bias) for the layouts and shapes that
/// no tile stores itself. Null sums count as zeros.
template <class T>
void finish_rows(T alpha, const T* sums, T beta, MatrixView<T> c, const Epilogue<T>& epilogue) {
  // Enough rows at a time to make a call of the activation worth it.
  const std::int64_t block = std::clamp<std::int64_t>(2048 / c.cols, 1, c.rows);
  T* const values = scratch<T>(Purpose::vector, block * c.cols);
  for (std::int64_t first = 0; first < c.rows; first += block) {
    const std::int64_t rows = std::min(block, c.rows - first);
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t j = 0; j < c.cols; ++j) {
        T y = sums == nullptr ? T{0} : alpha * sums[(first + i) * c.cols + j];
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

/// The widest tile that has `rows` rows: few rows leave registers for more columns.
template <class T>
std::size_t widest_tile(const TileKernels<T>& kernels, std::int64_t rows) {
  std::size_t index = detail::kTwoVectors;
  while (index + 1 < kTileWidths && rows <= kernels.max_rows[index + 1]) ++index;
  return index;
}

template <class T>
std::size_t width_index(const TileKernels<T>& kernels, std::int64_t rows, std::int64_t cols) {
  return kernels.width_for(cols, widest_tile(kernels, rows));
}

/// How a product is cut into blocks and pieces. Depends on the shape and strides alone.
template <class T>
struct Cut {
  std::int64_t depth;    // kc
  std::int64_t columns;  // nc
  bool pack_a, pack_b;
  std::int64_t row_blocks;
  std::int64_t column_groups;
};

template <class T>
Cut<T> cut(const TileKernels<T>& kernels, const Product<T>& p) {
  const std::int64_t m = p.c.rows, n = p.c.cols, k = p.a.cols;
  const std::size_t width = width_index(kernels, m, n);
  const std::int64_t mr = kernels.max_rows[width];
  const std::int64_t nr = kernels.columns[width];
  Cut<T> result;
  const std::int64_t max_depth = kDepthBytes / static_cast<std::int64_t>(sizeof(T));
  const std::int64_t depth_blocks = (k + max_depth - 1) / max_depth;
  result.depth = (k + depth_blocks - 1) / depth_blocks;
  result.columns =
      std::min<std::int64_t>(n, kColumnBytes / static_cast<std::int64_t>(sizeof(T)) / nr * nr);

  const bool masked = kernels.masked || n % kernels.lanes == 0;
  result.pack_b = p.b.col_stride != 1 || !masked || (m >= 8 * mr && n > nr);
  result.pack_a = m >= 2 * mr && n >= 8 * nr && p.a.row_stride != 1;

  const std::int64_t row_tiles = (m + mr - 1) / mr;
  const std::int64_t panels = (result.columns + nr - 1) / nr;
  const std::int64_t by_cache = (m + kRowBlock - 1) / kRowBlock;
  result.row_blocks = std::max(by_cache, std::min(kPieces, row_tiles / 4));
  result.column_groups =
      std::clamp<std::int64_t>((kPieces + result.row_blocks - 1) / result.row_blocks, 1, panels);
  return result;
}

/// Computes one piece: rows [row, row + rows) by columns [col, col + cols) of C, over one block of
/// k.
template <class T>
class Piece {
 public:
  Piece(const TileKernels<T>& kernels, const Product<T>& product, std::int64_t k_first,
        std::int64_t depth, bool pack_a)
      : kernels_(kernels), p_(product), k_first_(k_first), depth_(depth), pack_a_(pack_a) {}

  /// `packed_b` is the panel that holds column `col`, or null: B is read where it lies.
  void run(std::int64_t row, std::int64_t rows, std::int64_t col, std::int64_t cols,
           const T* packed_b) const {
    const std::size_t first_width = width_index(kernels_, p_.c.rows, cols);
    const std::int64_t tiles =
        (rows + kernels_.max_rows[first_width] - 1) / kernels_.max_rows[first_width];
    const auto tile_begin = [&](std::int64_t t) { return rows * t / tiles; };
    T* const packed_a = pack_a_ ? scratch<T>(Purpose::packed_a, rows * depth_) : nullptr;
    if (pack_a_) {
      for (std::int64_t t = 0; t < tiles; ++t) {
        const std::int64_t i = tile_begin(t), count = tile_begin(t + 1) - i;
        kernels_.pack(&p_.a(row + i, k_first_), p_.a.row_stride, p_.a.col_stride, count, count,
                      depth_, packed_a + i * depth_);
      }
    }
    const bool adjacent = pack_a_ || p_.a.row_stride == 1;
    const bool first = k_first_ == 0, last = k_first_ + depth_ == p_.a.cols;
    constexpr std::ptrdiff_t kNoOffset = 0;
    Tile<T> tile;
    tile.segments = &kNoOffset;
    tile.segment_length = depth_;
    tile.alpha = p_.alpha;
    tile.beta = first ? p_.beta : T{1};
    tile.relu = last && p_.epilogue.activation == Activation::relu;

    for (std::int64_t j = 0; j < cols;) {
      const auto width = width_index(kernels_, p_.c.rows, cols - j);
      const std::int64_t panel = kernels_.columns[width];
      tile.cols = std::min(cols - j, panel);
      tile.b = packed_b != nullptr ? packed_b + j * depth_ : &p_.b(k_first_, col + j);
      tile.b_step = packed_b != nullptr ? panel : p_.b.row_stride;
      tile.bias = last && p_.epilogue.bias != nullptr ? p_.epilogue.bias + col + j : nullptr;
      const bool masked = packed_b == nullptr && tile.cols < panel;
      for (std::int64_t t = 0; t < tiles; ++t) {
        const std::int64_t i = tile_begin(t), count = tile_begin(t + 1) - i;
        const T* a_rows[kMaxTileRows];
        T* c_rows[kMaxTileRows];
        for (std::int64_t r = 0; r < count; ++r) c_rows[r] = &p_.c(row + i + r, col + j);
        if (pack_a_) {
          a_rows[0] = packed_a + i * depth_;
          tile.step = count;
        } else {
          for (std::int64_t r = 0; r < count; ++r) a_rows[r] = &p_.a(row + i + r, k_first_);
          tile.step = p_.a.col_stride;
        }
        tile.rows = a_rows;
        tile.c = c_rows;
        const auto& kernel = kernels_.tile[width][static_cast<std::size_t>(count)];
        kernel[adjacent && kernel[1][masked] != nullptr][masked](tile);
      }
      j += panel;
    }
    if (last && p_.epilogue.activation != Activation::identity &&
        p_.epilogue.activation != Activation::relu) {
      for (std::int64_t i = row; i < row + rows; ++i) {
        activation_forward(p_.epilogue.activation, cols, &p_.c(i, col), &p_.c(i, col));
      }
    }
  }

 private:
  const TileKernels<T>& kernels_;
  const Product<T>& p_;
  std::int64_t k_first_, depth_;
  bool pack_a_;
};

/// Packs rows [k_first, k_first + depth) and columns [col, col + cols) of B into panels.
template <class T>
void pack_b(const TileKernels<T>& kernels, const Product<T>& p, std::int64_t k_first,
            std::int64_t depth, std::int64_t col, std::int64_t cols, T* packed) {
  const std::int64_t panel = kernels.columns[width_index(kernels, p.c.rows, cols)];
  const std::int64_t panels = (cols + panel - 1) / panel;
  const double bytes = 2.0 * static_cast<double>(depth * cols) * sizeof(T);
  parallel_for(panels, bytes / kBytesPerMicrosecond, [&](std::int64_t index, int) {
    for (std::int64_t j = index * panel; j < std::min(cols, (index + 1) * panel);) {
      const std::int64_t width = kernels.columns[width_index(kernels, p.c.rows, cols - j)];
      kernels.pack(&p.b(k_first, col + j), p.b.col_stride, p.b.row_stride,
                   std::min(width, cols - j), width, depth, packed + j * depth);
      j += width;
    }
  });
}

/// Whether everything fits into the L1 cache and B can be read where it lies: then there is nothing
/// to cut, to pack or to share.
template <class T>
bool is_small(const TileKernels<T>& kernels, const Product<T>& p) {
  const std::int64_t m = p.c.rows, n = p.c.cols, k = p.a.cols;
  return (m * k + k * n + m * n) * static_cast<std::int64_t>(sizeof(T)) <= kSmallBytes &&
         k * static_cast<std::int64_t>(sizeof(T)) <= kDepthBytes && p.b.col_stride == 1 &&
         (kernels.masked || n % kernels.lanes == 0);
}

/// The five loops of Goto and van de Geijn: columns (nc), depth (kc), and, in parallel, row blocks
/// (mc) and groups of panels, each running over panels (nr) and tiles (mr).
template <class T>
void multiply(const Product<T>& p) {
  const TileKernels<T>& kernels = detail::tile_kernels<T>();
  if (is_small(kernels, p)) {
    return Piece<T>(kernels, p, 0, p.a.cols, false).run(0, p.c.rows, 0, p.c.cols, nullptr);
  }
  const Cut<T> cuts = cut(kernels, p);
  const std::int64_t m = p.c.rows, n = p.c.cols, k = p.a.cols;
  for (std::int64_t col = 0; col < n; col += cuts.columns) {
    const std::int64_t cols = std::min(cuts.columns, n - col);
    const std::int64_t panel = kernels.columns[width_index(kernels, m, cols)];
    const std::int64_t panels = (cols + panel - 1) / panel;
    const std::int64_t groups = std::min(cuts.column_groups, panels);
    for (std::int64_t k_first = 0; k_first < k; k_first += cuts.depth) {
      const std::int64_t depth = std::min(cuts.depth, k - k_first);
      T* packed = nullptr;
      if (cuts.pack_b) {
        packed = scratch<T>(Purpose::packed_b, depth * panels * panel);
        pack_b(kernels, p, k_first, depth, col, cols, packed);
      }
      const Piece<T> piece(kernels, p, k_first, depth, cuts.pack_a);
      const double flops =
          2.0 * static_cast<double>(m) * static_cast<double>(cols) * static_cast<double>(depth);
      parallel_for(cuts.row_blocks * groups, flops * (sizeof(T) / 4.0) / kFlopsPerMicrosecond,
                   [&](std::int64_t index, int) {
                     const std::int64_t block = index / groups, group = index % groups;
                     const std::int64_t row = m * block / cuts.row_blocks;
                     const std::int64_t row_end = m * (block + 1) / cuts.row_blocks;
                     const std::int64_t j = panels * group / groups * panel;
                     const std::int64_t j_end =
                         std::min(cols, panels * (group + 1) / groups * panel);
                     piece.run(row, row_end - row, col + j, j_end - j,
                               packed == nullptr ? nullptr : packed + j * depth);
                   });
    }
  }
}

/// y = A x for contiguous rows of A: dot products along k.
template <class T>
void multiply_vector(MatrixView<const T> a, const T* x, std::int64_t x_stride, T* y) {
  const TileKernels<T>& kernels = detail::tile_kernels<T>();
  if (x_stride != 1) {
    T* const dense = scratch<T>(Purpose::packed_b, a.cols);
    for (std::int64_t p = 0; p < a.cols; ++p) dense[p] = x[p * x_stride];
    x = dense;
  }
  const std::int64_t pieces = std::clamp<std::int64_t>(a.rows / 16, 1, 16);
  const double bytes = static_cast<double>(a.rows * a.cols) * sizeof(T);
  parallel_for(pieces, bytes / kBytesPerMicrosecond, [&](std::int64_t piece, int) {
    const std::int64_t row = a.rows * piece / pieces, end = a.rows * (piece + 1) / pieces;
    kernels.dot(&a(row, 0), a.row_stride, x, end - row, a.cols, y + row, 1);
  });
}

/// Shapes with one row or one column, where the usual tiles would leave most lanes idle. Returns
/// false if this is none of them.
template <class T>
bool multiply_thin(const Product<T>& p) {
  const bool column = p.c.cols == 1 && p.c.rows > 1;
  if (!column && p.c.rows != 1) return false;
  // Seen from here the product is y = M x, with M = A (a column of C) or B^T (a row of C).
  const MatrixView<const T> matrix = column ? p.a : p.b.transposed();
  const T* const x = column ? p.b.data : p.a.data;
  const std::int64_t x_stride = column ? p.b.row_stride : p.a.col_stride;
  if (matrix.col_stride == 1) {
    T* const sums = scratch<T>(Purpose::result, matrix.rows);
    multiply_vector(matrix, x, x_stride, sums);
    finish_rows(p.alpha, sums, p.beta, p.c, p.epilogue);
    return true;
  }
  if (column && matrix.row_stride == 1) {
    // C^T = x^T A^T has contiguous rows on the right, as one row of a product must have.
    T* const sums = scratch<T>(Purpose::result, matrix.rows);
    multiply(Product<T>{
        T{1}, p.b.transposed(), p.a.transposed(), T{0}, MatrixView<T>(sums, 1, p.c.rows), {}});
    finish_rows(p.alpha, sums, p.beta, p.c, p.epilogue);
    return true;
  }
  return false;
}

/// C with gaps between the elements of a row. A column-major C is the transposed product; any other
/// goes through blocks of dense rows.
template <class T>
void multiply_scattered(const Product<T>& p) {
  if (p.c.row_stride == 1 && p.epilogue.bias == nullptr) {
    return multiply(Product<T>{p.alpha, p.b.transposed(), p.a.transposed(), p.beta,
                               p.c.transposed(), p.epilogue});
  }
  constexpr std::int64_t kRows = 64;
  for (std::int64_t row = 0; row < p.c.rows; row += kRows) {
    const std::int64_t rows = std::min(kRows, p.c.rows - row);
    T* const sums = scratch<T>(Purpose::result, rows * p.c.cols);
    multiply(Product<T>{
        T{1}, p.a.row_block(row, rows), p.b, T{0}, MatrixView<T>(sums, rows, p.c.cols), {}});
    finish_rows(p.alpha, sums, p.beta, p.c.row_block(row, rows), p.epilogue);
  }
}

}  // namespace

template <class T>
void gemm(std::type_identity_t<T> alpha, std::type_identity_t<MatrixView<const T>> a,
          std::type_identity_t<MatrixView<const T>> b, std::type_identity_t<T> beta,
          MatrixView<T> c, const std::type_identity_t<Epilogue<T>>& epilogue) {
  check_arguments<T>(alpha, a, b, c);
  if (c.rows == 0 || c.cols == 0) return;
  const Product<T> product{alpha, a, b, beta, c, epilogue};
  if (a.cols == 0 || alpha == T{0}) return finish_rows<T>(alpha, nullptr, beta, c, epilogue);
  if (multiply_thin(product)) return;
  if (c.col_stride != 1 && c.cols > 1) return multiply_scattered(product);
  multiply(product);
}

template void gemm<float>(float, MatrixView<const float>, MatrixView<const float>, float,
                          MatrixView<float>, const Epilogue<float>&);
template void gemm<double>(double, MatrixView<const double>, MatrixView<const double>, double,
                           MatrixView<double>, const Epilogue<double>&);

}  // namespace nnkernels
