#include "kernels/conv.h"

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "kernels/gemm_tile.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"
#include "kernels/vector.h"

namespace nnkernels {
namespace {

using detail::kMaxTileRows;
using detail::kTwoVectors;
using detail::Purpose;
using detail::scratch;
using detail::Tile;
using detail::TileKernels;

/// A piece of work covers about this many output pixels (forward, by data): enough tiles to make
/// the packing of a window cheap, few enough that its pixels stay in the L1 and L2 cache.
constexpr std::int64_t kPiecePixels = 448;
/// The pixels of x and dy that one pass of conv_backward_weights reads again for every tile.
constexpr std::int64_t kChunkBytes = 1 << 18;
/// A gradient piece is worth a buffer of its own from this many floating-point operations on.
constexpr double kPieceFlops = 16e6;
constexpr std::int64_t kMaxGradientPieces = 16;
/// and beyond 4 pieces their buffers hold at most this many elements together.
constexpr std::int64_t kMaxPartialElements = 4 << 20;

std::int64_t floor_div(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

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

/// A grid of pixels that a stack of tiles runs over, one pixel a row of the implicit matrix A.
template <class T>
struct Pixels {
  std::int64_t rows, cols;
  const T* in;
  std::int64_t in_row, in_col;  // elements between neighbours
  T* out;
  std::int64_t out_row, out_col;
};

/// out[pixel][j] = the tile's sums for all `channels` columns j. `tile` says how A runs through the
/// window; `packed` holds B in panels of `depth` rows.
template <class T>
void run_pixels(const TileKernels<T>& kernels, Tile<T> tile, const Pixels<T>& pixels,
                const T* packed, std::int64_t depth, std::int64_t channels, const T* bias) {
  const std::int64_t count = pixels.rows * pixels.cols;
  for (std::int64_t j = 0; j < channels;) {
    const std::size_t width = kernels.width_for(channels - j, kTwoVectors);
    const std::int64_t panel = kernels.columns[width];
    const std::int64_t mr = kernels.max_rows[width];
    const std::int64_t tiles = (count + mr - 1) / mr;
    tile.b = packed + j * depth;
    tile.b_step = panel;
    tile.cols = std::min(channels - j, panel);
    tile.bias = bias == nullptr ? nullptr : bias + j;
    std::int64_t row = 0, col = 0;
    for (std::int64_t t = 0; t < tiles; ++t) {
      const std::int64_t in_tile = count * (t + 1) / tiles - count * t / tiles;
      const T* in[kMaxTileRows];
      T* out[kMaxTileRows];
      for (std::int64_t i = 0; i < in_tile; ++i) {
        in[i] = pixels.in + row * pixels.in_row + col * pixels.in_col;
        out[i] = pixels.out + row * pixels.out_row + col * pixels.out_col + j;
        if (++col == pixels.cols) {
          col = 0;
          ++row;
        }
      }
      tile.rows = in;
      tile.c = out;
      kernels.tile[width][static_cast<std::size_t>(in_tile)][0][0](tile);
    }
    j += panel;
  }
}

/// How many elements the panels of a B of `depth` rows and `cols` columns take.
template <class T>
std::int64_t packed_size(const TileKernels<T>& kernels, std::int64_t depth, std::int64_t cols) {
  return depth * (cols + 2 * kernels.lanes);
}

/// Packs `depth` rows of B, which start at row `first` of the panels, for all columns.
template <class T>
void pack_panels(const TileKernels<T>& kernels, const T* b, std::ptrdiff_t col_stride,
                 std::ptrdiff_t row_stride, std::int64_t cols, std::int64_t first,
                 std::int64_t rows, std::int64_t depth, T* packed) {
  for (std::int64_t j = 0; j < cols;) {
    const std::int64_t panel = kernels.columns[kernels.width_for(cols - j, kTwoVectors)];
    kernels.pack(b + j * col_stride, col_stride, row_stride, std::min(panel, cols - j), panel, rows,
                 packed + j * depth + first * panel);
    j += panel;
  }
}

double microseconds(const ConvShape& s, std::size_t element) {
  return 2.0 * static_cast<double>(s.n * s.oh() * s.ow()) * static_cast<double>(s.w_size()) *
         (static_cast<double>(element) / 4.0) / kFlopsPerMicrosecond;
}

/// Where kernel row kh begins within a window, and likewise each of its columns if they are apart.
void kernel_segments(const ConvShape& s, std::int64_t row_length, std::ptrdiff_t* segments) {
  const std::int64_t per_row = s.dilation_w == 1 ? 1 : s.kw;
  for (std::int64_t kh = 0; kh < s.kh; ++kh) {
    for (std::int64_t i = 0; i < per_row; ++i) {
      *segments++ = kh * s.dilation_h * row_length + i * s.dilation_w * s.ic;
    }
  }
}

/// The rows of x that output rows [first, last) read.
template <class T>
Window<T> input_window(const ConvShape& s, const T* image, std::int64_t first, std::int64_t last) {
  return window(image, s.ih, s.iw, s.ic, first * s.stride_h - s.pad_h,
                (last - first - 1) * s.stride_h + (s.kh - 1) * s.dilation_h + 1, -s.pad_w,
                (s.ow() - 1) * s.stride_w + (s.kw - 1) * s.dilation_w + 1);
}

/// One direction (height or width) of the transposed convolution, for the pixels i of dx with
/// (i + pad) % stride == phase. With i + pad = phase + stride * t such a pixel meets output
/// o = t - shift(k) through each tap k of the kernel that has k * dilation % stride == phase.
struct Phase {
  Phase(std::int64_t phase_, std::int64_t size, std::int64_t kernel, std::int64_t stride_,
        std::int64_t pad_, std::int64_t dilation_)
      : phase(phase_),
        stride(stride_),
        pad(pad_),
        dilation(dilation_),
        t_first(-floor_div(phase_ - pad_, stride_)) {
    const std::int64_t t_last = floor_div(size - 1 + pad - phase, stride);
    count = std::max<std::int64_t>(0, t_last - t_first + 1);
    for (std::int64_t k = kernel - 1; k >= 0; --k) {
      if (k * dilation % stride != phase) continue;
      if (taps++ == 0) last_tap = k;
      first_tap = k;
    }
  }
  std::int64_t shift(std::int64_t k) const { return (k * dilation - phase) / stride; }
  bool has(std::int64_t k) const { return k * dilation % stride == phase; }
  std::int64_t pixel(std::int64_t t) const { return phase + stride * t - pad; }

  std::int64_t phase, stride, pad, dilation;
  std::int64_t t_first;
  std::int64_t count = 0;  // t in [t_first, t_first + count)
  std::int64_t taps = 0, first_tap = 0, last_tap = 0;
};

/// dx of one phase in both directions, for all images.
template <class T>
void backward_data_phase(const ConvShape& s, const Phase& h, const Phase& w, const T* dy,
                         const T* weights, T* dx) {
  const TileKernels<T>& kernels = detail::tile_kernels<T>();
  const std::int64_t oh = s.oh(), ow = s.ow();
  const std::int64_t depth = h.taps * w.taps * s.oc;

  // B: for each tap, from the last to the first, the oc x ic transpose of its weights. In this
  // order the taps of one row of the kernel meet neighbouring pixels of dy, from left to right.
  T* const packed = scratch<T>(Purpose::packed_b, packed_size(kernels, depth, s.ic));
  std::int64_t row = 0;
  for (std::int64_t kh = h.last_tap; kh >= h.first_tap; --kh) {
    if (!h.has(kh)) continue;
    for (std::int64_t kw = w.last_tap; kw >= w.first_tap; --kw) {
      if (!w.has(kw)) continue;
      pack_panels<T>(kernels, weights + (kh * s.kw + kw) * s.ic * s.oc, s.oc, 1, s.ic, row, s.oc,
                     depth, packed);
      row += s.oc;
    }
  }
  const bool joined = s.stride_w == 1 && s.dilation_w == 1;
  const std::int64_t segment_count = joined ? h.taps : h.taps * w.taps;
  const std::int64_t segment_length = joined ? w.taps * s.oc : s.oc;

  const std::int64_t blocks =
      std::clamp<std::int64_t>(h.count * w.count / kPiecePixels, 1, h.count);
  const double share = static_cast<double>(h.taps * w.taps) / static_cast<double>(s.kh * s.kw);
  parallel_for(s.n * blocks, microseconds(s, sizeof(T)) * share, [&](std::int64_t piece, int) {
    const std::int64_t image = piece / blocks, block = piece % blocks;
    const std::int64_t t = h.t_first + h.count * block / blocks;
    const std::int64_t t_end = h.t_first + h.count * (block + 1) / blocks;
    const std::int64_t top = t - h.shift(h.last_tap), left = w.t_first - w.shift(w.last_tap);
    const Window<T> in = window(dy + image * oh * ow * s.oc, oh, ow, s.oc, top,
                                t_end - t + h.shift(h.last_tap) - h.shift(h.first_tap), left,
                                w.count + w.shift(w.last_tap) - w.shift(w.first_tap));
    auto* const segments = scratch<std::ptrdiff_t>(Purpose::offsets, segment_count);
    std::ptrdiff_t* segment = segments;
    for (std::int64_t kh = h.last_tap; kh >= h.first_tap; --kh) {
      if (!h.has(kh)) continue;
      for (std::int64_t kw = w.last_tap; kw >= w.first_tap; --kw) {
        if (!w.has(kw) || (joined && kw != w.last_tap)) continue;
        *segment++ = (h.shift(h.last_tap) - h.shift(kh)) * in.row_length +
                     (w.shift(w.last_tap) - w.shift(kw)) * s.oc;
      }
    }
    Tile<T> tile;
    tile.segments = segments;
    tile.segment_count = segment_count;
    tile.segment_length = segment_length;
    T* const out = dx + ((image * s.ih + h.pixel(t)) * s.iw + w.pixel(w.t_first)) * s.ic;
    run_pixels(kernels, tile,
               Pixels<T>{t_end - t, w.count, in.data, in.row_length, s.oc, out,
                         s.stride_h * s.iw * s.ic, s.stride_w * s.ic},
               packed, depth, s.ic, static_cast<const T*>(nullptr));
  });
}

/// dw of images [first, last): for each chunk of output rows, every tile runs over the chunk's
/// pixels and adds to what the chunks before left in dw.
template <class T>
void backward_weights_piece(const ConvShape& s, const T* x, const T* dy, std::int64_t first,
                            std::int64_t last, T* dw) {
  const TileKernels<T>& kernels = detail::tile_kernels<T>();
  const std::int64_t oh = s.oh(), ow = s.ow();
  const std::int64_t rows = s.kh * s.kw * s.ic;  // of dw as a matrix
  const std::int64_t row_bytes =
      (ow * s.oc + s.stride_h * s.iw * s.ic) * static_cast<std::int64_t>(sizeof(T));
  const std::int64_t chunks = std::clamp<std::int64_t>(oh * row_bytes / kChunkBytes, 1, oh);
  const bool masked = s.oc % kernels.lanes != 0;
  const bool pack = masked && !kernels.masked;
  auto* const segments = scratch<std::ptrdiff_t>(Purpose::offsets, oh);

  for (std::int64_t image = first; image < last; ++image) {
    for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
      const std::int64_t o = oh * chunk / chunks, o_end = oh * (chunk + 1) / chunks;
      const Window<T> in = input_window(s, x + image * s.ih * s.iw * s.ic, o, o_end);
      for (std::int64_t r = 0; r < o_end - o; ++r) segments[r] = r * s.stride_h * in.row_length;
      const T* const dy_chunk = dy + (image * oh + o) * ow * s.oc;
      const std::int64_t depth = (o_end - o) * ow;
      T* packed = nullptr;
      if (pack) {
        packed = scratch<T>(Purpose::packed_b, packed_size(kernels, depth, s.oc));
        pack_panels<T>(kernels, dy_chunk, 1, s.oc, s.oc, 0, depth, depth, packed);
      }
      Tile<T> tile;
      tile.step = s.stride_w * s.ic;
      tile.segments = segments;
      tile.segment_count = o_end - o;
      tile.segment_length = ow;
      tile.beta = image == first && chunk == 0 ? T{0} : T{1};
      for (std::int64_t j = 0; j < s.oc;) {
        const std::size_t width = kernels.width_for(s.oc - j, kTwoVectors);
        const std::int64_t panel = kernels.columns[width];
        const std::int64_t tiles = (rows + kernels.max_rows[width] - 1) / kernels.max_rows[width];
        tile.cols = std::min(s.oc - j, panel);
        tile.b = pack ? packed + j * depth : dy_chunk + j;
        tile.b_step = pack ? panel : s.oc;
        const bool partial = !pack && tile.cols < panel;
        for (std::int64_t t = 0; t < tiles; ++t) {
          const std::int64_t row = rows * t / tiles, row_end = rows * (t + 1) / tiles;
          const T* a[kMaxTileRows];
          T* c[kMaxTileRows];
          for (std::int64_t i = 0; i < row_end - row; ++i) {
            const std::int64_t kh = (row + i) / (s.kw * s.ic), rest = (row + i) % (s.kw * s.ic);
            a[i] = in.data + kh * s.dilation_h * in.row_length + rest / s.ic * s.dilation_w * s.ic +
                   rest % s.ic;
            c[i] = dw + (row + i) * s.oc + j;
          }
          tile.rows = a;
          tile.c = c;
          kernels.tile[width][static_cast<std::size_t>(row_end - row)][0][partial](tile);
        }
        j += panel;
      }
    }
  }
}

void check_pointer(bool present, const char* function, const char* name) {
  if (!present) {
    throw std::invalid_argument(std::string(function) + ": " + name + " is a null pointer");
  }
}

}  // namespace

void check(const ConvShape& s, const char* function) {
  const auto fail = [&](const std::string& what) {
    throw std::invalid_argument(
        std::string(function) + ": " + what + " (n " + std::to_string(s.n) + ", image " +
        std::to_string(s.ih) + "x" + std::to_string(s.iw) + "x" + std::to_string(s.ic) +
        ", kernel " + std::to_string(s.kh) + "x" + std::to_string(s.kw) + ", stride " +
        std::to_string(s.stride_h) + "x" + std::to_string(s.stride_w) + ", pad " +
        std::to_string(s.pad_h) + "x" + std::to_string(s.pad_w) + ", dilation " +
        std::to_string(s.dilation_h) + "x" + std::to_string(s.dilation_w) + ", oc " +
        std::to_string(s.oc) + ")");
  };
  if (s.n < 0) fail("n must not be negative");
  if (std::min({s.ih, s.iw, s.ic, s.oc, s.kh, s.kw}) < 1) fail("sizes must be at least 1");
  if (std::min({s.stride_h, s.stride_w, s.dilation_h, s.dilation_w}) < 1) {
    fail("strides and dilations must be at least 1");
  }
  if (std::min(s.pad_h, s.pad_w) < 0) fail("pads must not be negative");
  if (s.dilation_h * (s.kh - 1) + 1 > s.ih + 2 * s.pad_h ||
      s.dilation_w * (s.kw - 1) + 1 > s.iw + 2 * s.pad_w) {
    fail("the dilated kernel must fit into the padded image");
  }
}

template <class T>
void conv_forward(const ConvShape& s, const T* x, const T* w, T* y, const Epilogue<T>& epilogue) {
  check(s, "conv_forward");
  if (s.n == 0) return;
  check_pointer(x != nullptr, "conv_forward", "x");
  check_pointer(w != nullptr, "conv_forward", "w");
  check_pointer(y != nullptr, "conv_forward", "y");
  const TileKernels<T>& kernels = detail::tile_kernels<T>();
  const std::int64_t oh = s.oh(), ow = s.ow(), depth = s.kh * s.kw * s.ic;
  T* const packed = scratch<T>(Purpose::packed_b, packed_size(kernels, depth, s.oc));
  pack_panels<T>(kernels, w, 1, s.oc, s.oc, 0, depth, depth, packed);

  const std::int64_t blocks = std::clamp<std::int64_t>(oh * ow / kPiecePixels, 1, oh);
  parallel_for(s.n * blocks, microseconds(s, sizeof(T)), [&](std::int64_t piece, int) {
    const std::int64_t image = piece / blocks, block = piece % blocks;
    const std::int64_t first = oh * block / blocks, last = oh * (block + 1) / blocks;
    const Window<T> in = input_window(s, x + image * s.ih * s.iw * s.ic, first, last);
    Tile<T> tile;
    tile.segment_count = s.dilation_w == 1 ? s.kh : s.kh * s.kw;
    tile.segment_length = s.dilation_w == 1 ? s.kw * s.ic : s.ic;
    auto* const segments = scratch<std::ptrdiff_t>(Purpose::offsets, tile.segment_count);
    kernel_segments(s, in.row_length, segments);
    tile.segments = segments;
    tile.relu = epilogue.activation == Activation::relu;
    T* const out = y + (image * oh + first) * ow * s.oc;
    run_pixels(kernels, tile,
               Pixels<T>{last - first, ow, in.data, s.stride_h * in.row_length, s.stride_w * s.ic,
                         out, ow * s.oc, s.oc},
               packed, depth, s.oc, epilogue.bias);
    if (epilogue.activation != Activation::identity && !tile.relu) {
      activation_forward(epilogue.activation, (last - first) * ow * s.oc, out, out);
    }
  });
}

template <class T>
void conv_backward_data(const ConvShape& s, const T* dy, const T* w, T* dx) {
  check(s, "conv_backward_data");
  if (s.n == 0) return;
  check_pointer(dy != nullptr, "conv_backward_data", "dy");
  check_pointer(w != nullptr, "conv_backward_data", "w");
  check_pointer(dx != nullptr, "conv_backward_data", "dx");
  // With a stride that leaves pixels without any tap, those are zero and no phase writes them.
  if (s.stride_h > s.kh || s.stride_w > s.kw || s.dilation_h > 1 || s.dilation_w > 1) {
    std::fill_n(dx, s.x_size(), T{0});
  }
  // Phases beyond the padded image hold no pixel.
  for (std::int64_t i = 0; i < std::min(s.stride_h, s.ih + s.pad_h); ++i) {
    const Phase h(i, s.ih, s.kh, s.stride_h, s.pad_h, s.dilation_h);
    for (std::int64_t j = 0; j < std::min(s.stride_w, s.iw + s.pad_w); ++j) {
      const Phase v(j, s.iw, s.kw, s.stride_w, s.pad_w, s.dilation_w);
      if (h.taps * v.taps * h.count * v.count > 0) backward_data_phase(s, h, v, dy, w, dx);
    }
  }
}

template <class T>
void conv_backward_weights(const ConvShape& s, const T* x, const T* dy, T* dw, T* db) {
  check(s, "conv_backward_weights");
  check_pointer(dw != nullptr, "conv_backward_weights", "dw");
  if (s.n == 0) {
    std::fill_n(dw, s.w_size(), T{0});
    if (db != nullptr) std::fill_n(db, s.oc, T{0});
    return;
  }
  check_pointer(x != nullptr, "conv_backward_weights", "x");
  check_pointer(dy != nullptr, "conv_backward_weights", "dy");
  const std::int64_t pixels = s.oh() * s.ow();
  const double flops = 2.0 * static_cast<double>(s.n * pixels) * static_cast<double>(s.w_size());
  const std::int64_t pieces = std::clamp<std::int64_t>(
      static_cast<std::int64_t>(flops / kPieceFlops), 1,
      std::min(
          {s.n, kMaxGradientPieces, std::max<std::int64_t>(4, kMaxPartialElements / s.w_size())}));
  T* const partial_dw =
      pieces == 1 ? dw : scratch<T>(Purpose::partial_sums, pieces * (s.w_size() + s.oc));
  T* const partial_db = pieces == 1 ? db : partial_dw + pieces * s.w_size();
  parallel_for(pieces, microseconds(s, sizeof(T)), [&](std::int64_t piece, int) {
    const std::int64_t first = s.n * piece / pieces, last = s.n * (piece + 1) / pieces;
    backward_weights_piece(s, x, dy, first, last, partial_dw + piece * s.w_size());
    if (db != nullptr) {
      column_sums((last - first) * pixels, s.oc, dy + first * pixels * s.oc,
                  partial_db + piece * s.oc);
    }
  });
  if (pieces == 1) return;
  sum_pieces(pieces, s.w_size(), partial_dw, dw);
  if (db != nullptr) sum_pieces(pieces, s.oc, partial_db, db);
}

template void conv_forward<float>(const ConvShape&, const float*, const float*, float*,
                                  const Epilogue<float>&);
template void conv_forward<double>(const ConvShape&, const double*, const double*, double*,
                                   const Epilogue<double>&);
template void conv_backward_data<float>(const ConvShape&, const float*, const float*, float*);
template void conv_backward_data<double>(const ConvShape&, const double*, const double*, double*);
template void conv_backward_weights<float>(const ConvShape&, const float*, const float*, float*,
                                           float*);
template void conv_backward_weights<double>(const ConvShape&, const double*, const double*, double*,
                                            double*);

}  // namespace nnkernels
