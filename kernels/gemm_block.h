// One block of a matrix product, tile by tile. Internal to kernels/.
#ifndef NNKERNELS_KERNELS_GEMM_BLOCK_H_
#define NNKERNELS_KERNELS_GEMM_BLOCK_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/gemm_tile.h"
#include "kernels/row_tiles.h"
#include "kernels/scratch.h"

namespace nnkernels::detail {

/// A block of C over one block of k: C = relu(alpha A B + beta C + bias) for `rows` x `cols` of C.
template <class T>
struct Block {
  std::int64_t rows, cols, k;

  const T* a;
  std::ptrdiff_t a_row_stride, a_step;  // A(i, k) = a[i * a_row_stride + k * a_step]
  const T* packed_a;  // in tiles, where panels are outside; or null, and A is read where it lies
  std::int64_t tile_rows;  // at most

  const T* b;  // packed: the panel of column j is at b + k * j
  std::ptrdiff_t b_row_stride;
  std::size_t widest;  // tile, as an index

  T* c;
  std::ptrdiff_t c_row_stride;
  T alpha, beta;
  const T* bias;

  // pack_a: with rows outside, each tile of A is packed; with panels outside, it is in packed_a.
  // Truth values last: gaps between members, too, make g++ 12 clear the object first (AnyTile).
  bool pack_a, b_is_packed, relu;
  /// The order of the two loops. Rows outside: each tile of A is read from memory once and meets
  /// all of B, which must stay in the L2 cache. Else each panel of B meets all of A.
  bool rows_outside;
};

template <class T>
void pack_tile(const TileKernels<T>& kernels, const Block<T>& block, const RowTiles& tiles,
               std::int64_t t, T* packed) {
  kernels.pack(block.a + tiles.begin(t) * block.a_row_stride, block.a_row_stride, block.a_step,
               tiles.size(t), tiles.size(t), block.k, packed);
}

/// Packs steps [begin, end) of k of the block's A, tile t at packed + k * (its first row).
template <class T>
void pack_rows(const TileKernels<T>& kernels, const Block<T>& block, std::int64_t begin,
               std::int64_t end, T* packed) {
  const RowTiles tiles(block.rows, block.tile_rows);
  // Where rows of A lie side by side, a cache line holds elements of two or more tiles. So few
  // steps of all tiles at a time that their lines stay in the L1 cache, even if they share a set.
  constexpr std::int64_t kFewSteps = 8;
  const std::int64_t most = block.a_row_stride == 1 ? kFewSteps : end - begin;
  for (std::int64_t p = begin; p < end; p += most) {
    const std::int64_t steps = std::min(most, end - p);
    for (std::int64_t t = 0; t < tiles.count(); ++t) {
      const std::int64_t row = tiles.begin(t), rows = tiles.size(t);
      kernels.pack(block.a + row * block.a_row_stride + p * block.a_step, block.a_row_stride,
                   block.a_step, rows, rows, steps, packed + row * block.k + p * rows);
    }
  }
}

/// Whether lines of A are better packed: there are none, or, a multiple of 4096 bytes apart, they
/// compete for the same few places of the L1 cache.
template <class T>
bool needs_packing(std::ptrdiff_t a_row_stride, std::ptrdiff_t a_step) {
  constexpr std::ptrdiff_t kPage = 4096 / sizeof(T);
  if (a_step == 1) return a_row_stride % kPage == 0;
  if (a_row_stride == 1) return a_step % kPage == 0;
  return true;
}

/// How many of the last columns of C are left to TileKernels::few_columns: those beyond whole
/// vectors, where that is faster than a tile that is mostly idle. It is not for few rows, for
/// little work, or for lines of A that need packing and are not packed.
template <class T>
std::int64_t few_columns(const TileKernels<T>& kernels, std::int64_t rows, std::int64_t cols,
                         std::int64_t k, std::ptrdiff_t a_row_stride, std::ptrdiff_t a_step,
                         bool pack_a) {
  constexpr std::int64_t kLeastWork = 1024;
  const std::int64_t few = cols % kernels.lanes, whole = cols - few;
  if (few > kernels.most_few_columns || rows < 3 * kernels.lanes / 2) return 0;
  if (whole > 0 && whole * k < kLeastWork) return 0;
  return pack_a || !needs_packing<T>(a_row_stride, a_step) ? few : 0;
}

/// Runs the tiles of a block.
template <class T>
class BlockLoops {
 public:
  BlockLoops(const TileKernels<T>& kernels, const Block<T>& block)
      : kernels_(kernels),
        block_(block),
        rows_(block.rows, block.tile_rows),
        few_columns_(few_columns(kernels, block.rows, block.cols, block.k, block.a_row_stride,
                                 block.a_step, block.pack_a)),
        whole_columns_(block.cols - few_columns_) {
    tile_.k = block.k;
    tile_.alpha = block.alpha;
    tile_.beta = block.beta;
    tile_.relu = block.relu;
    tile_.c_row_stride = block.c_row_stride;
  }

