// Depthwise convolution: each channel with a kernel of its own. Internal to kernels/; conv.h is the
// public side.
#ifndef NNKERNELS_KERNELS_DEPTHWISE_H_
#define NNKERNELS_KERNELS_DEPTHWISE_H_

#include "kernels/conv.h"

namespace nnkernels::detail {

/// Whether every channel is a group: w is [kh][kw][c].
inline bool is_depthwise(const ConvShape& s) {
  return s.groups > 1 && s.groups == s.ic && s.groups == s.oc;
}

/// Whether depthwise_forward() and depthwise_backward_data() can do the same for groups of a few
/// channels, which the tiles of other convolutions leave most of a vector empty for.
template <class T>
bool is_nearly_depthwise(const ConvShape& shape);

/// conv_forward(), conv_backward_data() and conv_backward_weights() for a depthwise convolution,
/// with arguments that have been checked. Vectors run along the channels; the border is left out
/// tap by tap, not padded. The order of every sum is fixed by the shape.
template <class T>
void depthwise_forward(const ConvShape& shape, const T* x, const T* w, T* y,
                       const Epilogue<T>& epilogue);
template <class T>
void depthwise_backward_data(const ConvShape& shape, const T* dy, const T* w, T* dx);
template <class T>
void depthwise_backward_weights(const ConvShape& shape, const T* x, const T* dy, T* dw, T* db);

}  // namespace nnkernels::detail

#endif  // NNKERNELS_KERNELS_DEPTHWISE_H_
