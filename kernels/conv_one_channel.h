// Convolutions of one channel. Internal to kernels/; conv.h is the public side.
#ifndef NNKERNELS_KERNELS_CONV_ONE_CHANNEL_H_
#define NNKERNELS_KERNELS_CONV_ONE_CHANNEL_H_

#include <cstdint>

#include "kernels/conv.h"
#include "kernels/conv_one_channel_simd.h"

namespace nnkernels::detail {

/// Whether the functions below can do a convolution, and are faster than the tiles of others, which
/// would leave lanes idle: one channel in, few out.
template <class T>
bool has_one_channel(const ConvShape& shape);

/// The most rows that should be computed together: few multiply-adds are then for rows beyond them.
inline constexpr std::int64_t kOneChannelRows = 32;

/// What rows of y are computed from, for a shape that has_one_channel(). Vectors run along the
/// rows, where the channels of neighbouring pixels lie side by side, and a lookup gives each lane
/// the pixel of x that it meets. Sums are those of the tiles, but for the sign of zeros: a tile may
/// leave out rows of the border.
template <class T>
class OneChannelConv {
 public:
  /// Keeps w and bias (or null) in this thread's scratch memory, until its next convolution, and a
  /// reference to `shape`.
  OneChannelConv(const ConvShape& shape, const T* w, const T* bias, bool relu);

  /// Rows [first, last) of the y of an image, on any thread.
  void run(const T* image, std::int64_t first, std::int64_t last, T* y) const;

 private:
  const ConvShape& shape_;
  OneChannelKernels<T> kernels_;
  const std::int32_t* pixel_;
  const T* w_;
  const T* bias_;
  bool relu_;
};

/// conv_forward() and conv_backward_weights() for these shapes, with arguments that have been
/// checked. The order of every sum is fixed by the shape.
template <class T>
void one_channel_forward(const ConvShape& shape, const T* x, const T* w, T* y,
                         const Epilogue<T>& epilogue);
template <class T>
void one_channel_backward_weights(const ConvShape& shape, const T* x, const T* dy, T* dw, T* db);

}  // namespace nnkernels::detail

#endif  // NNKERNELS_KERNELS_CONV_ONE_CHANNEL_H_
