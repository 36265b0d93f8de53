// Parallel loops over blocks of consecutive indices. Internal to kernels/.
#ifndef NNKERNELS_KERNELS_BLOCKS_H_
#define NNKERNELS_KERNELS_BLOCKS_H_

#include <algorithm>
#include <cstdint>

#include "kernels/parallel.h"

namespace nnkernels::detail {

/// As many elements as a block of an element-wise kernel has: enough that taking the block costs
/// nothing against the work, few enough that its arrays stay in a core's L2 cache.
inline constexpr std::int64_t kBlockElements = 16384;

/// How many rows of `cols` elements make a block; at least 1.
inline std::int64_t block_rows(std::int64_t cols) {
  return std::max<std::int64_t>(1, kBlockElements / std::max<std::int64_t>(1, cols));
}

/// Calls body(first, count) for consecutive blocks of `block` indices that together are [0, size),
/// by parallel_for with its `microseconds`.
template <class Body>
void parallel_blocks(std::int64_t size, std::int64_t block, double microseconds, const Body& body) {
  nnkernels::parallel_for((size + block - 1) / block, microseconds, [&](std::int64_t piece, int) {
    const std::int64_t first = piece * block;
    body(first, std::min(block, size - first));
  });
}

}  // namespace nnkernels::detail

#endif  // NNKERNELS_KERNELS_BLOCKS_H_
