// The pooling kernels of the instruction set in use, and what they share with their caller.
// Internal to kernels/.
#ifndef NNKERNELS_KERNELS_POOL_SIMD_H_
#define NNKERNELS_KERNELS_POOL_SIMD_H_

#include <cstdint>

#include "kernels/pool.h"

namespace nnkernels::detail {

/// Whether no pixel lies in two windows.
inline bool disjoint(const PoolShape& s) { return s.stride_h >= s.kh && s.stride_w >= s.kw; }

/// The functions of pool.h for rows [row, row + count) of y, numbered through all images, without
/// checks and threads. The backward ones write the part of dx from these rows' windows to the next
/// row's; where windows are not disjoint, the rows must be those of one image.
template <class T>
struct PoolKernels {
  void (*max_forward)(const PoolShape& shape, std::int64_t row, std::int64_t count, const T* x,
                      T* y, std::int32_t* argmax);
  void (*max_backward)(const PoolShape& shape, std::int64_t row, std::int64_t count, const T* dy,
                       const std::int32_t* argmax, T* dx);
  void (*average_forward)(const PoolShape& shape, PoolDivisor divisor, std::int64_t row,
                          std::int64_t count, const T* x, T* y);
  void (*average_backward)(const PoolShape& shape, PoolDivisor divisor, std::int64_t row,
                           std::int64_t count, const T* dy, T* dx);
};

template <class T>
PoolKernels<T> pool_kernels();

}  // namespace nnkernels::detail

#endif  // NNKERNELS_KERNELS_POOL_SIMD_H_
