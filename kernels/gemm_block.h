// One block of a matrix product, tile by tile. Internal to kernels/.
#ifndef NNKERNELS_KERNELS_GEMM_BLOCK_H_
#define NNKERNELS_KERNELS_GEMM_BLOCK_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/gemm_tile.h"
#include "kernels/scratch.h"

namespace nnkernels::detail {

/// A block of C over one block of k: C = relu(alpha A B + beta C + bias) for `rows` x `cols` of C.
template <class T>
struct Block {
  std::int64_t rows, cols, k;

  const T* a;
  std::ptrdiff_t a_row_stride, a_step;  // A(i, k) = a[i * a_row_stride + k * a_step]
  bool pack_a;

  const T* b;  // packed: the panel of column j is at b + k * j
  std::ptrdiff_t b_row_stride;
  bool b_is_packed;
  std::size_t widest;  // tile, as an index

  T* c;
  std::ptrdiff_t c_row_stride;
  T alpha, beta;
  const T* bias;
  bool relu;

  /// The order of the two loops. Rows outside: each tile of A is read from memory once and meets
  /// all of B, which must stay in the L2 cache. Else each panel of B meets all of A.
  bool rows_outside;
};

/// The rows of a block, shared out evenly among as few tiles as possible.
class RowTiles {
 public:
  RowTiles(std::int64_t rows, std::int64_t max_rows) : size_(rows) {
    if (rows <= max_rows) return;  // spares the smallest products two divisions
    count_ = (rows + max_rows - 1) / max_rows;
    size_ = rows / count_;
    longer_ = rows % count_;
  }
  std::int64_t count() const { return count_; }
  std::int64_t begin(std::int64_t tile) const { return tile * size_ + std::min(tile, longer_); }
  std::int64_t size(std::int64_t tile) const { return tile < longer_ ? size_ + 1 : size_; }

 private:
  std::int64_t count_ = 1, size_, longer_ = 0;
};

/// Runs the tiles of a block.
template <class T>
class BlockLoops {
 public:
  BlockLoops(const TileKernels<T>& kernels, const Block<T>& block)
      : kernels_(kernels),
        block_(block),
        rows_(block.rows, kernels.max_rows[kernels.width_for(block.cols, block.widest)]) {
    tile_.k = block.k;
    tile_.alpha = block.alpha;
    tile_.beta = block.beta;
    tile_.relu = block.relu;
    tile_.c_row_stride = block.c_row_stride;
  }

  void run() {
    if (block_.rows_outside) {
      for (std::int64_t t = 0; t < rows_.count(); ++t) {
        set_rows(t, block_.pack_a ? pack_tile(t, scratch_for(rows_.size(t))) : nullptr);
        for (std::int64_t j = 0; j < block_.cols; j += panel_) {
          set_panel(j);
          prepare_for(j + panel_ < block_.cols ? t : t + 1);
          run_tile(j);
        }
      }
    } else {
      T* const packed = block_.pack_a ? scratch_for(block_.rows) : nullptr;
      for (std::int64_t t = 0; packed != nullptr && t < rows_.count(); ++t) {
        pack_tile(t, packed + rows_.begin(t) * block_.k);
      }
      for (std::int64_t j = 0; j < block_.cols; j += panel_) {
        set_panel(j);
        for (std::int64_t t = 0; t < rows_.count(); ++t) {
          set_rows(t, packed == nullptr ? nullptr : packed + rows_.begin(t) * block_.k);
          prepare_for(block_.pack_a ? t : t + 1);
          run_tile(j);
        }
      }
    }
  }

 private:
  static constexpr std::ptrdiff_t kLine = static_cast<std::ptrdiff_t>(kAlignment / sizeof(T));

  T* scratch_for(std::int64_t rows) const { return scratch<T>(Purpose::packed_a, rows * block_.k); }

  const T* pack_tile(std::int64_t t, T* packed) const {
    kernels_.pack(block_.a + rows_.begin(t) * block_.a_row_stride, block_.a_row_stride,
                  block_.a_step, rows_.size(t), rows_.size(t), block_.k, packed);
    return packed;
  }

  void set_rows(std::int64_t t, const T* packed) {
    first_row_ = rows_.begin(t);
    row_count_ = rows_.size(t);
    const bool is_packed = packed != nullptr;
    tile_.a = is_packed ? packed : block_.a + first_row_ * block_.a_row_stride;
    tile_.a_row_stride = is_packed ? 1 : block_.a_row_stride;
    tile_.a_step = is_packed ? row_count_ : block_.a_step;
  }

  void set_panel(std::int64_t j) {
    width_ = kernels_.width_for(block_.cols - j, block_.widest);
    panel_ = kernels_.columns[width_];
    tile_.cols = std::min(block_.cols - j, panel_);
    tile_.b = block_.b + (block_.b_is_packed ? j * block_.k : j);
    tile_.b_step = block_.b_is_packed ? panel_ : block_.b_row_stride;
    // Rows whose distance is a multiple of 4096 bytes share the eight places of one set of the L1
    // cache: asked for too early they would push each other out.
    const bool same_set = tile_.b_step * static_cast<std::ptrdiff_t>(sizeof(T)) % 4096 == 0;
    tile_.b_ahead = (same_set ? 6 : 16) * tile_.b_step;
    tile_.bias = block_.bias == nullptr ? nullptr : block_.bias + j;
    masked_ = !block_.b_is_packed && tile_.cols < panel_;
  }

  /// Has the next tile ask for the A of row tile t, if that is another one and lies in lines.
  void prepare_for(std::int64_t t) {
    const std::int64_t next_row = rows_.begin(t);
    const bool by_rows = block_.a_step == 1;
    if (next_row == first_row_ || t == rows_.count() || (!by_rows && block_.a_row_stride != 1)) {
      tile_.next_a = tile_.a;
      tile_.next_a_row_stride = tile_.next_a_chunk_step = 0;
      return;
    }
    tile_.next_a = block_.a + next_row * block_.a_row_stride;
    tile_.next_a_row_stride = by_rows ? block_.a_row_stride : block_.a_step;
    tile_.next_a_chunk_step = by_rows ? kLine : kLine * block_.a_step;
  }

  void run_tile(std::int64_t j) {
    tile_.c = block_.c + first_row_ * block_.c_row_stride + j;
    kernels_.matrix_tile[width_][static_cast<std::size_t>(row_count_)][masked_](tile_);
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
