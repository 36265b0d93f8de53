// The tiles and loops of conv_pool.h for the instruction set in use. Internal to kernels/.
#ifndef NNKERNELS_KERNELS_CONV_POOL_SIMD_H_
#define NNKERNELS_KERNELS_CONV_POOL_SIMD_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "kernels/gemm_tile.h"

namespace nnkernels::detail {

/// Some neighbouring 2x2 windows of a convolution's output, by up to three vectors of channels: a
/// register tile (gemm_tile.h) whose rows are the windows' pixels, four to a window, and which
/// stores the largest of each four.
template <class T>
struct WindowTile {
  const T* x = nullptr;                 // where the first pixel's window into the image begins
  std::ptrdiff_t x_col = 0, x_row = 0;  // elements to the pixel to the right of it, and below it
  const std::ptrdiff_t* segments = nullptr;
  std::int64_t segment_count = 1;
  std::int64_t segment_length = 0;

  const T* b = nullptr;  // a packed panel
  std::int64_t cols = 0;
  const T* bias = nullptr;  // cols elements, or null
  bool relu = false;
  T* y = nullptr;                  // a window's first channel
  std::uint8_t* winner = nullptr;  // likewise, or null
  std::ptrdiff_t step = 0;         // elements from one window's to the next one's
};

inline constexpr int kMaxWindows = 3;
inline constexpr std::size_t kThreeVectors = kTwoVectors + 1;

/// What ConvPoolKernels::add_image needs to know of one image, or of a band of its windows.
template <class T>
struct WinnerImage {
  const T* x = nullptr;         // the padded image, from the first row that its windows meet
  std::int64_t row_length = 0;  // elements from one of its rows to the next
  const T* dy = nullptr;        // [rows][cols][oc]
  const std::uint8_t* winner = nullptr;
  std::int64_t rows = 0, cols = 0;  // of windows
  std::int64_t oc = 0, kh = 0;
  std::int64_t pixel = 0;  // ic: elements from one pixel to the next
  std::int64_t taps = 0;   // kw * ic: elements of one row of the kernel

  /// The rows, and elements of each, that the upper left pixels of windows meet under the kernel.
  std::int64_t quad_rows() const { return 2 * (rows - 1) + kh; }
  std::int64_t quad_cols() const { return 2 * (cols - 1) * pixel + taps; }
};

template <class T>
struct ConvPoolKernels {
  /// [width index][windows]; null where there is none.
  std::array<std::array<void (*)(const WindowTile<T>& tile), kMaxWindows + 1>, kThreeVectors + 1>
      tile = {};
  std::size_t widest = 0;  // width index

  /// The same for `windows` windows in a row whose sums are in memory already, at tile.x, of at
  /// most one vector of channels. Reads whole vectors.
  void (*pick)(const WindowTile<T>& tile, std::int64_t windows) = nullptr;

  /// dw[kh][t][oc] += the sum over windows of dy[oc] * x[the winner's pixel, row kh, element t];
  /// for a convolution with stride and dilation 1. `quads` is scratch memory for 4 (quad_rows()
  /// quad_cols() + lanes) numbers. For more taps than most_taps it is quicker to follow one winner
  /// after the other; null, with 0 of them, where a vector has fewer than four lanes.
  std::int64_t most_taps = 0;
  void (*add_image)(const WinnerImage<T>& image, T* quads, T* dw) = nullptr;
};

template <class T>
const ConvPoolKernels<T>& conv_pool_kernels();

}  // namespace nnkernels::detail

#endif  // NNKERNELS_KERNELS_CONV_POOL_SIMD_H_
