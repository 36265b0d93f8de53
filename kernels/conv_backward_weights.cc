#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "kernels/conv.h"
#include "kernels/conv_one_channel.h"
#include "kernels/conv_tiles.h"
#include "kernels/depthwise.h"
#include "kernels/gemm.h"
#include "kernels/gemm_block.h"
#include "kernels/parallel.h"
#include "kernels/row_tiles.h"
#include "kernels/scratch.h"
#include "kernels/vector.h"

namespace nnkernels {
namespace {

using detail::Block;
using detail::BlockLoops;
using detail::check_pointer;
using detail::conv_microseconds;
using detail::input_window;
using detail::kMaxTileRows;
using detail::kTwoVectors;
using detail::pack_panels;
using detail::panels_size;
using detail::Purpose;
using detail::RowTiles;
using detail::scratch;
using detail::Tile;
using detail::TileKernels;
using detail::Window;

/// The pixels of x and dy that one pass of conv_backward_weights reads again for every tile.
constexpr std::int64_t kChunkBytes = 1 << 19;
/// A piece of the batch is worth a buffer of its own from this many floating-point operations and
/// pixels on, for its sums are added up in the end.
constexpr double kPieceFlops = 4e6;
constexpr std::int64_t kPiecePixels = 512;
constexpr std::int64_t kMaxGradientPieces = 16;
/// and beyond 4 pieces their buffers hold at most this many elements together.
constexpr std::int64_t kMaxPartialElements = 4 << 20;
/// Rows of dw are shared out too until there are so many pieces, each of so many rows and
/// operations.
constexpr std::int64_t kPieces = 8;
constexpr std::int64_t kPieceRows = 12;
constexpr std::int64_t kTileRows = 14;
constexpr double kRowPieceFlops = 1e6;

/// What rows of dw meet of x is packed where tiles have more rows than this and more panels meet
/// them.
constexpr std::int64_t kFewPointers = 8, kFewPanels = 2;
/// So it is for as many tiles at once as have about so many bytes, which are then read from the L2
/// cache, and in passes over about as many of x and dy.
constexpr std::int64_t kPackedBytes = 1 << 18;
/// It is read from the image itself where that has so many channels: of fewer a copy with the
/// border in it, where taps are neighbours, costs less than to pack tap by tap.
constexpr std::int64_t kManyChannels = 32;

/// How the work is cut: into pieces of the batch, whose sums are added up, and into rows of dw.
struct Cut {
  std::int64_t images, rows;
};

Cut cut(const ConvShape& s) {
  const std::int64_t pixels = s.n * s.oh() * s.ow();
  const double flops = 2.0 * static_cast<double>(pixels) * static_cast<double>(s.w_size());
  const auto most = std::min({s.n, kMaxGradientPieces, pixels / kPiecePixels,
                              std::max<std::int64_t>(4, kMaxPartialElements / s.w_size())});
  Cut result;
  result.images =
      std::clamp<std::int64_t>(static_cast<std::int64_t>(std::min(flops / kPieceFlops, 1e6)), 1,
                               std::max<std::int64_t>(1, most));
  const std::int64_t rows = s.kh * s.kw * (s.ic / s.groups);
  const auto worth =
      static_cast<std::int64_t>(flops / static_cast<double>(result.images) / kRowPieceFlops);
  result.rows =
      std::clamp<std::int64_t>(std::min((kPieces + result.images - 1) / result.images, worth), 1,
                               std::max<std::int64_t>(1, rows / kPieceRows));
  return result;
}

/// Rows of dw of one group that a tile computes.
struct Rows {
  std::int64_t first, last;
};

/// Cuts rows [row, row_end) into tiles of at most max_rows and calls run() for each.
template <class Run>
void for_tiles(std::int64_t row, std::int64_t row_end, std::int64_t max_rows, const Run& run) {
  const std::int64_t count = row_end - row, tiles = (count + max_rows - 1) / max_rows;
  for (std::int64_t t = 0; t < tiles; ++t) {
    run(Rows{row + count * t / tiles, row + count * (t + 1) / tiles});
  }
}

/// Where the rows' places in the window `in` begin: row i's at places[i - rows.first].
template <class T>
void find_places(const ConvShape& s, const Window<T>& in, Rows rows, const T** places) {
  const std::int64_t group_ic = s.ic / s.groups;
  std::int64_t channel = rows.first % group_ic, kw = rows.first / group_ic % s.kw;
  const T* tap = in.data + rows.first / (s.kw * group_ic) * s.dilation_h * in.row_length +
                 kw * s.dilation_w * s.ic;
  for (std::int64_t i = rows.first; i < rows.last; ++i) {
    *places++ = tap + channel;
    if (++channel < group_ic) continue;
    channel = 0;
    tap += s.dilation_w * s.ic;
    if (++kw < s.kw) continue;
    kw = 0;
    tap += s.dilation_h * in.row_length - s.kw * s.dilation_w * s.ic;
  }
}

/// Rows [row, row_end) of dw of one group and a tile's columns: what `tile` says, with the rows'
/// places in the window `in` as A.
template <class T>
void run_rows(const ConvShape& s, const TileKernels<T>& kernels, Tile<T> tile, std::size_t width,
              bool masked, const Window<T>& in, std::int64_t row, std::int64_t row_end, T* dw) {
  const T* a[kMaxTileRows];
  T* c[kMaxTileRows];
  tile.rows = a;
  tile.c = c;
  for_tiles(row, row_end, kernels.max_rows[width], [&](Rows rows) {
    find_places(s, in, rows, a);
    for (std::int64_t i = rows.first; i < rows.last; ++i) c[i - rows.first] = dw + i * s.oc;
    kernels.tile[width][static_cast<std::size_t>(rows.last - rows.first)][masked](tile);
  });
}

/// Some output rows' part of an image and its border, or of a copy that has the border in it.
template <class T>
struct Image {
  const T* data;
  std::int64_t rows, cols;  // that there are
  std::int64_t top, left;   // where the first output row's and each row's first window begins
};

/// Packs what rows `rows` of dw meet of the image in output row r: one column after the other for
/// each pixel, with zeros where the image has none.
template <class T>
void pack_row(const ConvShape& s, const TileKernels<T>& kernels, const Image<T>& image,
              std::int64_t r, Rows rows, T* packed) {
  const std::int64_t group_ic = s.ic / s.groups, ow = s.ow(), count = rows.last - rows.first;
  const auto clear = [count](T* to, std::int64_t pixels, std::int64_t run) {
    for (; pixels > 0; --pixels, to += count) std::fill_n(to, run, T{0});
  };
  // Without a border a whole row of the kernel may be neighbours in memory, else one tap is.
  const std::int64_t reach = (ow - 1) * s.stride_w + (s.kw - 1) * s.dilation_w;
  const bool inside = image.left >= 0 && image.left + reach < image.cols;
  const bool joined = inside && s.groups == 1 && s.dilation_w == 1;
  const std::int64_t neighbours = joined ? s.kw * group_ic : group_ic;
  for (std::int64_t i = rows.first, run = 0; i < rows.last; i += run) {
    run = std::min(rows.last - i, neighbours - i % neighbours);
    const std::int64_t tap = i / group_ic;
    const std::int64_t row = image.top + r * s.stride_h + tap / s.kw * s.dilation_h;
    const std::int64_t left = image.left + tap % s.kw * s.dilation_w;
    T* const to = packed + (i - rows.first);
    // Pixels [begin, end) meet columns of the image.
    std::int64_t begin = 0, end = 0;
    if (row >= 0 && row < image.rows && left < image.cols) {
      begin = left < 0 ? std::min(ow, (-left - 1) / s.stride_w + 1) : 0;
      end = std::clamp((image.cols - 1 - left) / s.stride_w + 1, begin, ow);
    }
    clear(to, begin, run);
    if (begin < end) {
      const std::int64_t step = end - begin == 1 ? 0 : s.stride_w * s.ic;
      const std::int64_t first = row * image.cols + begin * s.stride_w + left;
      kernels.pack_part(image.data + first * s.ic + i % group_ic, step, run, count, end - begin,
                        to + begin * count);
    }
    clear(to + end * count, ow - end, run);
  }
}

/// Rows [row, row_end) of dw of one group: what `out_rows` output rows add to them, with what they
/// meet of the image packed first. Worth it where many columns meet it: so many pointers as a tile
/// of AVX-512 has rows do not fit into registers, and pixels of many channels share a few sets of
/// the L1 cache.
template <class T>
void run_packed_rows(const ConvShape& s, const TileKernels<T>& kernels, const Image<T>& image,
                     const T* dy, std::int64_t out_rows, T beta, std::int64_t row,
                     std::int64_t row_end, T* dw) {
  const std::int64_t ow = s.ow(), depth = out_rows * ow, max_rows = kernels.max_rows[kTwoVectors];
  constexpr auto kSize = static_cast<std::int64_t>(sizeof(T));
  const std::int64_t most = std::max<std::int64_t>(1, kPackedBytes / (depth * kSize * max_rows));
  const RowTiles groups(row_end - row, most * max_rows);
  T* const packed = scratch<T>(Purpose::packed_a, groups.size(0) * depth);
  for (std::int64_t g = 0; g < groups.count(); ++g) {
    const std::int64_t first = row + groups.begin(g);
    const RowTiles tiles(groups.size(g), max_rows);
    // All tiles for one row of the output after the other: they read the same lines of x.
    for (std::int64_t r = 0; r < out_rows; ++r) {
      for (std::int64_t t = 0; t < tiles.count(); ++t) {
        const std::int64_t begin = tiles.begin(t), count = tiles.size(t);
        pack_row(s, kernels, image, r, {first + begin, first + begin + count},
                 packed + begin * depth + r * ow * count);
      }
    }
    const Block<T> block{.rows = groups.size(g),
                         .cols = s.oc / s.groups,
                         .k = depth,
                         .a = nullptr,
                         .a_row_stride = 1,
                         .a_step = 0,
                         .packed_a = packed,
                         .tile_rows = max_rows,
                         .b = dy,
                         .b_row_stride = s.oc,
                         .widest = kTwoVectors,
                         .c = dw + first * s.oc,
                         .c_row_stride = s.oc,
                         .alpha = T{1},
                         .beta = beta,
                         .bias = nullptr,
                         .pack_a = false,
                         .b_is_packed = false,
                         .relu = false,
                         .rows_outside = false};
    BlockLoops<T>(kernels, block).run();
  }
}

/// db[o] = beta db[o] + the sum of dy over `pixels` pixels; beta is 0 or 1.
template <class T>
void add_bias_gradient(std::int64_t pixels, std::int64_t oc, const T* dy, T beta, T* db) {
  if (beta == T{0}) return column_sums(pixels, oc, dy, db);
  T* const sums = scratch<T>(Purpose::result, oc);
  column_sums(pixels, oc, dy, sums);
  axpy(oc, T{1}, sums, db);
}

/// Rows [row, row_end) of dw, of each group, summed over images [first, last): for each chunk of
/// output rows, every tile runs over the chunk's pixels and adds to what the chunks before left in
/// dw. So does db, unless that is null, while the chunk's dy is in the L2 cache.
template <class T>
void backward_weights_piece(const ConvShape& s, const T* x, const T* dy, std::int64_t first,
                            std::int64_t last, std::int64_t row, std::int64_t row_end, T* dw,
                            T* db) {
  const TileKernels<T>& kernels = detail::tile_kernels<T>();
  const std::int64_t oh = s.oh(), ow = s.ow();
  const std::int64_t group_ic = s.ic / s.groups, group_oc = s.oc / s.groups;
  const std::int64_t row_bytes =
      (ow * s.oc + s.stride_h * s.iw * s.ic) * static_cast<std::int64_t>(sizeof(T));
  const bool packs_rows = kernels.max_rows[kTwoVectors] > kFewPointers &&
                          group_oc > kFewPanels * kernels.columns[kTwoVectors];
  const std::int64_t chunk_bytes = packs_rows ? kPackedBytes : kChunkBytes;
  const std::int64_t chunks = std::clamp<std::int64_t>(oh * row_bytes / chunk_bytes, 1, oh);
  const bool pack = group_oc % kernels.lanes != 0 && !kernels.masked;
  auto* const segments = scratch<std::ptrdiff_t>(Purpose::offsets, oh);

  for (std::int64_t image = first; image < last; ++image) {
    for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
      const std::int64_t o = oh * chunk / chunks, o_end = oh * (chunk + 1) / chunks;
      const T beta = image == first && chunk == 0 ? T{0} : T{1};
      const T* const dy_chunk = dy + (image * oh + o) * ow * s.oc;
      const T* const x_image = x + image * s.ih * s.iw * s.ic;
      if (db != nullptr) add_bias_gradient((o_end - o) * ow, s.oc, dy_chunk, beta, db);
      const auto run_groups = [&](const Image<T>& in) {
        for (std::int64_t g = 0; g < s.groups; ++g) {
          const Image<T> of_group{in.data + g * group_ic, in.rows, in.cols, in.top, in.left};
          run_packed_rows(s, kernels, of_group, dy_chunk + g * group_oc, o_end - o, beta, row,
                          row_end, dw + g * group_oc);
        }
      };
      if (packs_rows && group_ic >= kManyChannels) {
        const Image<T> whole{x_image, s.ih, s.iw, o * s.stride_h - s.pad_h, -s.pad_w};
        run_groups(whole);
        continue;
      }
      const Window<T> window = input_window(s, x_image, o, o_end);
      if (packs_rows) {
        run_groups({window.data, std::numeric_limits<std::int64_t>::max(), window.row_length / s.ic,
                    0, 0});
        continue;
      }
      for (std::int64_t r = 0; r < o_end - o; ++r) segments[r] = r * s.stride_h * window.row_length;
      const std::int64_t depth = (o_end - o) * ow;
      Tile<T> tile;
      tile.step = s.stride_w * s.ic;
      tile.segments = segments;
      tile.segment_count = o_end - o;
      tile.segment_length = ow;
      tile.beta = beta;
      for (std::int64_t g = 0; g < s.groups; ++g) {
        const Window<T> in{window.data + g * group_ic, window.row_length};
        const T* const dy_group = dy_chunk + g * group_oc;
        T* packed = nullptr;
        if (pack) {
          packed = scratch<T>(Purpose::packed_b, panels_size(kernels, depth, group_oc));
          pack_panels<T>(kernels, dy_group, 1, s.oc, group_oc, 0, depth, depth, packed);
        }
        for (std::int64_t j = 0; j < group_oc;) {
          const std::size_t width = kernels.width_for(group_oc - j, kTwoVectors);
          const std::int64_t panel = kernels.columns[width];
          tile.cols = std::min(group_oc - j, panel);
          tile.b = pack ? packed + j * depth : dy_group + j;
          tile.b_step = pack ? panel : s.oc;
          const bool masked = !pack && tile.cols < panel;
          run_rows(s, kernels, tile, width, masked, in, row, row_end, dw + g * group_oc + j);
          j += panel;
        }
      }
    }
  }
}

}  // namespace