  void run() {
    if (block_.rows_outside) {
      run_rows_outside();
    } else {
      run_panels_outside();
    }
  }

 private:
  static constexpr std::ptrdiff_t kLine = static_cast<std::ptrdiff_t>(kAlignment / sizeof(T));

  void run_rows_outside() {
    for (std::int64_t t = 0; t < rows_.count(); ++t) {
      T* packed = nullptr;
      if (block_.pack_a) {
        packed = scratch<T>(Purpose::packed_a, rows_.size(t) * block_.k);
        pack_tile(kernels_, block_, rows_, t, packed);
      }
      set_rows(t, packed);
      for (std::int64_t j = 0; j < whole_columns_;) {
        set_panel(j);
        const std::int64_t next = j + panel_;
        const bool last = next >= whole_columns_;
        if (last) ask_for_rows(t + 1);
        run_tile(j, last ? t + 1 : t, last ? 0 : next);
        j = next;
      }
      run_few_columns(t);
    }
  }

  void run_panels_outside() {
    const T* const packed = block_.packed_a;
    const auto set_row_tile = [&](std::int64_t t) {
      set_rows(t, packed == nullptr ? nullptr : packed + rows_.begin(t) * block_.k);
    };
    for (std::int64_t j = 0; j < whole_columns_; j += panel_) {
      set_panel(j);
      for (std::int64_t t = 0; t < rows_.count(); ++t) {
        set_row_tile(t);
        if (packed == nullptr) ask_for_rows(t + 1);
        run_tile(j, t + 1, j);
      }
    }
    for (std::int64_t t = 0; few_columns_ > 0 && t < rows_.count(); ++t) {
      set_row_tile(t);
      run_few_columns(t);
    }
  }

  /// Called after each row tile t: the last columns of two tiles at once, or of as many as keep
  /// their A in the L1 cache. Packed tiles do not lie side by side and are taken one by one.
  void run_few_columns(std::int64_t t) {
    if (few_columns_ == 0) return;
    constexpr std::int64_t kBytesOfA = 24576;
    const std::int64_t tile_bytes = block_.tile_rows * block_.k * std::int64_t{sizeof(T)};
    const std::int64_t together =
        a_is_packed_ ? 1 : std::max<std::int64_t>(2, kBytesOfA / tile_bytes);
    if ((t + 1) % together != 0 && t + 1 < rows_.count()) return;
    const std::int64_t row = rows_.begin(t / together * together), j = whole_columns_;
    MatrixTile<T> tile = tile_;
    if (!a_is_packed_) tile.a = block_.a + row * block_.a_row_stride;
    tile.b = block_.b + j;
    tile.b_step = block_.b_row_stride;
    if (block_.b_is_packed) {
      const std::int64_t panel = panel_around(j);
      tile.b = block_.b + panel * block_.k + (j - panel);
      tile.b_step = panel_width(panel);
    }
    tile.bias = block_.bias == nullptr ? nullptr : block_.bias + j;
    tile.cols = few_columns_;
    tile.c = block_.c + row * block_.c_row_stride + j;
    kernels_.few_columns(tile, rows_.begin(t) + rows_.size(t) - row);
  }

  void set_rows(std::int64_t t, const T* packed) {
    first_row_ = rows_.begin(t);
    row_count_ = rows_.size(t);
    a_is_packed_ = packed != nullptr;
    tile_.a = a_is_packed_ ? packed : block_.a + first_row_ * block_.a_row_stride;
    tile_.a_row_stride = a_is_packed_ ? 1 : block_.a_row_stride;
    tile_.a_step = a_is_packed_ ? row_count_ : block_.a_step;
    tile_.next_a = tile_.a;
    tile_.next_a_row_stride = tile_.next_a_chunk_step = 0;
  }

