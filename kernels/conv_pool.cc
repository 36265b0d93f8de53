#include "kernels/conv_pool.h"

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <string>

#include "kernels/conv_one_channel.h"
#include "kernels/conv_pool_simd.h"
#include "kernels/conv_pool_sparse.h"
#include "kernels/conv_tiles.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"
#include "kernels/vector.h"

namespace nnkernels {
namespace {

using detail::check_pointer;
using detail::conv_microseconds;
using detail::conv_pool_kernels;
using detail::ConvPoolKernels;
using detail::Purpose;
using detail::scratch;
using detail::TileKernels;
using detail::Window;
using detail::WindowTile;
using detail::WinnerImage;

/// A gradient piece is worth a buffer of its own from this many multiply-adds on.
constexpr double kPieceWork = 2e6;
constexpr std::int64_t kMaxPieces = 16;

void check_pooled(const ConvShape& s, const char* function) {
  check(s, function);
  if (s.groups != 1) {
    throw std::invalid_argument(std::string(function) + ": groups must be 1, got " +
                                std::to_string(s.groups));
  }
  if (s.oh() < 2 || s.ow() < 2) {
    throw std::invalid_argument(std::string(function) + ": no 2x2 window fits into the " +
                                std::to_string(s.oh()) + "x" + std::to_string(s.ow()) +
                                " output of the convolution");
  }
}

std::int64_t windows(const ConvShape& s) { return s.oh() / 2 * (s.ow() / 2); }

/// `rows` rows of windows, from the one at the top of `in`, for all channels.
template <class T>
void run_windows(const ConvShape& s, const Window<T>& in, std::int64_t rows, WindowTile<T> tile,
                 const T* packed, const T* bias, T* y, std::uint8_t* winner) {
  const TileKernels<T>& kernels = detail::tile_kernels<T>();
  const ConvPoolKernels<T>& window_kernels = conv_pool_kernels<T>();
  const std::int64_t cols = s.ow() / 2, depth = s.kh * s.kw * s.ic;
  tile.x_row = s.stride_h * in.row_length;
  tile.x_col = s.stride_w * s.ic;
  tile.step = s.oc;
  for (std::int64_t j = 0; j < s.oc;) {
    const std::size_t width = kernels.width_for(s.oc - j, window_kernels.widest);
    const std::int64_t panel = kernels.columns[width];
    const auto& of_count = window_kernels.tile[width];
    std::int64_t most = detail::kMaxWindows;
    while (of_count[static_cast<std::size_t>(most)] == nullptr) --most;
    tile.b = packed + j * depth;
    tile.cols = std::min(s.oc - j, panel);
    tile.bias = bias == nullptr ? nullptr : bias + j;
    const std::int64_t tiles = (cols + most - 1) / most;
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t t = 0; t < tiles; ++t) {
        const std::int64_t col = cols * t / tiles, end = cols * (t + 1) / tiles;
        const std::int64_t at = (row * cols + col) * s.oc + j;
        tile.x = in.data + 2 * (row * tile.x_row + col * tile.x_col);
        tile.y = y + at;
        tile.winner = winner == nullptr ? nullptr : winner + at;
        of_count[static_cast<std::size_t>(end - col)](tile);
      }
    }
    j += panel;
  }
}

/// Whether OneChannelConv and then pick() are quicker than tiles.
template <class T>
bool picks_from_rows(const ConvShape& s) {
  constexpr std::int64_t kLeastRows = 8;
  const auto& most = detail::one_channel_kernels<T>().most_pooled_channels;
  return detail::has_one_channel<T>(s) && s.oh() >= kLeastRows && s.oc <= most[s.kw == 3 ? 0 : 1];
}

/// conv_max_pool_forward() of such a shape: the largest of what OneChannelConv leaves in a cache.
template <class T>
void one_channel_windows(const ConvShape& s, const T* x, const T* w, T* y, std::uint8_t* winner,
                         const Epilogue<T>& epilogue) {
  const detail::OneChannelConv<T> conv(s, w, nullptr, false);
  const std::int64_t rows = s.oh() / 2, cols = s.ow() / 2, line = s.ow() * s.oc;
  constexpr std::int64_t kMost = detail::kOneChannelRows / 2;
  const std::int64_t blocks = (rows + kMost - 1) / kMost;
  const ConvPoolKernels<T>& kernels = conv_pool_kernels<T>();
  parallel_for(s.n * blocks, conv_microseconds<T>(s), [&](std::int64_t piece, int) {
    const std::int64_t image = piece / blocks, block = piece % blocks;
    const std::int64_t first = rows * block / blocks, last = rows * (block + 1) / blocks;
    const std::int64_t size = 2 * (last - first) * line, lanes = detail::tile_kernels<T>().lanes;
    T* const sums = scratch<T>(Purpose::result, size + lanes);
    std::fill_n(sums + size, lanes, T{0});  // pick() looks at whole vectors
    conv.run(x + image * s.ih * s.iw, 2 * first, 2 * last, sums);
    WindowTile<T> tile;
    tile.x_col = tile.step = tile.cols = s.oc;
    tile.x_row = line;
    tile.bias = epilogue.bias;
    tile.relu = epilogue.activation == Activation::relu;
    const std::int64_t at = (image * rows + first) * cols * s.oc;
    for (std::int64_t row = 0; row < last - first; ++row) {
      tile.x = sums + 2 * row * line;
      tile.y = y + at + row * cols * s.oc;
      tile.winner = winner == nullptr ? nullptr : winner + at + row * cols * s.oc;
      kernels.pick(tile, cols);
    }
    if (epilogue.activation != Activation::identity && !tile.relu) {
      activation_forward(epilogue.activation, (last - first) * cols * s.oc, y + at, y + at);
    }
  });
}