template <class T>
void conv_backward_weights(const ConvShape& shape, const T* x, const T* dy, T* dw, T* db) {
  check(shape, "conv_backward_weights");
  const ConvShape s = detail::with_near_strides(shape);
  check_pointer(dw != nullptr, "conv_backward_weights", "dw");
  if (s.n == 0) {
    std::fill_n(dw, s.w_size(), T{0});
    if (db != nullptr) std::fill_n(db, s.oc, T{0});
    return;
  }
  check_pointer(x != nullptr, "conv_backward_weights", "x");
  check_pointer(dy != nullptr, "conv_backward_weights", "dy");
  const std::int64_t pixels = s.oh() * s.ow();
  if (detail::is_depthwise(s)) return detail::depthwise_backward_weights(s, x, dy, dw, db);
  if (detail::is_matrix_product(s)) {
    const std::int64_t rows = s.y_size() / s.oc, depth = s.w_size() / s.oc;
    gemm<T>(T{1}, MatrixView<const T>(x, rows, depth).transposed(), {dy, rows, s.oc}, T{0},
            {dw, depth, s.oc});
    if (db != nullptr) column_sums(s.n * pixels, s.oc, dy, db);
    return;
  }
  if (detail::has_one_channel<T>(s)) return detail::one_channel_backward_weights(s, x, dy, dw, db);
  const Cut cuts = cut(s);
  T* const partial_dw =
      cuts.images == 1 ? dw : scratch<T>(Purpose::partial_sums, cuts.images * (s.w_size() + s.oc));
  T* const partial_db = cuts.images == 1 ? db : partial_dw + cuts.images * s.w_size();
  // Between whole tiles, where possible.
  const std::int64_t all_rows = s.w_size() / s.oc;
  const std::int64_t tiles = std::max(cuts.rows, (all_rows + kTileRows - 1) / kTileRows);
  const auto first_row = [&](std::int64_t part) {
    return all_rows * (tiles * part / cuts.rows) / tiles;
  };
  parallel_for(cuts.images * cuts.rows, conv_microseconds<T>(s), [&](std::int64_t index, int) {
    const std::int64_t piece = index / cuts.rows, part = index % cuts.rows;
    const std::int64_t first = s.n * piece / cuts.images;
    const std::int64_t last = s.n * (piece + 1) / cuts.images;
    backward_weights_piece(s, x, dy, first, last, first_row(part), first_row(part + 1),
                           partial_dw + piece * s.w_size(),
                           db != nullptr && part == 0 ? partial_db + piece * s.oc : nullptr);
  });
  if (cuts.images == 1) return;
  sum_pieces(cuts.images, s.w_size(), partial_dw, dw);
  if (db != nullptr) sum_pieces(cuts.images, s.oc, partial_db, db);
}

template void conv_backward_weights<float>(const ConvShape&, const float*, const float*, float*,
                                           float*);
template void conv_backward_weights<double>(const ConvShape&, const double*, const double*, double*,
                                            double*);

}  // namespace nnkernels
