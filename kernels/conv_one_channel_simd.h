// The loops of conv_one_channel.h for the instruction set in use. Internal to kernels/.
#ifndef NNKERNELS_KERNELS_CONV_ONE_CHANNEL_SIMD_H_
#define NNKERNELS_KERNELS_CONV_ONE_CHANNEL_SIMD_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace nnkernels::detail {

/// Some rows of an image of one channel, convolved with a square kernel of 3 or 5 taps a side,
/// stride and dilation 1. A row of y is `row_size` elements, its pixels' channels side by side, and
/// is cut into vectors: element i is of pixel i / channels. Vector v has pattern v % patterns: what
/// its lanes are, counted from its first element's pixel.
template <class T>
struct OneChannelRows {
  std::int64_t rows, row_size, channels;
  std::int64_t taps;  // in a row of the kernel, and in a column
  const T* x;         // with the border: rows + taps - 1 rows, and a vector more behind the last
  std::ptrdiff_t x_line;

  std::int64_t patterns;
  const std::int32_t* pixel;  // [pattern][lane]
};

template <class T>
struct OneChannelForward : OneChannelRows<T> {
  const T* w;     // [pattern][tap][lane]; aligned, as are all that have lanes
  const T* bias;  // [pattern][lane], or null
  bool relu;
  T* y;
};

template <class T>
struct OneChannelGradient : OneChannelRows<T> {
  const T* dy;
  /// [pattern][tap][lane]: what vectors that are whole contribute is added here; what the last one
  /// does, if it is not, is added behind, as pattern number `patterns`.
  T* sums;
};

template <class T>
struct OneChannelKernels {
  std::int64_t lanes = 0;
  /// For more, lanes that would be idle in the tiles of other convolutions cost less than what
  /// these functions do around their multiply-adds; 0 where there are none.
  std::int64_t most_channels = 0;
  /// The same under a max pool, which has tiles of its own: for 3 and for 5 taps.
  std::array<std::int64_t, 2> most_pooled_channels = {};
  void (*forward)(const OneChannelForward<T>& rows) = nullptr;
  void (*gradient)(const OneChannelGradient<T>& rows) = nullptr;
};

template <class T>
OneChannelKernels<T> one_channel_kernels();

}  // namespace nnkernels::detail

#endif  // NNKERNELS_KERNELS_CONV_ONE_CHANNEL_SIMD_H_
