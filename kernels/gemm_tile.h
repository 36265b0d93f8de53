// The register tiles that GEMM and convolution are built from, and the packing of their operands.
// Internal to kernels/.
#ifndef NNKERNELS_KERNELS_GEMM_TILE_H_
#define NNKERNELS_KERNELS_GEMM_TILE_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace nnkernels::detail {

/// One tile: an mr x cols block of C whose sums stay in vector registers,
///
///     C[i][j] = relu(alpha * sum over k of A(i, k) B(k, j) + beta * C[i][j] + bias[j]).
///
/// B's row k is at b + k * b_step: a packed panel (b_step = the width of the tile, zeros behind the
/// last column) or the matrix itself (masked tiles, which read nothing behind column `cols`).
///
/// Where A and C lie is said by the two kinds of tile below.
template <class T>
struct AnyTile {
  // Not defaulted: g++ 12 would clear the whole object before it sets its members, by an
  // instruction (rep stos) that takes as long as a product of 4 x 4.
  AnyTile() {}  // NOLINT(modernize-use-equals-default)

  const T* b = nullptr;
  std::ptrdiff_t b_step = 0;

  std::int64_t cols = 0;  // of C; every vector of the tile has at least one
  T alpha = 1;
  T beta = 0;               // 0: C is not read
  const T* bias = nullptr;  // cols elements, or null
  bool relu = false;
};

/// A tile of a matrix: A(i, k) = a[i * a_row_stride + k * a_step], C's row i is at
/// c + i * c_row_stride.
template <class T>
struct MatrixTile : AnyTile<T> {
  const T* a = nullptr;
  std::ptrdiff_t a_row_stride = 0, a_step = 1;
  std::int64_t k = 0;

  T* c = nullptr;
  std::ptrdiff_t c_row_stride = 0;
  /// Asked for near the end: this tile's C, or where k is short that of the next tile.
  const T* next_c = nullptr;

  /// While a row of B is used, the one so many elements behind it is asked for.
  std::ptrdiff_t b_ahead = 0;
  /// Memory that the next tile will read, to be asked for meanwhile: for every 64 bytes of k the
  /// lines at next_a + i * next_a_row_stride of at least as many i as this tile has rows, whereupon
  /// next_a moves on by next_a_chunk_step. Need not be readable.
  const T* next_a = nullptr;
  std::ptrdiff_t next_a_row_stride = 0, next_a_chunk_step = 0;
};

/// A tile whose A is not a matrix in memory but a rule: element (i, k) lies at rows[i] + offset(k),
/// where the offsets of the k-th step run through `segments`: within segment s they are
/// segments[s], segments[s] + step, segments[s] + 2 step..., `segment_length` of them. A
/// convolution has one segment for each row of its kernel, and so reads the image where it lies.
template <class T>
struct Tile : AnyTile<T> {
  const T* const* rows = nullptr;
  std::ptrdiff_t step = 1;
  const std::ptrdiff_t* segments = nullptr;
  std::int64_t segment_count = 1;
  std::int64_t segment_length = 0;

  T* const* c = nullptr;  // mr pointers to rows of C
};

/// The same with rows a constant distance apart, as the pixels of one row of an image are: rows[i]
/// = a + i * a_row_stride, C's row i at c + i * c_row_stride. Faster, since fewer pointers fit into
/// registers. One call computes `tiles` of them, each with the rows behind those of the one before.
template <class T>
struct RowTile : AnyTile<T> {
  std::int64_t tiles = 1;
  const T* a = nullptr;
  std::ptrdiff_t a_row_stride = 0;
  const std::ptrdiff_t* segments = nullptr;
  std::int64_t segment_count = 1;
  std::int64_t segment_length = 0;

  T* c = nullptr;
  std::ptrdiff_t c_row_stride = 0;
};

template <class AnyTile>
using TileKernel = void (*)(const AnyTile& tile);

/// Tiles are half a vector or 1 to 8 vectors wide: index 0 to 8 in the tables. The wider ones have
/// few rows.
inline constexpr std::size_t kTileWidths = 9;
inline constexpr std::size_t kTwoVectors = 2;
inline constexpr int kMaxTileRows = 16;

