#include "kernels/gemm_thin.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "kernels/activation.h"
#include "kernels/cost.h"
#include "kernels/gemm_blocks.h"
#include "kernels/gemm_rows_simd.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"

namespace nnkernels::detail {
namespace {

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
  const auto moved = static_cast<double>(y.rows * y.cols);
  const double microseconds =
      std::max(arithmetic_microseconds<T>(flops), transfer_microseconds<T>(moved));
  nnkernels::parallel_for_ranges(
      pieces, microseconds, [&](std::int64_t first, std::int64_t end, int) {
        const std::int64_t row = y.rows * first / pieces, rows = y.rows * end / pieces - row;
        kernels.dot(x.data, x.row_stride, x.rows, &y(row, 0), y.row_stride, rows, y.cols,
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

/// The part of a product that makes `cols` columns of C.
template <class T>
Product<T> columns(const Product<T>& p, std::int64_t first, std::int64_t cols) {
  Product<T> part = p;
  part.b = p.b.col_block(first, cols);
  part.c = p.c.col_block(first, cols);
  if (p.epilogue.bias != nullptr) part.epilogue.bias = p.epilogue.bias + first;
  return part;
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
  nnkernels::parallel_for(chunks, arithmetic_microseconds<T>(flops), [&](std::int64_t index, int) {
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

/// Calls body(first, depth, beta, last) for each block of k, where beta is what C counts there: p's
/// in the first, 1 in the later ones. The blocks are those of the tiles, and so are the bits.
template <class T, class Body>
void for_each_depth(const Product<T>& p, std::int64_t max_depth, Body body) {
  const std::int64_t k = p.a.cols, depth = block_depth(k, max_depth);
  for (std::int64_t first = 0; first < k; first += depth) {
    body(first, std::min(depth, k - first), first == 0 ? p.beta : T{1}, first + depth >= k);
  }
}

/// The activations that tiles do not apply themselves, to some columns of C.
template <class T>
void activate_rows(const Product<T>& p, std::int64_t col, std::int64_t cols) {
  if (p.epilogue.activation <= Activation::relu) return;
  for (std::int64_t i = 0; i < p.c.rows; ++i) {
    activation_forward(p.epilogue.activation, cols, &p.c(i, col), &p.c(i, col));
  }
}

/// The tile that covers all of C, if there is one.
template <class T>
std::optional<std::size_t> covering_tile(const TileKernels<T>& kernels, const MatrixView<T>& c) {
  if (c.rows > kMostStreamedRows) return {};
  const std::int64_t vectors = (c.cols + kernels.lanes - 1) / kernels.lanes;
  const auto width = static_cast<std::size_t>(vectors);
  if (width >= kTileWidths || c.rows > kernels.max_rows[width]) return {};
  if (c.cols % kernels.lanes != 0 && !kernels.masked) return {};
  return width;
}

/// Where the panel of column `col` begins in the block of k of `depth` steps from `first` on.
template <class T>
const T* packed_at(const Product<T>& p, std::int64_t first, std::int64_t depth, std::int64_t col) {
  const std::int64_t padded = packed_size(tile_kernels<T>(), 1, p.c.cols);
  return p.packed_b + first * padded + col * depth;
}

/// The columns of C from `col` on: sums in the registers of one tile while B goes by, row after row
/// and once. Narrower tiles that waste no lane would read it in strips. If B is packed, they are
/// one panel.
template <class T>
void multiply_in_one_tile(const Product<T>& p, const TileKernels<T>& kernels, std::size_t width,
                          std::int64_t col) {
  const bool packed = p.packed_b != nullptr;
  MatrixTile<T> tile;
  tile.b_step = packed ? kernels.columns[width] : p.b.row_stride;
  tile.b_ahead = 8 * tile.b_step;
  tile.cols = std::min<std::int64_t>(p.c.cols - col, kernels.columns[width]);
  tile.alpha = p.alpha;
  tile.a_row_stride = p.a.row_stride;
  tile.a_step = p.a.col_stride;
  tile.c = &p.c(0, col);
  tile.next_c = tile.c;
  tile.c_row_stride = p.c.row_stride;
  const bool masked = !packed && tile.cols < kernels.columns[width];
  const auto run = kernels.matrix_tile[width][static_cast<std::size_t>(p.c.rows)][masked];
  const auto block = [&](std::int64_t first, std::int64_t depth, T beta, bool last) {
    tile.b = packed ? packed_at(p, first, depth, col) : &p.b(first, col);
    tile.a = tile.next_a = &p.a(0, first);
    tile.k = depth;
    tile.beta = beta;
    tile.bias = last && p.epilogue.bias != nullptr ? p.epilogue.bias + col : nullptr;
    tile.relu = last && p.epilogue.activation == Activation::relu;
    run(tile);
  };
  for_each_depth(p, kernels.max_depth, block);
  activate_rows(p, col, tile.cols);
}

/// Whether B is so large, for so few rows of A, that whole rows of it should be read in passing
/// while C is what stays in a cache, rather than the sums of a tile in registers while B is read in
/// strips. Tiles suffer most where all rows of a strip share one set of the L1 cache.
template <class T>
bool streams_b(const Product<T>& p) {
  if (p.b.col_stride != 1 || p.c.col_stride != 1 || p.c.rows > kMostDotRows) return false;
  if (p.c.rows <= kMostStreamedRows) return true;
  constexpr auto kSize = static_cast<std::int64_t>(sizeof(T));
  const bool same_set = p.b.row_stride * kSize % 4096 == 0;
  return p.b.rows * p.b.cols * kSize >= tile_kernels<T>().streamed_bytes[same_set ? 1 : 0];
}

/// Some columns of C: adds whole rows of B there, several at a time, to sums in a cache. If B is
/// packed, they are whole panels.
template <class T>
void stream_columns(const Product<T>& p, std::int64_t col, std::int64_t cols,
                    std::int64_t max_depth) {
  constexpr auto kSize = static_cast<std::int64_t>(sizeof(T));
  const std::int64_t m = p.c.rows;
  const bool packed = p.packed_b != nullptr;
  // Rows of sums a multiple of 4096 bytes apart would look alike to the processor, and a load from
  // one would wait for a store to another.
  constexpr std::int64_t kPage = 4096 / kSize, kApart = 6 * kAlignment / kSize;
  const std::int64_t stride = (cols + kPage - 1) / kPage * kPage + kApart;
  T* const sums = scratch<T>(Purpose::result, m * stride);
  for_each_depth(p, max_depth, [&](std::int64_t first, std::int64_t depth, T beta, bool last) {
    run_rows_block<T>({.rows = m,
                       .cols = cols,
                       .k = depth,
                       .a = &p.a(0, first),
                       .a_row_stride = p.a.row_stride,
                       .a_step = p.a.col_stride,
                       .b = packed ? packed_at(p, first, depth, col) : &p.b(first, col),
                       .b_row_stride = p.b.row_stride,
                       .panels = packed,
                       .sums = sums,
                       .sums_row_stride = stride,
                       .c = &p.c(0, col),
                       .c_row_stride = p.c.row_stride,
                       .alpha = p.alpha,
                       .beta = beta,
                       .bias = last && p.epilogue.bias != nullptr ? p.epilogue.bias + col : nullptr,
                       .relu = last && p.epilogue.activation == Activation::relu});
  });
  activate_rows(p, col, cols);
}

/// Few rows over wide rows of B. The longer the runs of B's memory the better, so there is a piece
/// of the columns for each thread and no more: no sum depends on where the columns are cut.
template <class T>
void multiply_streaming(const Product<T>& p, std::int64_t max_depth) {
  constexpr auto kSize = static_cast<std::int64_t>(sizeof(T));
  constexpr std::int64_t kLine = kAlignment / kSize, kStrip = 16384 / kSize, kRowsOfAPass = 4;
  const std::int64_t m = p.c.rows, n = p.c.cols;
  const std::int64_t pieces = std::clamp<std::int64_t>(n / 256, 1, nnkernels::threads());
  // Rows of A that take several passes over each few rows of B: sums and these in the L1 cache.
  const std::int64_t most_columns = m > kRowsOfAPass ? kStrip / m : kStrip;
  const double flops = 2.0 * static_cast<double>(m * n) * static_cast<double>(p.a.cols);
  const auto moved = static_cast<double>(p.b.rows * n);
  const double microseconds =
      std::max(arithmetic_microseconds<T>(flops), transfer_microseconds<T>(moved));
  nnkernels::parallel_for_ranges(
      pieces, microseconds, [&](std::int64_t first, std::int64_t end, int) {
        const auto border = [](std::int64_t cols, std::int64_t at, std::int64_t parts) {
          return at == parts ? cols : cols * at / parts / kLine * kLine;
        };
        const std::int64_t begin = border(n, first, pieces);
        const std::int64_t cols = border(n, end, pieces) - begin;
        const std::int64_t strips = (cols + most_columns - 1) / most_columns;
        for (std::int64_t strip = 0; strip < strips; ++strip) {
          const std::int64_t col = border(cols, strip, strips);
          stream_columns(p, begin + col, border(cols, strip + 1, strips) - col, max_depth);
        }
      });
}

}  // namespace

template <class T>
bool multiply_thin(const Product<T>& p) {
  const std::int64_t m = p.c.rows, n = p.c.cols, k = p.a.cols;
  const TileKernels<T>& kernels = tile_kernels<T>();
  const std::int64_t lanes = kernels.lanes;
  // B's columns are contiguous: packing them for tiles would cost more than the product.
  if (sums_rows_along_k(kernels, p.a, p.b)) {
    multiply_dot<T>(p, p.a, p.b.transposed(), false);
    return true;
  }
  if (p.a.col_stride == 1 && (n == 1 || (n <= kMostThinColumns && n < m &&
                                         n % lanes <= (3 * lanes) / 4 && k >= 16 * lanes))) {
    multiply_dot<T>(p, p.b.transposed(), p.a, true);
    return true;
  }
  if (p.a.row_stride == 1 && (n == 1 || m >= 2 * lanes)) {
    if (n <= lanes) {
      multiply_columns(p);
      return true;
    }
    // Of more columns those few behind whole vectors, for which tiles would leave many lanes idle;
    // or, as two operations cost too much, all of less than two vectors. What TileKernels has for
    // few columns is quicker while A stays in the L1 cache.
    const std::int64_t few = n % lanes, idle = kernels.granule - few;
    const bool hot =
        kernels.most_few_columns > 0 && n >= 2 * lanes && m * k * std::int64_t{sizeof(T)} <= 32768;
    if (few > 0 && 4 * few <= lanes && 12 * idle >= n && k < kLongSum && !hot) {
      const std::int64_t whole = n < 2 * lanes ? 0 : n - few;
      if (whole > 0) compute(columns(p, 0, whole));
      multiply_columns(columns(p, whole, n - whole));
      return true;
    }
  }
  if (streams_b(p)) {
    if (const auto width = covering_tile(kernels, p.c)) {
      multiply_in_one_tile(p, kernels, *width, 0);
    } else {
      multiply_streaming(p, kernels.max_depth);
    }
    return true;
  }
  return false;
}

template <class T>
bool multiply_few_packed(const Product<T>& p) {
  static_assert(kMostStreamedRows <= kMostPanelRows);
  const TileKernels<T>& kernels = tile_kernels<T>();
  const std::int64_t nr = kernels.columns[kTwoVectors], whole = p.c.cols / nr;
  if (p.c.rows > kMostStreamedRows || p.c.col_stride != 1 || whole < 2) return false;
  constexpr std::int64_t kTogether = 4;  // panels
  const std::int64_t pieces = (whole + kTogether - 1) / kTogether;
  const auto moved = static_cast<double>(p.b.rows * p.b.cols);
  const double microseconds = std::max(estimated_microseconds(p), transfer_microseconds<T>(moved));
  nnkernels::parallel_for(pieces, microseconds, [&](std::int64_t piece, int) {
    const std::int64_t first = piece * kTogether;
    const std::int64_t panels = std::min(kTogether, whole - first);
    stream_columns(p, first * nr, panels * nr, kernels.max_depth);
  });
  // Panels of less than two vectors at the end, one or two.
  for (std::int64_t col = whole * nr; col < p.c.cols;) {
    const std::size_t width = kernels.width_for(p.c.cols - col, kTwoVectors);
    multiply_in_one_tile(p, kernels, width, col);
    col += kernels.columns[width];
  }
  return true;
}

template bool multiply_thin<float>(const Product<float>&);
template bool multiply_thin<double>(const Product<double>&);
template bool multiply_few_packed<float>(const Product<float>&);
template bool multiply_few_packed<double>(const Product<double>&);

}  // namespace nnkernels::detail
