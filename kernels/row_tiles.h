// How rows are cut into tiles. Internal to kernels/.
#ifndef NNKERNELS_KERNELS_ROW_TILES_H_
#define NNKERNELS_KERNELS_ROW_TILES_H_

#include <algorithm>
#include <cstdint>

namespace nnkernels::detail {

/// Rows shared out evenly among as few tiles as possible: the first longer() of the count() tiles
/// have one more row than the others.
class RowTiles {
 public:
  RowTiles(std::int64_t rows, std::int64_t max_rows) : size_(rows) {
    if (rows <= max_rows) return;  // spares the smallest products two divisions
    count_ = (rows + max_rows - 1) / max_rows;
    size_ = rows / count_;
    longer_ = rows % count_;
  }
  std::int64_t count() const { return count_; }
  std::int64_t longer() const { return longer_; }
  std::int64_t begin(std::int64_t tile) const { return tile * size_ + std::min(tile, longer_); }
  std::int64_t size(std::int64_t tile) const { return tile < longer_ ? size_ + 1 : size_; }

 private:
  std::int64_t count_ = 1, size_, longer_ = 0;
};

}  // namespace nnkernels::detail

#endif  // NNKERNELS_KERNELS_ROW_TILES_H_
