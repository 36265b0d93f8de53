#include "kernels/conv_pool.h"

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <string>

#include "kernels/conv_pool_simd.h"
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
using detail::kTwoVectors;
using detail::Purpose;
using detail::scratch;
using detail::TileKernels;
using detail::Window;
using detail::WindowTile;

/// Dense gradients of so many bytes at a time are spread out for the passes that need them.
constexpr std::int64_t kDenseBytes = 1 << 18;
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

/// The tiles of windows [first, last) of one image, numbered row by row, for all channels.
template <class T>
void run_windows(const ConvShape& s, const Window<T>& in, std::int64_t top, std::int64_t first,
                 std::int64_t last, WindowTile<T> tile, const T* packed, const T* bias, T* y,
                 std::uint8_t* winner) {
  const TileKernels<T>& kernels = detail::tile_kernels<T>();
  const ConvPoolKernels<T>& window_kernels = conv_pool_kernels<T>();
  const std::int64_t cols = s.ow() / 2, depth = s.kh * s.kw * s.ic;
  const std::int64_t row_step = s.stride_h * in.row_length, col_step = s.stride_w * s.ic;
  tile.step = s.oc;
  for (std::int64_t j = 0; j < s.oc;) {
    const std::size_t width = kernels.width_for(s.oc - j, kTwoVectors);
    const std::int64_t panel = kernels.columns[width];
    const auto& tiles = window_kernels.tile[width];
    std::int64_t most = detail::kMaxWindows;
    while (tiles[static_cast<std::size_t>(most)] == nullptr) --most;
    tile.b = packed + j * depth;
    tile.cols = std::min(s.oc - j, panel);
    tile.bias = bias == nullptr ? nullptr : bias + j;
    std::int64_t row = first / cols - top, col = first % cols;
    for (std::int64_t p = first; p < last;) {
      const std::int64_t count = std::min(most, last - p);
      const T* rows[4 * detail::kMaxWindows];
      for (std::int64_t i = 0; i < count; ++i) {
        const T* const corner = in.data + 2 * (row * row_step + col * col_step);
        rows[4 * i] = corner;
        rows[4 * i + 1] = corner + col_step;
        rows[4 * i + 2] = corner + row_step;
        rows[4 * i + 3] = corner + row_step + col_step;
        if (++col == cols) {
          col = 0;
          ++row;
        }
      }
      tile.rows = rows;
      tile.y = y + p * s.oc + j;
      tile.winner = winner == nullptr ? nullptr : winner + p * s.oc + j;
      tiles[static_cast<std::size_t>(count)](tile);
      p += count;
    }
    j += panel;
  }
}

/// How many images' dense gradients are spread out at a time.
template <class T>
std::int64_t images_at_once(const ConvShape& s) {
  const std::int64_t image = s.oh() * s.ow() * s.oc * static_cast<std::int64_t>(sizeof(T));
  return std::clamp<std::int64_t>(kDenseBytes / image, 1, std::max<std::int64_t>(1, s.n));
}

/// The dense gradients of images [first, first + count).
template <class T>
const T* spread(const ConvShape& s, const T* dy, const std::uint8_t* winner, std::int64_t first,
                std::int64_t count) {
  const auto kernel = conv_pool_kernels<T>().spread;
  const std::int64_t oh = s.oh(), row = s.ow() * s.oc, cols = s.ow() / 2, pooled = cols * s.oc;
  T* const dense = scratch<T>(Purpose::dense_gradient, count * oh * row);
  // What an odd size leaves over is in no window.
  if (oh % 2 != 0 || s.ow() % 2 != 0) std::fill_n(dense, count * oh * row, T{0});
  for (std::int64_t image = 0; image < count; ++image) {
    for (std::int64_t i = 0; i < oh / 2; ++i) {
      const std::int64_t at = ((first + image) * (oh / 2) + i) * pooled;
      kernel(cols, s.oc, dy + at, winner + at, row, dense + (image * oh + 2 * i) * row);
    }
  }
  return dense;
}

