#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/conv.h"
#include "kernels/conv_tiles.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"
#include "kernels/vector.h"

namespace nnkernels {
namespace {

using detail::check_pointer;
using detail::conv_microseconds;
using detail::input_window;
using detail::kMaxTileRows;
using detail::kTwoVectors;
using detail::pack_panels;
using detail::packed_size;
using detail::Purpose;
using detail::scratch;
using detail::Tile;
using detail::TileKernels;
using detail::Window;

/// The pixels of x and dy that one pass of conv_backward_weights reads again for every tile.
constexpr std::int64_t kChunkBytes = 1 << 18;
/// A gradient piece is worth a buffer of its own from this many floating-point operations on.
constexpr double kPieceFlops = 16e6;
constexpr std::int64_t kMaxGradientPieces = 16;
/// and beyond 4 pieces their buffers hold at most this many elements together.
constexpr std::int64_t kMaxPartialElements = 4 << 20;

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
          kernels.tile[width][static_cast<std::size_t>(row_end - row)][partial](tile);
        }
        j += panel;
      }
    }
  }
}

}  // namespace

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
  parallel_for(pieces, conv_microseconds(s, sizeof(T)), [&](std::int64_t piece, int) {
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

template void conv_backward_weights<float>(const ConvShape&, const float*, const float*, float*,
                                           float*);
template void conv_backward_weights<double>(const ConvShape&, const double*, const double*, double*,
                                            double*);

}  // namespace nnkernels