/// The tiles of one instruction set for one element type.
template <class T>
struct TileKernels {
  int lanes = 0;       // elements in a vector
  int unit_lanes = 0;  // of them that a multiply-add unit takes at a time: half on a Zen 4
  /// kc, the longest sum that a tile forms at once. Narrow tiles are so quick to read B that their
  /// panel must stay in the L1 cache; for wide ones the L2 cache is fast enough.
  int max_depth = 0;
  bool masked = false;  // whether there are masked tiles
  /// So many idle columns are worth a narrower tile: half a vector of them where that runs twice as
  /// fast (AVX-512 on 256-bit units), else a whole one.
  int granule = 0;
  /// So many elements of A, B and C together lie in the L1 cache or just beyond, and what they take
  /// is not worth sharing: such a product is not cut.
  std::int64_t small_size = 0;
  /// From so many bytes of B on, few rows take whole rows of B instead of tiles; [1] if these are a
  /// multiple of 4096 bytes apart.
  std::array<std::int64_t, 2> streamed_bytes = {};
  std::array<int, kTileWidths> columns = {};   // nr: elements, for each width
  std::array<int, kTileWidths> max_rows = {};  // the largest mr for each width

  /// [width index][mr][masked]; null where there is none.
  template <class Kind>
  using Table =
      std::array<std::array<std::array<TileKernel<Kind>, 2>, kMaxTileRows + 1>, kTileWidths>;
  Table<MatrixTile<T>> matrix_tile = {};
  // At most 2 vectors wide; those of pixels in a row are not masked.
  Table<Tile<T>> tile = {};
  Table<RowTile<T>> row_tile = {};

  /// The widest tile, up to index `widest`, for the next columns of C that would not leave a
  /// granule or more of itself idle. By itself a tile of half a vector is never the slower one.
  std::size_t width_for(std::int64_t cols, std::size_t widest) const {
    while (widest > 1 && cols <= columns[widest] - granule) --widest;
    const bool half = widest == 1 && max_rows[0] > 0 && cols <= columns[0];
    return half ? 0 : widest;
  }

  /// Whether a tile as wide as `widest` would leave one vector of the last `cols` columns to the
  /// end, and other widths do not. A tile of that alone loads an element of A for each
  /// multiply-add.
  bool joins_last_vector(std::int64_t cols, std::size_t widest) const {
    const std::int64_t all = static_cast<std::int64_t>(widest + 1) * lanes;
    const bool can = widest > kTwoVectors ||
                     (widest == kTwoVectors && 2 * max_rows[widest + 1] >= max_rows[widest]);
    return can && cols <= all && cols > all - granule;
  }

  /// The same where B is not packed, so that panels may be of any width. What would be two vectors
  /// and one is a tile of three. (Where that has too few rows, they are two halves.) Of wider ones
  /// the last two are about as wide as each other.
  std::size_t unpacked_width_for(std::int64_t cols, std::size_t widest) const {
    if (!joins_last_vector(cols, widest)) return width_for(cols, widest);
    return widest == kTwoVectors ? widest + 1 : (widest + 2) / 2;
  }

  /// Packs `count` lines of a matrix into a panel: panel[p * width + i] = source[i * line_stride +
  /// p * step_stride] for i < count and p < k, and 0 for count <= i < width.
  void (*pack)(const T* source, std::ptrdiff_t line_stride, std::ptrdiff_t step_stride,
               std::int64_t count, std::int64_t width, std::int64_t k, T* panel) = nullptr;

  /// The same for `count` columns of a panel that begin at `panel`, and no others: panel[p * width
  /// + i] = source[i + p * step_stride] for i < count and p < k.
  void (*pack_part)(const T* source, std::ptrdiff_t step_stride, std::int64_t count,
                    std::int64_t width, std::int64_t k, T* panel) = nullptr;

  /// The most columns that few_columns() takes; 0 where there is none.
  std::int64_t most_few_columns = 0;

  /// A tile of few columns, tile.cols of them, and any number of rows: vectors run down the rows. A
  /// has contiguous columns (a_row_stride 1), or contiguous rows (a_step 1), of which there must
  /// then be at least half a vector. Sums, and what becomes of them, are those of a tile. Asks for
  /// no memory in advance.
  void (*few_columns)(const MatrixTile<T>& tile, std::int64_t rows) = nullptr;

  /// out[i * out_x_stride + j * out_y_stride] = sum over p of x[i * x_stride + p] *
  /// y[j * y_stride + p] for i < x_rows, j < y_rows, p < k. The vectors run along k, and y is read
  /// once while x should be small enough for the L1 cache.
  void (*dot)(const T* x, std::ptrdiff_t x_stride, std::int64_t x_rows, const T* y,
              std::ptrdiff_t y_stride, std::int64_t y_rows, std::int64_t k, T* out,
              std::ptrdiff_t out_x_stride, std::ptrdiff_t out_y_stride) = nullptr;
};

/// The tiles of the instruction set in use.
template <class T>
const TileKernels<T>& tile_kernels();

}  // namespace nnkernels::detail

#endif  // NNKERNELS_KERNELS_GEMM_TILE_H_
