#include "kernels/conv_tiles.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "kernels/row_tiles.h"
#include "kernels/scratch.h"

namespace nnkernels::detail {

template <class T>
Window<T> window(const T* image, std::int64_t h, std::int64_t w, std::int64_t c, std::int64_t row,
                 std::int64_t rows, std::int64_t col, std::int64_t cols) {
  if (row >= 0 && row + rows <= h && col >= 0 && col + cols <= w) {
    return {image + (row * w + col) * c, w * c};
  }
  T* const copy = scratch<T>(Purpose::image, rows * cols * c);
  const std::int64_t first = std::clamp<std::int64_t>(-col, 0, cols);
  const std::int64_t last = std::clamp<std::int64_t>(w - col, first, cols);
  for (std::int64_t r = 0; r < rows; ++r) {
    T* const line = copy + r * cols * c;
    if (row + r < 0 || row + r >= h) {
      std::fill_n(line, cols * c, T{0});
      continue;
    }
    std::fill(line, line + first * c, T{0});
    std::copy_n(image + ((row + r) * w + col + first) * c, (last - first) * c, line + first * c);
    std::fill(line + last * c, line + cols * c, T{0});
  }
  return {copy, cols * c};
}

ConvShape with_near_strides(ConvShape shape) {
  shape.stride_h = std::min(shape.stride_h, shape.ih + 2 * shape.pad_h);
  shape.stride_w = std::min(shape.stride_w, shape.iw + 2 * shape.pad_w);
  return shape;
}

template <class T>
Window<T> input_window(const ConvShape& s, const T* image, std::int64_t first, std::int64_t last) {
  return window(image, s.ih, s.iw, s.ic, first * s.stride_h - s.pad_h,
                (last - first - 1) * s.stride_h + (s.kh - 1) * s.dilation_h + 1, -s.pad_w,
                (s.ow() - 1) * s.stride_w + (s.kw - 1) * s.dilation_w + 1);
}

TapRows::Range TapRows::inside(std::int64_t row) const {
  const std::int64_t at = first + row * row_step;
  std::int64_t begin = 0, end = count;
  while (begin < count && at + begin * tap_step < 0) ++begin;
  while (end > begin && at + (end - 1) * tap_step >= image_rows) --end;
  return begin < end ? Range{begin, end} : Range{0, 1};
}

namespace {

/// Tiles of so many pixels at least are worth being cut at the ends of the image's rows.
constexpr std::int64_t kRowTilePixels = 6;

/// One panel of columns by pixels in any order: tiles as large as possible.
template <class T>
void run_pointer_tiles(const TileKernels<T>& kernels, std::size_t width, Tile<T> tile,
                       const Pixels<T>& pixels, T* out_at) {
  const std::int64_t count = pixels.rows * pixels.cols;
  const std::int64_t mr = kernels.max_rows[width];
  const std::int64_t tiles = (count + mr - 1) / mr;
  const T* in_at = pixels.in;
  const std::int64_t next_in_row = pixels.in_row - (pixels.cols - 1) * pixels.in_col;
  const std::int64_t next_out_row = pixels.out_row - (pixels.cols - 1) * pixels.out_col;
  std::int64_t col = 0;
  for (std::int64_t t = 0; t < tiles; ++t) {
    const std::int64_t in_tile = count * (t + 1) / tiles - count * t / tiles;
    const T* in[kMaxTileRows];
    T* out[kMaxTileRows];
    for (std::int64_t i = 0; i < in_tile; ++i) {
      in[i] = in_at;
      out[i] = out_at;
      const bool row_ends = ++col == pixels.cols;
      if (row_ends) col = 0;
      in_at += row_ends ? next_in_row : pixels.in_col;
      out_at += row_ends ? next_out_row : pixels.out_col;
    }
    tile.rows = in;
    tile.c = out;
    kernels.tile[width][static_cast<std::size_t>(in_tile)][0](tile);
  }
}

/// The same, tiles within rows of the image.
template <class T>
void run_row_tiles(const TileKernels<T>& kernels, std::size_t width, const Tile<T>& any,
                   const Pixels<T>& pixels, T* out) {
  detail::RowTile<T> tile;
  // What all tiles have. NOLINTNEXTLINE(cppcoreguidelines-slicing)
  static_cast<detail::AnyTile<T>&>(tile) = any;
  tile.segment_length = any.segment_length;
  tile.a_row_stride = pixels.in_col;
  tile.c_row_stride = pixels.out_col;
  const RowTiles cut(pixels.cols, kernels.max_rows[width]);
  const auto run = [&](std::int64_t row, std::int64_t first, std::int64_t end) {
    if (first == end) return;
    const std::int64_t col = cut.begin(first);
    tile.tiles = end - first;
    tile.a = pixels.in + row * pixels.in_row + col * pixels.in_col;
    tile.c = out + row * pixels.out_row + col * pixels.out_col;
    kernels.row_tile[width][static_cast<std::size_t>(cut.size(first))][0](tile);
  };
  const std::int64_t segments = any.segment_count / pixels.taps.count;
  for (std::int64_t row = 0; row < pixels.rows; ++row) {
    const auto [begin, end] = pixels.taps.inside(row);
    tile.segments = any.segments + begin * segments;
    tile.segment_count = (end - begin) * segments;
    tile.b = any.b + begin * segments * any.segment_length * any.b_step;
    run(row, 0, cut.longer());
    run(row, cut.longer(), cut.count());
  }
}

}  // namespace

template <class T>
void run_pixels(const TileKernels<T>& kernels, Tile<T> tile, const Pixels<T>& pixels,
                const T* packed, std::int64_t depth, std::int64_t channels, const T* bias) {
  for (std::int64_t j = 0; j < channels;) {
    const std::size_t width = kernels.width_for(channels - j, kTwoVectors);
    const std::int64_t panel = kernels.columns[width];
    tile.b = packed + j * depth;
    tile.b_step = panel;
    tile.cols = std::min(channels - j, panel);
    tile.bias = bias == nullptr ? nullptr : bias + j;
    const std::int64_t mr = kernels.max_rows[width];
    const std::int64_t row_tiles = (pixels.cols + mr - 1) / mr;
    if (pixels.cols >= std::min(mr, kRowTilePixels) * row_tiles) {
      run_row_tiles(kernels, width, tile, pixels, pixels.out + j);
    } else {
      run_pointer_tiles(kernels, width, tile, pixels, pixels.out + j);
    }
    j += panel;
  }
}

template <class T>
std::int64_t panels_size(const TileKernels<T>& kernels, std::int64_t depth, std::int64_t cols) {
  return depth * (cols + 2 * kernels.lanes);
}

template <class T>
void pack_panels(const TileKernels<T>& kernels, const T* b, std::ptrdiff_t col_stride,
                 std::ptrdiff_t row_stride, std::int64_t cols, std::int64_t first,
                 std::int64_t rows, std::int64_t depth, T* packed, std::size_t widest) {
  for (std::int64_t j = 0; j < cols;) {
    const std::int64_t panel = kernels.columns[kernels.width_for(cols - j, widest)];
    kernels.pack(b + j * col_stride, col_stride, row_stride, std::min(panel, cols - j), panel, rows,
                 packed + j * depth + first * panel);
    j += panel;
  }
}

std::int64_t segments_of_row(const ConvShape& s) {
  return s.dilation_w == 1 && s.groups == 1 ? 1 : s.kw;
}

void kernel_segments(const ConvShape& s, std::int64_t row_length, std::ptrdiff_t* segments) {
  const std::int64_t per_row = segments_of_row(s);
  for (std::int64_t kh = 0; kh < s.kh; ++kh) {
    for (std::int64_t i = 0; i < per_row; ++i) {
      *segments++ = kh * s.dilation_h * row_length + i * s.dilation_w * s.ic;
    }
  }
}

bool is_matrix_product(const ConvShape& s) {
  const bool pointwise = s.kh == 1 && s.kw == 1 && s.stride_h == 1 && s.stride_w == 1;
  const bool whole = s.kh == s.ih && s.kw == s.iw && s.dilation_h == 1 && s.dilation_w == 1;
  return (pointwise || whole) && s.pad_h == 0 && s.pad_w == 0 && s.groups == 1;
}

void check_pointer(bool present, const char* function, const char* name) {
  if (!present) {
    throw std::invalid_argument(std::string(function) + ": " + name + " is a null pointer");
  }
}

template Window<float> window(const float*, std::int64_t, std::int64_t, std::int64_t, std::int64_t,
                              std::int64_t, std::int64_t, std::int64_t);
template Window<float> input_window(const ConvShape&, const float*, std::int64_t, std::int64_t);
template void run_pixels(const TileKernels<float>&, Tile<float>, const Pixels<float>&, const float*,
                         std::int64_t, std::int64_t, const float*);
template std::int64_t panels_size(const TileKernels<float>&, std::int64_t, std::int64_t);
template void pack_panels(const TileKernels<float>&, const float*, std::ptrdiff_t, std::ptrdiff_t,
                          std::int64_t, std::int64_t, std::int64_t, std::int64_t, float*,
                          std::size_t);
template Window<double> window(const double*, std::int64_t, std::int64_t, std::int64_t,
                               std::int64_t, std::int64_t, std::int64_t, std::int64_t);
template Window<double> input_window(const ConvShape&, const double*, std::int64_t, std::int64_t);
template void run_pixels(const TileKernels<double>&, Tile<double>, const Pixels<double>&,
                         const double*, std::int64_t, std::int64_t, const double*);
template std::int64_t panels_size(const TileKernels<double>&, std::int64_t, std::int64_t);
template void pack_panels(const TileKernels<double>&, const double*, std::ptrdiff_t, std::ptrdiff_t,
                          std::int64_t, std::int64_t, std::int64_t, std::int64_t, double*,
                          std::size_t);

}  // namespace nnkernels::detail
