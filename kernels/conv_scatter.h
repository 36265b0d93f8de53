// The adding up of a transposed convolution that was computed pixel by pixel. Internal to kernels/.
#ifndef NNKERNELS_KERNELS_CONV_SCATTER_H_
#define NNKERNELS_KERNELS_CONV_SCATTER_H_

#include <cstddef>
#include <cstdint>

namespace nnkernels::detail {

/// What each pixel of a row of dy adds to dx.
template <class T>
struct Scatter {
  const T* from = nullptr;       // of the first pixel: `segments` times `length` elements
  std::ptrdiff_t from_step = 0;  // elements from one pixel's to the next one's
  std::int64_t pixels = 0;
  std::int64_t segments = 0;
  std::int64_t length = 0;                 // elements of a segment, contiguous in dx
  const std::ptrdiff_t* places = nullptr;  // where in `to` each segment of the first pixel begins
  T* to = nullptr;
  std::ptrdiff_t to_step = 0;  // how much further right the next pixel's segments lie
};

/// to[places[s] + pixel * to_step + i] += from[pixel * from_step + s * length + i] for all pixels
/// (in order), s < segments and i < length.
template <class T>
void scatter_add(const Scatter<T>& scatter);

}  // namespace nnkernels::detail

#endif  // NNKERNELS_KERNELS_CONV_SCATTER_H_
