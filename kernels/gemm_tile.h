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
/// A is not a matrix in memory but a rule: element (i, k) lies at rows[i] + offset(k), where the
/// offsets of the k-th step run through `segments`: within segment s they are segments[s],
/// segments[s] + step, segments[s] + 2 step..., `segment_length` of them. A matrix has one segment;
/// a convolution has one for each row of its kernel, and so reads the image where it lies.
/// Adjacent tiles (below) know rows[i] == rows[0] + i.
///
/// B's row k is at b + k * b_step: a packed panel (b_step = the width of the tile, zeros behind the
/// last column) or the matrix itself (masked tiles, which read nothing behind column `cols`).
template <class T>
struct Tile {
  const T* const* rows = nullptr;
  std::ptrdiff_t step = 1;
  const std::ptrdiff_t* segments = nullptr;
  std::int64_t segment_count = 1;
  std::int64_t segment_length = 0;

  const T* b = nullptr;
  std::ptrdiff_t b_step = 0;

  T* const* c = nullptr;  // mr pointers to rows of C
  std::int64_t cols = 0;  // of C; every vector of the tile has at least one
  T alpha = 1;
  T beta = 0;               // 0: C is not read
  const T* bias = nullptr;  // cols elements, or null
  bool relu = false;
};

template <class T>
using TileKernel = void (*)(const Tile<T>& tile);

/// Tiles are half a vector or 1, 2, 4 or 8 vectors wide: index 0 to 4 in the tables.
inline constexpr std::size_t kTileWidths = 5;
inline constexpr std::size_t kTwoVectors = 2;
inline constexpr int kMaxTileRows = 14;

/// The tiles of one instruction set for one element type.
template <class T>
struct TileKernels {
  int lanes = 0;        // elements in a vector
  bool masked = false;  // whether there are masked tiles
  /// What narrower vectors save: half a vector where these run twice as fast (AVX-512 on 256-bit
  /// units), else a whole one, and then there are no tiles of half a vector.
  int granule = 0;
  std::array<int, kTileWidths> columns = {};   // nr: elements, for each width
  std::array<int, kTileWidths> max_rows = {};  // the largest mr for each width
  /// [width index][mr][adjacent][masked]; null where there is none: adjacent tiles are at most 2
  /// vectors wide.
  std::array<std::array<std::array<std::array<TileKernel<T>, 2>, 2>, kMaxTileRows + 1>, kTileWidths>
      tile = {};

  /// The widest tile, up to index `widest`, for the next columns of C that would not leave a
  /// granule or more of itself idle.
  std::size_t width_for(std::int64_t cols, std::size_t widest) const {
    while (widest > 0 && cols <= columns[widest] - granule) --widest;
    return widest;
  }

  /// Packs `count` lines of a matrix into a panel: panel[p * width + i] = source[i * line_stride +
  /// p * step_stride] for i < count and p < k, and 0 for count <= i < width.
  void (*pack)(const T* source, std::ptrdiff_t line_stride, std::ptrdiff_t step_stride,
               std::int64_t count, std::int64_t width, std::int64_t k, T* panel) = nullptr;

  /// y[i * y_stride] = sum over p of a[i * row_stride + p] * x[p] for i < rows, p < k.
  void (*dot)(const T* a, std::ptrdiff_t row_stride, const T* x, std::int64_t rows, std::int64_t k,
              T* y, std::ptrdiff_t y_stride) = nullptr;
};

/// The tiles of the instruction set in use.
template <class T>
const TileKernels<T>& tile_kernels();

}  // namespace nnkernels::detail

#endif  // NNKERNELS_KERNELS_GEMM_TILE_H_
