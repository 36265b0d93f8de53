// Convolutions of one channel. Internal to kernels/; conv.h is the public side.
#ifndef NNKERNELS_KERNELS_CONV_ONE_CHANNEL_H_
#define NNKERNELS_KERNELS_CONV_ONE_CHANNEL_H_

#include "kernels/conv.h"

namespace nnkernels::detail {

/// Whether the functions below can do a convolution, and are faster than the tiles of others, which
/// would leave lanes idle: one channel in, few out.
template <class T>
bool has_one_channel(const ConvShape& shape);

/// conv_forward() and conv_backward_weights() for these, with arguments that have been checked.
/// Vectors run along the rows of y, where the channels of neighbouring pixels lie side by side, and
/// a lookup gives each lane the pixel of x that it meets. Forward, sums are those of the tiles.
template <class T>
void one_channel_forward(const ConvShape& shape, const T* x, const T* w, T* y,
                         const Epilogue<T>& epilogue);
template <class T>
void one_channel_backward_weights(const ConvShape& shape, const T* x, const T* dy, T* dw, T* db);

}  // namespace nnkernels::detail

#endif  // NNKERNELS_KERNELS_CONV_ONE_CHANNEL_H_
