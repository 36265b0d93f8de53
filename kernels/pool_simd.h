// The pooling kernels of the instruction set in use, and what they share with their caller.
// Internal to kernels/.
#ifndef NNKERNELS_KERNELS_POOL_SIMD_H_
#define NNKERNELS_KERNELS_POOL_SIMD_H_

#include <cstdint>

#include "kernels/pool.h"

namespace nnkernels::detail {

/// Whether no pixel lies in two windows.
inline bool disjoint(const PoolShape& s) {
  return (s.stride_h >= s.kh || s.oh() == 1) && (s.stride_w >= s.kw || s.ow() == 1);
}

/// Whether every pixel lies in a window.
inline bool covering(const PoolShape& s) {
  const auto along = [](std::int64_t o, std::int64_t stride, std::int64_t pad, std::int64_t k,
                        std::int64_t size) {
    return (stride <= k || o == 1) && (o - 1) * stride - pad + k >= size;
  };
  return along(s.oh(), s.stride_h, s.pad_h, s.kh, s.ih) &&
         along(s.ow(), s.stride_w, s.pad_w, s.kw, s.iw);
}

/// The functions of pool.h for rows [row, row + count) of y, numbered through all images, without
/// checks and threads. The backward ones write all rows of dx from behind the windows of the row
/// before these (from the top of the image) to the end of these rows' windows (to its bottom);
/// where windows are not disjoint, the rows must be those of one image.
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
