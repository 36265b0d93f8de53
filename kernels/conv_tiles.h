// What the three passes of a convolution share: windows into an image, packed weights, and a stack
// of tiles that runs over pixels. Internal to kernels/.
#ifndef NNKERNELS_KERNELS_CONV_TILES_H_
#define NNKERNELS_KERNELS_CONV_TILES_H_

#include <cstddef>
#include <cstdint>

#include "kernels/conv.h"
#include "kernels/cost.h"
#include "kernels/gemm_tile.h"

namespace nnkernels::detail {

/// A piece of work covers about this many output pixels (forward, by data): enough tiles to make
/// the packing of a window cheap, few enough that its pixels stay in the L1 and L2 cache.
inline constexpr std::int64_t kPiecePixels = 448;

/// The same convolution with strides no longer than the padded image, which leave one output as
/// longer ones do: then no product of a stride overflows, no address is computed that memory does
/// not have, and there are few phases.
ConvShape with_near_strides(ConvShape shape);

/// Rows and columns of an image [h][w][c], some of them possibly outside of it.
template <class T>
struct Window {
  const T* data;            // the first pixel
  std::int64_t row_length;  // elements from one row to the next
};

/// The window of `rows` x `cols` pixels that begins at (row, col): the image itself where it lies
/// inside, else a copy with zeros around it, which stays valid until this thread's next call.
template <class T>
Window<T> window(const T* image, std::int64_t h, std::int64_t w, std::int64_t c, std::int64_t row,
                 std::int64_t rows, std::int64_t col, std::int64_t cols);

/// The rows of x that output rows [first, last) read, by window().
template <class T>
Window<T> input_window(const ConvShape& shape, const T* image, std::int64_t first,
                       std::int64_t last);

/// Rows of a kernel over an image of `image_rows` rows: tap i of pixel row r lies in image row
/// first + r * row_step + i * tap_step, or outside, where all is zero.
struct TapRows {
  std::int64_t count, first, row_step, tap_step, image_rows;

  struct Range {
    std::int64_t begin, end;
  };
  /// The taps that lie inside, at least one that does not if there are none.
  Range inside(std::int64_t row) const;
};

/// A grid of pixels that a stack of tiles runs over, one pixel a row of the implicit matrix A.
template <class T>
struct Pixels {
  std::int64_t rows, cols;
  const T* in;
  std::int64_t in_row, in_col;  // elements between neighbours
  T* out;
  std::int64_t out_row, out_col;
  TapRows taps;  // whose segments follow each other
};

/// out[pixel][j] = the tile's sums for all `channels` columns j. `tile` says how A runs through the
/// window; `packed` holds B in panels of `depth` rows. Taps in rows outside of the image may be
/// left out.
template <class T>
void run_pixels(const TileKernels<T>& kernels, Tile<T> tile, const Pixels<T>& pixels,
                const T* packed, std::int64_t depth, std::int64_t channels, const T* bias);

/// How many elements the panels of a B of `depth` rows and `cols` columns take.
template <class T>
std::int64_t panels_size(const TileKernels<T>& kernels, std::int64_t depth, std::int64_t cols);

/// Packs `depth` rows of B, which start at row `first` of the panels, for all columns.
template <class T>
void pack_panels(const TileKernels<T>& kernels, const T* b, std::ptrdiff_t col_stride,
                 std::ptrdiff_t row_stride, std::int64_t cols, std::int64_t first,
                 std::int64_t rows, std::int64_t depth, T* packed,
                 std::size_t widest = kTwoVectors);

/// How many segments a row of the kernel has in the image: one, or kw if its pixels are apart
/// because of dilation or, with groups, because of the other groups' channels between them.
std::int64_t segments_of_row(const ConvShape& shape);

/// Where each of the kh * segments_of_row() segments begins within a window whose rows are
/// `row_length` elements apart.
void kernel_segments(const ConvShape& shape, std::int64_t row_length, std::ptrdiff_t* segments);

/// Whether the convolution is the matrix product y = x w, where x is rows x depth, w is depth x oc
/// and y is rows x oc, as they lie: the kernel is 1 x 1 and visits each pixel once, or is as large
/// as the image.
bool is_matrix_product(const ConvShape& shape);

/// The estimate for parallel_for() of the time that one pass takes.
template <class T>
double conv_microseconds(const ConvShape& s) {
  return arithmetic_microseconds<T>(2.0 * static_cast<double>(s.n * s.oh() * s.ow()) *
                                    static_cast<double>(s.w_size()));
}

/// Throws std::invalid_argument, naming `function` and `name`, unless the pointer is `present`.
void check_pointer(bool present, const char* function, const char* name);

}  // namespace nnkernels::detail

#endif  // NNKERNELS_KERNELS_CONV_TILES_H_
