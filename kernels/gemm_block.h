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
  const T* packed_a;                    // by pack_rows() before, or null
  std::int64_t tile_rows;               // at most

  const T* b;  // packed: the panel of column j is at b + k * j
  std::ptrdiff_t b_row_stride;
  std::size_t widest;  // tile, as an index

  T* c;
  std::ptrdiff_t c_row_stride;
  T alpha, beta;
  const T* bias;

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

/// Runs the tiles of a block.
template <class T>
class BlockLoops {
 public:
  BlockLoops(const TileKernels<T>& kernels, const Block<T>& block)
      : kernels_(kernels), block_(block), rows_(block.rows, block.tile_rows) {
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
      for (std::int64_t j = 0; j < block_.cols;) {
        set_panel(j);
        const std::int64_t next = j + panel_;
        const bool last = next >= block_.cols;
        if (last) ask_for_rows(t + 1);
        run_tile(j, last ? t + 1 : t, last ? 0 : next);
        j = next;
      }
    }
  }

  void run_panels_outside() {
    const T* packed = block_.packed_a;
    if (block_.pack_a && packed == nullptr) {
      T* const own = scratch<T>(Purpose::packed_a, block_.rows * block_.k);
      pack_rows(kernels_, block_, 0, block_.k, own);
      packed = own;
    }
    for (std::int64_t j = 0; j < block_.cols; j += panel_) {
      set_panel(j);
      for (std::int64_t t = 0; t < rows_.count(); ++t) {
        set_rows(t, packed == nullptr ? nullptr : packed + rows_.begin(t) * block_.k);
        if (packed == nullptr) ask_for_rows(t + 1);
        run_tile(j, t + 1, j);
      }
    }
  }

  void set_rows(std::int64_t t, const T* packed) {
    first_row_ = rows_.begin(t);
    row_count_ = rows_.size(t);
    const bool is_packed = packed != nullptr;
    tile_.a = is_packed ? packed : block_.a + first_row_ * block_.a_row_stride;
    tile_.a_row_stride = is_packed ? 1 : block_.a_row_stride;
    tile_.a_step = is_packed ? row_count_ : block_.a_step;
    tile_.next_a = tile_.a;
    tile_.next_a_row_stride = tile_.next_a_chunk_step = 0;
  }

  void set_panel(std::int64_t j) {
    const std::int64_t left = block_.cols - j, full = kernels_.columns[block_.widest];
    if (tile_.cols != full || left < 2 * full) set_width(left);
    tile_.b = block_.b + (block_.b_is_packed ? j * block_.k : j);
    tile_.bias = block_.bias == nullptr ? nullptr : block_.bias + j;
  }

  void set_width(std::int64_t left) {
    width_ = block_.b_is_packed ? kernels_.width_for(left, block_.widest)
                                : kernels_.unpacked_width_for(left, block_.widest);
    panel_ = kernels_.columns[width_];
    tile_.cols = std::min(left, panel_);
    tile_.b_step = block_.b_is_packed ? panel_ : block_.b_row_stride;
    // Rows whose distance is a multiple of 4096 bytes share the eight places of one set of the L1
    // cache: asked for too early they would push each other out.
    const bool same_set = tile_.b_step * static_cast<std::ptrdiff_t>(sizeof(T)) % 4096 == 0;
    tile_.b_ahead = (same_set ? 6 : 16) * tile_.b_step;
    masked_ = !block_.b_is_packed && tile_.cols < panel_;
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
  MatrixTile<T> tile_;
  std::int64_t first_row_ = 0, row_count_ = 0;
  std::size_t width_ = 0;
  std::int64_t panel_ = 0;
  bool masked_ = false;
};

}  // namespace nnkernels::detail

#endif  // NNKERNELS_KERNELS_GEMM_BLOCK_H_