/// dw of images [first, last) where the lookups apply: stride and dilation 1, few channels.
template <class T>
void winners_piece(const ConvShape& s, const T* x, const T* dy, const std::uint8_t* winner,
                   std::int64_t first, std::int64_t last, T* dw) {
  const ConvPoolKernels<T>& kernels = conv_pool_kernels<T>();
  const std::int64_t count = windows(s);
  const std::int64_t lanes = detail::tile_kernels<T>().lanes;
  T* const panel = scratch<T>(Purpose::packed_a, count * lanes);
  T* const places = scratch<T>(Purpose::packed_b, count * lanes);
  std::fill_n(dw, s.w_size(), T{0});
  for (std::int64_t image = first; image < last; ++image) {
    const Window<T> in =
        detail::input_window(s, x + image * s.ih * s.iw * s.ic, std::int64_t{0}, s.oh());
    kernels.add_image({.x = in.data,
                       .row_length = in.row_length,
                       .dy = dy + image * count * s.oc,
                       .winner = winner + image * count * s.oc,
                       .rows = s.oh() / 2,
                       .cols = s.ow() / 2,
                       .oc = s.oc,
                       .kh = s.kh,
                       .pixel = s.ic,
                       .taps = s.kw * s.ic},
                      panel, places, dw);
  }
}

/// dw of images [first, last) from dense gradients.
template <class T>
void dense_piece(ConvShape s, const T* x, const T* dy, const std::uint8_t* winner,
                 std::int64_t first, std::int64_t last, T* dw) {
  const std::int64_t step = images_at_once<T>(s);
  T* const some = scratch<T>(Purpose::result, s.w_size());
  for (std::int64_t image = first; image < last; image += step) {
    s.n = std::min(step, last - image);
    const T* const dense = spread(s, dy, winner, image, s.n);
    const T* const images = x + image * s.ih * s.iw * s.ic;
    if (image == first) {
      conv_backward_weights<T>(s, images, dense, dw, nullptr);
    } else {
      conv_backward_weights<T>(s, images, dense, some, nullptr);
      axpy(s.w_size(), T{1}, some, dw);
    }
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
  const TileKernels<T>& kernels = detail::tile_kernels<T>();
  const std::int64_t depth = s.kh * s.kw * s.ic, rows = s.oh() / 2, cols = s.ow() / 2;
  T* const packed = scratch<T>(Purpose::packed_b, detail::packed_size(kernels, depth, s.oc));
  detail::pack_panels<T>(kernels, w, 1, s.oc, s.oc, 0, depth, depth, packed);

  const std::int64_t blocks =
      std::clamp<std::int64_t>(4 * rows * cols / detail::kPiecePixels, 1, rows);
  parallel_for(s.n * blocks, conv_microseconds(s, sizeof(T)), [&](std::int64_t piece, int) {
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
    const std::int64_t at = image * rows * cols * s.oc;
    run_windows(s, in, first, first * cols, last * cols, tile, packed, epilogue.bias, y + at,
                winner == nullptr ? nullptr : winner + at);
    if (epilogue.activation != Activation::identity && !tile.relu) {
      T* const out = y + at + first * cols * s.oc;
      activation_forward(epilogue.activation, (last - first) * cols * s.oc, out, out);
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
  const bool lookup = s.stride_h == 1 && s.stride_w == 1 && s.dilation_h == 1 &&
                      s.dilation_w == 1 && s.ic + s.kw * s.ic <= conv_pool_kernels<T>().max_span;
  const double work = static_cast<double>(s.n * windows(s)) * static_cast<double>(s.w_size());
  const std::int64_t pieces = std::clamp<std::int64_t>(static_cast<std::int64_t>(work / kPieceWork),
                                                       1, std::min(s.n, kMaxPieces));
  T* const partial =
      pieces == 1 ? dw : scratch<T>(Purpose::window_sums, pieces * (s.w_size() + s.oc));
  T* const partial_db = pieces == 1 ? db : partial + pieces * s.w_size();
  parallel_for(pieces, conv_microseconds(s, sizeof(T)), [&](std::int64_t piece, int) {
    const std::int64_t first = s.n * piece / pieces, last = s.n * (piece + 1) / pieces;
    T* const sums = partial + piece * s.w_size();
    if (lookup) {
      winners_piece(s, x, dy, winner, first, last, sums);
    } else {
      dense_piece(s, x, dy, winner, first, last, sums);
    }
    if (db != nullptr) {
      column_sums((last - first) * windows(s), s.oc, dy + first * windows(s) * s.oc,
                  partial_db + piece * s.oc);
    }
  });
  if (pieces == 1) return;
  sum_pieces(pieces, s.w_size(), partial, dw);
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
  const std::int64_t step = images_at_once<T>(s);
  parallel_for((s.n + step - 1) / step, conv_microseconds(s, sizeof(T)),
               [&](std::int64_t piece, int) {
                 const std::int64_t first = piece * step;
                 ConvShape some = s;
                 some.n = std::min(step, s.n - first);
                 const T* const dense = spread(s, dy, winner, first, some.n);
                 conv_backward_data<T>(some, dense, w, dx + first * s.ih * s.iw * s.ic);
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
