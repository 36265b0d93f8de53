// Asking for memory before it is needed.
#ifndef NNKERNELS_KERNELS_PREFETCH_H_
#define NNKERNELS_KERNELS_PREFETCH_H_

#include <cstddef>
#include <cstdint>

#include "kernels/aligned_buffer.h"
#include "kernels/matrix_view.h"

namespace nnkernels {

/// Brings [data, data + size) into the L2 cache of this core while other work goes on. Processors
/// do this by themselves for memory that is read in order, but not for the first lines of each of
/// many short runs: single samples of a data set, the rows of a block of a large matrix.
template <class T>
void prefetch(const T* data, std::int64_t size) {
  constexpr int kRead = 0, kIntoL2 = 2;
  const auto* const bytes = reinterpret_cast<const char*>(data);
  const std::size_t count = static_cast<std::size_t>(size) * sizeof(T);
  for (std::size_t i = 0; i < count; i += kAlignment) {
    __builtin_prefetch(bytes + i, kRead, kIntoL2);
  }
}

/// The same for a matrix with contiguous rows.
template <class T>
void prefetch(const MatrixView<T>& matrix) {
  for (std::int64_t i = 0; i < matrix.rows; ++i) prefetch(&matrix(i, 0), matrix.cols);
}

}  // namespace nnkernels

#endif  // NNKERNELS_KERNELS_PREFETCH_H_
