// Convolution, activation and 2x2 max pooling in one pass, forward and backward.
#ifndef NNKERNELS_KERNELS_CONV_POOL_H_
#define NNKERNELS_KERNELS_CONV_POOL_H_

#include <cstdint>

#include "kernels/conv.h"

namespace nnkernels {

/// y[n,i,j,oc] = activation(bias[oc] + the largest of c[n, 2i..2i+1, 2j..2j+1, oc]), where c is the
/// convolution of x by w (conv.h), and winner[n,i,j,oc] = which of the four it was: 2 (row - 2i) +
/// column - 2j, the first one of equals; NaN counts as larger than everything.
///
/// y and winner are [n][oh / 2][ow / 2][oc]; what an odd oh or ow leaves over is not computed.
/// Rounding, ReLU and tanh are monotonic (tanh of double as far as samples tell), so with them and
/// with identity y is max_pool_forward() of conv_forward() bit by bit; but not where conv_forward()
/// is a matrix product (a 1 x 1 kernel with stride 1 and no padding), whose sums it may add up in
/// another order, and not where w holds infinities or NaN and the image is padded (conv.h); and but
/// for the sign of zeros, where products underflow. Sigmoid
/// is monotonic up to its last bits only: y is what it makes of the largest sum, which may not be
/// its largest result. The winner of numbers that only bias or activation makes equal may be
/// another one, which makes no difference where the activation is constant: its derivative is zero
/// there.
///
/// c is never written to memory: the windows of a tile are reduced in registers, those of few
/// channels of one in a cache. `winner` may be null when no
/// backward pass follows. Requires oh, ow >= 2 and groups = 1. Memory, threads and errors as
/// conv_forward().
template <class T>
void conv_max_pool_forward(const ConvShape& shape, const T* x, const T* w, T* y,
                           std::uint8_t* winner, const Epilogue<T>& epilogue = {});

/// dw and db (db may be null) of conv_backward_weights() for the dy that is `dy` at each window's
/// winner and zero elsewhere. `dy` is [n][oh / 2][ow / 2][oc], the gradient by the argument of the
/// activation: the gradient by y times f'(y), activation_backward().
///
/// Only winners are multiplied: a quarter of the work. Where dy is 0 it is not said whether an x
/// that is infinite or NaN counts. `winner` must be what conv_max_pool_forward() left, 0 to 3:
/// other values are not refused, and read or write memory anywhere. Each element of dw is then one
/// chain of fused multiply-adds over the windows of a fixed piece of the batch; pieces are added in
/// order.
template <class T>
void conv_max_pool_backward_weights(const ConvShape& shape, const T* x, const T* dy,
                                    const std::uint8_t* winner, T* dw, T* db);

/// dx of conv_backward_data() for the same dy.
template <class T>
void conv_max_pool_backward_data(const ConvShape& shape, const T* dy, const std::uint8_t* winner,
                                 const T* w, T* dx);

}  // namespace nnkernels

#endif  // NNKERNELS_KERNELS_CONV_POOL_H_
