// The gradients of a convolution under a 2x2 max pool, from the winners alone. Internal to
// kernels/.
#ifndef NNKERNELS_KERNELS_CONV_POOL_SPARSE_H_
#define NNKERNELS_KERNELS_CONV_POOL_SPARSE_H_

#include <cstdint>

#include "kernels/conv.h"

namespace nnkernels::detail {

/// sums[oc][kh][kw][ic] = the gradient by the weights, transposed, of images [first, last). dy and
/// winner as in conv_pool.h.
template <class T>
void sparse_backward_weights(const ConvShape& shape, const T* x, const T* dy,
                             const std::uint8_t* winner, std::int64_t first, std::int64_t last,
                             T* sums);

/// dx[ih][iw][ic] of one image, whose dy and winner are given; the weights are [oc][kh][kw][ic].
template <class T>
void sparse_backward_data(const ConvShape& shape, const T* dy, const std::uint8_t* winner,
                          const T* transposed, T* dx);

}  // namespace nnkernels::detail

#endif  // NNKERNELS_KERNELS_CONV_POOL_SPARSE_H_