/// Whether add_image() can do it, and is quicker than to follow one winner after the other.
template <class T>
bool looks_winners_up(const ConvShape& s) {
  return s.stride_h == 1 && s.stride_w == 1 && s.dilation_h == 1 && s.dilation_w == 1 &&
         s.kw * s.ic <= conv_pool_kernels<T>().most_taps;
}

/// dw of images [first, last) in that way.
template <class T>
void winners_piece(const ConvShape& s, const T* x, const T* dy, const std::uint8_t* winner,
                   std::int64_t first, std::int64_t last, T* dw) {
  const std::int64_t rows = s.oh() / 2, cols = s.ow() / 2;
  WinnerImage<T> image{
      .rows = rows, .cols = cols, .oc = s.oc, .kh = s.kh, .pixel = s.ic, .taps = s.kw * s.ic};
  // So many rows of windows at a time that their quads stay in the L2 cache.
  constexpr std::int64_t kQuadBytes = 128 << 10, kQuad = 4 * sizeof(T);
  const std::int64_t quad_rows = kQuadBytes / kQuad / image.quad_cols();
  const std::int64_t band = std::clamp<std::int64_t>((quad_rows - s.kh) / 2 + 1, 1, rows);
  image.rows = band;
  const std::int64_t lanes = detail::tile_kernels<T>().lanes;
  T* const quads =
      scratch<T>(Purpose::packed_a, 4 * (image.quad_rows() * image.quad_cols() + lanes));
  std::fill_n(dw, s.w_size(), T{0});
  for (std::int64_t i = first; i < last; ++i) {
    const T* const image_x = x + i * s.ih * s.iw * s.ic;
    for (std::int64_t top = 0; top < rows; top += band) {
      image.rows = std::min(band, rows - top);
      const Window<T> in = detail::input_window(s, image_x, 2 * top, 2 * (top + image.rows));
      const std::int64_t at = (i * rows + top) * cols * s.oc;
      image.x = in.data;
      image.row_length = in.row_length;
      image.dy = dy + at;
      image.winner = winner + at;
      conv_pool_kernels<T>().add_image(image, quads, dw);
    }
  }
}

/// to[cols][rows] of from[rows][cols].
template <class T>
void transpose(std::int64_t rows, std::int64_t cols, const T* from, T* to) {
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < cols; ++j) to[j * rows + i] = from[i * cols + j];
  }
}

}  // namespace

template <class T>
void conv_max_pool_forward(const ConvShape& s, const T* x, const T* w, T* y, std::uint8_t* winner,
                           const Epilogue<T>& epilogue) {
  constexpr const char* kFunction = "conv_max_pool_forward";
  check_pooled(s, kFunction);
  if (s.n == 0) return;
  check_pointer(x != nullptr, kFunction, "x");
  check_pointer(w != nullptr, kFunction, "w");
  check_pointer(y != nullptr, kFunction, "y");
  if (picks_from_rows<T>(s)) {
    return one_channel_windows(s, x, w, y, winner, epilogue);
  }
  const TileKernels<T>& kernels = detail::tile_kernels<T>();
  const std::int64_t depth = s.kh * s.kw * s.ic, rows = s.oh() / 2, cols = s.ow() / 2;
  T* const packed = scratch<T>(Purpose::packed_b, detail::panels_size(kernels, depth, s.oc));
  detail::pack_panels<T>(kernels, w, 1, s.oc, s.oc, 0, depth, depth, packed,
                         conv_pool_kernels<T>().widest);

  const std::int64_t blocks =
      std::clamp<std::int64_t>(4 * rows * cols / detail::kPiecePixels, 1, rows);
  parallel_for(s.n * blocks, conv_microseconds<T>(s), [&](std::int64_t piece, int) {
    const std::int64_t image = piece / blocks, block = piece % blocks;
    const std::int64_t first = rows * block / blocks, last = rows * (block + 1) / blocks;
    const Window<T> in =
        detail::input_window(s, x + image * s.ih * s.iw * s.ic, 2 * first, 2 * last);
    WindowTile<T> tile;
    tile.segment_count = s.dilation_w == 1 ? s.kh : s.kh * s.kw;
    tile.segment_length = s.dilation_w == 1 ? s.kw * s.ic : s.ic;
    auto* const segments = scratch<std::ptrdiff_t>(Purpose::offsets, tile.segment_count);
    detail::kernel_segments(s, in.row_length, segments);
    tile.segments = segments;
    tile.relu = epilogue.activation == Activation::relu;
    const std::int64_t at = (image * rows + first) * cols * s.oc;
    run_windows(s, in, last - first, tile, packed, epilogue.bias, y + at,
                winner == nullptr ? nullptr : winner + at);
    if (epilogue.activation != Activation::identity && !tile.relu) {
      activation_forward(epilogue.activation, (last - first) * cols * s.oc, y + at, y + at);
    }
  });
}