  void set_panel(std::int64_t j) {
    const std::int64_t left = whole_columns_ - j, full = kernels_.columns[block_.widest];
    if (tile_.cols != full || left < 2 * full) set_width(j, left);
    tile_.b = block_.b + (block_.b_is_packed ? j * block_.k : j);
    tile_.bias = block_.bias == nullptr ? nullptr : block_.bias + j;
  }

  void set_width(std::int64_t j, std::int64_t left) {
    width_ = block_.b_is_packed ? kernels_.width_for(left, block_.widest)
                                : kernels_.unpacked_width_for(left, block_.widest);
    panel_ = kernels_.columns[width_];
    tile_.cols = std::min(left, panel_);
    tile_.b_step = block_.b_is_packed ? panel_width(j) : block_.b_row_stride;
    // Rows whose distance is a multiple of 4096 bytes share the eight places of one set of the L1
    // cache: asked for too early they would push each other out.
    const bool same_set = tile_.b_step * static_cast<std::ptrdiff_t>(sizeof(T)) % 4096 == 0;
    // Rows that begin within a line lie in one line more than their length. So the lines of the
    // last elements: the first line was the last one of the panel before (the first panel forgoes
    // it).
    tile_.b_ahead = (same_set ? 6 : 16) * tile_.b_step + std::min(kLine, tile_.cols) - 1;
    masked_ = !block_.b_is_packed && tile_.cols < panel_;
  }

  /// How wide the packed panel of B is that begins at column j.
  std::int64_t panel_width(std::int64_t j) const {
    return kernels_.columns[kernels_.width_for(block_.cols - j, block_.widest)];
  }

  /// The first column of the packed panel of column j: only the last panels are narrower.
  std::int64_t panel_around(std::int64_t j) const {
    std::int64_t first = j / panel_width(0) * panel_width(0);
    while (first + panel_width(first) <= j) first += panel_width(first);
    return first;
  }

  /// Has this tile ask for the A of the one that follows, that of row tile t, if it lies in lines.
  void ask_for_rows(std::int64_t t) {
    const bool by_rows = block_.a_step == 1;
    if (t >= rows_.count() || (!by_rows && block_.a_row_stride != 1)) return;
    tile_.next_a = block_.a + rows_.begin(t) * block_.a_row_stride;
    // Of columns the line of the last element: this tile has most likely read that of the first.
    if (!by_rows) tile_.next_a += rows_.size(t) - 1;
    tile_.next_a_row_stride = by_rows ? block_.a_row_stride : block_.a_step;
    tile_.next_a_chunk_step = by_rows ? kLine : kLine * block_.a_step;
  }

  /// Runs the tile in column j, which asks for its own C or, where k is too short for that, for the
  /// one of the tile that follows, in row tile next_t and column next_j.
  void run_tile(std::int64_t j, std::int64_t next_t, std::int64_t next_j) {
    tile_.c = block_.c + first_row_ * block_.c_row_stride + j;
    const bool soon = block_.k <= 4 * kLine && next_t < rows_.count();
    tile_.next_c = soon ? block_.c + rows_.begin(next_t) * block_.c_row_stride + next_j : tile_.c;
    const auto run = [this](std::int64_t rows, const MatrixTile<T>& tile) {
      kernels_.matrix_tile[width_][static_cast<std::size_t>(rows)][masked_](tile);
    };
    if (row_count_ <= kernels_.max_rows[width_]) return run(row_count_, tile_);
    // Three vectors, for which registers hold fewer rows than for the two of other tiles.
    const std::int64_t upper = (row_count_ + 1) / 2;
    run(upper, tile_);
    MatrixTile<T> lower = tile_;
    lower.a += upper * tile_.a_row_stride;
    lower.c += upper * tile_.c_row_stride;
    if (!soon) lower.next_c = lower.c;
    run(row_count_ - upper, lower);
  }

  const TileKernels<T>& kernels_;
  const Block<T>& block_;
  RowTiles rows_;
  std::int64_t few_columns_, whole_columns_;
  MatrixTile<T> tile_;
  std::int64_t first_row_ = 0, row_count_ = 0;
  std::size_t width_ = 0;
  std::int64_t panel_ = 0;
  bool masked_ = false, a_is_packed_ = false;
};

}  // namespace nnkernels::detail

#endif  // NNKERNELS_KERNELS_GEMM_BLOCK_H_
