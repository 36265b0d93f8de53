// Memory that a thread keeps for packed operands and the like. Internal to kernels/.
#ifndef NNKERNELS_KERNELS_SCRATCH_H_
#define NNKERNELS_KERNELS_SCRATCH_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <new>

#include "kernels/aligned_buffer.h"

namespace nnkernels::detail {

/// What a buffer is for. A thread has one buffer a purpose, so two uses that are alive at the same
/// time on one thread must differ in purpose. Loops do not nest (parallel.h): a piece never waits,
/// so no other piece can begin on its thread meanwhile.
enum class Purpose {
  packed_a,
  packed_b,
  result,
  sums_over_k,
  vector,
  image,
  offsets,
  partial_sums,
  window_sums,
  column_sums,
  count
};

/// At least `size` elements, never null, that stay valid until this thread asks again for the same
/// purpose. Grows and never shrinks, so a repeated computation allocates only the first time.
template <class T>
T* scratch(Purpose purpose, std::int64_t size) {
  thread_local std::array<AlignedBuffer<std::byte>, static_cast<std::size_t>(Purpose::count)>
      buffers;
  AlignedBuffer<std::byte>& buffer = buffers[static_cast<std::size_t>(purpose)];
  constexpr auto kSize = static_cast<std::int64_t>(sizeof(T));
  if (size > PTRDIFF_MAX / kSize) throw std::bad_array_new_length();
  buffer.reserve(std::max<std::int64_t>(size, 1) * kSize);
  return reinterpret_cast<T*>(buffer.data());
}

}  // namespace nnkernels::detail

#endif  // NNKERNELS_KERNELS_SCRATCH_H_