template <class T>
void conv_max_pool_backward_weights(const ConvShape& s, const T* x, const T* dy,
                                    const std::uint8_t* winner, T* dw, T* db) {
  constexpr const char* kFunction = "conv_max_pool_backward_weights";
  check_pooled(s, kFunction);
  check_pointer(dw != nullptr, kFunction, "dw");
  if (s.n == 0) {
    std::fill_n(dw, s.w_size(), T{0});
    if (db != nullptr) std::fill_n(db, s.oc, T{0});
    return;
  }
  check_pointer(x != nullptr, kFunction, "x");
  check_pointer(dy != nullptr, kFunction, "dy");
  check_pointer(winner != nullptr, kFunction, "winner");
  const bool lookup = looks_winners_up<T>(s);
  const double work = static_cast<double>(s.n * windows(s)) * static_cast<double>(s.w_size());
  const std::int64_t pieces = std::clamp<std::int64_t>(static_cast<std::int64_t>(work / kPieceWork),
                                                       1, std::min(s.n, kMaxPieces));
  const std::int64_t depth = s.kh * s.kw * s.ic, size = s.w_size();
  // Beside the pieces, their sum before it is transposed. The first piece may be all there is.
  T* const partial = scratch<T>(Purpose::window_sums, pieces * (size + s.oc) + size);
  T* const partial_db = partial + pieces * size;
  parallel_for(pieces, conv_microseconds<T>(s), [&](std::int64_t piece, int) {
    const std::int64_t first = s.n * piece / pieces, last = s.n * (piece + 1) / pieces;
    T* const sums = partial + piece * size;
    if (lookup) {
      winners_piece(s, x, dy, winner, first, last, sums);
    } else {
      detail::sparse_backward_weights(s, x, dy, winner, first, last, sums);
    }
    if (db != nullptr) {
      column_sums((last - first) * windows(s), s.oc, dy + first * windows(s) * s.oc,
                  partial_db + piece * s.oc);
    }
  });
  T* const sum = lookup ? dw : partial_db + pieces * s.oc;
  sum_pieces(pieces, size, partial, sum);
  if (!lookup) transpose(s.oc, depth, sum, dw);
  if (db != nullptr) sum_pieces(pieces, s.oc, partial_db, db);
}

template <class T>
void conv_max_pool_backward_data(const ConvShape& s, const T* dy, const std::uint8_t* winner,
                                 const T* w, T* dx) {
  constexpr const char* kFunction = "conv_max_pool_backward_data";
  check_pooled(s, kFunction);
  if (s.n == 0) return;
  check_pointer(dy != nullptr, kFunction, "dy");
  check_pointer(winner != nullptr, kFunction, "winner");
  check_pointer(w != nullptr, kFunction, "w");
  check_pointer(dx != nullptr, kFunction, "dx");
  const std::int64_t depth = s.kh * s.kw * s.ic, pooled = windows(s) * s.oc;
  T* const transposed = scratch<T>(Purpose::result, s.w_size());
  transpose(depth, s.oc, w, transposed);
  parallel_for(s.n, conv_microseconds<T>(s), [&](std::int64_t image, int) {
    detail::sparse_backward_data(s, dy + image * pooled, winner + image * pooled, transposed,
                                 dx + image * s.ih * s.iw * s.ic);
  });
}

template void conv_max_pool_forward<float>(const ConvShape&, const float*, const float*, float*,
                                           std::uint8_t*, const Epilogue<float>&);
template void conv_max_pool_forward<double>(const ConvShape&, const double*, const double*, double*,
                                            std::uint8_t*, const Epilogue<double>&);
template void conv_max_pool_backward_weights<float>(const ConvShape&, const float*, const float*,
                                                    const std::uint8_t*, float*, float*);
template void conv_max_pool_backward_weights<double>(const ConvShape&, const double*, const double*,
                                                     const std::uint8_t*, double*, double*);
template void conv_max_pool_backward_data<float>(const ConvShape&, const float*,
                                                 const std::uint8_t*, const float*, float*);
template void conv_max_pool_backward_data<double>(const ConvShape&, const double*,
                                                  const std::uint8_t*, const double*, double*);

}  // namespace nnkernels
