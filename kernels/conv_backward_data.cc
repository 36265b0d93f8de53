#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "kernels/blocks.h"
#include "kernels/conv.h"
#include "kernels/conv_phase.h"
#include "kernels/conv_scatter.h"
#include "kernels/conv_tiles.h"
#include "kernels/cost.h"
#include "kernels/depthwise.h"
#include "kernels/gemm.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"

namespace nnkernels {
namespace {

using detail::check_pointer;
using detail::conv_microseconds;
using detail::floor_div;
using detail::kPiecePixels;
using detail::kTwoVectors;
using detail::pack_panels;
using detail::panels_size;
using detail::Phase;
using detail::Pixels;
using detail::Purpose;
using detail::run_pixels;
using detail::Scatter;
using detail::scatter_add;
using detail::scratch;
using detail::Tile;
using detail::TileKernels;
using detail::window;
using detail::Window;

/// Scattered products of so many bytes stay in the L2 cache until they are added up.
constexpr std::int64_t kProductBytes = 1 << 17;
constexpr std::int64_t kScatterPieces = 4;

/// dx of one phase in both directions, for all images.
template <class T>
void backward_data_phase(const ConvShape& s, const Phase& h, const Phase& w, const T* dy,
                         const T* weights, T* dx) {
  const TileKernels<T>& kernels = detail::tile_kernels<T>();
  const std::int64_t oh = s.oh(), ow = s.ow();
  const std::int64_t group_ic = s.ic / s.groups, group_oc = s.oc / s.groups;
  const std::int64_t depth = h.taps * w.taps * group_oc;

  // B of each group: for each tap, from the last to the first, the oc x ic transpose of its
  // weights. In this order the taps of one row of the kernel meet neighbouring pixels of dy, from
  // left to right.
  const std::int64_t group_packed = panels_size(kernels, depth, group_ic);
  T* const packed = scratch<T>(Purpose::packed_b, s.groups * group_packed);
  for (std::int64_t g = 0; g < s.groups; ++g) {
    std::int64_t first = 0;
    for (std::int64_t kh = h.last_tap; kh >= h.first_tap; --kh) {
      if (!h.has(kh)) continue;
      for (std::int64_t kw = w.last_tap; kw >= w.first_tap; --kw) {
        if (!w.has(kw)) continue;
        pack_panels<T>(kernels, weights + (kh * s.kw + kw) * group_ic * s.oc + g * group_oc, s.oc,
                       1, group_ic, first, group_oc, depth, packed + g * group_packed);
        first += group_oc;
      }
    }
  }
  const bool joined = s.stride_w == 1 && s.dilation_w == 1 && s.groups == 1;
  const std::int64_t segment_count = joined ? h.taps : h.taps * w.taps;
  const std::int64_t segment_length = joined ? w.taps * s.oc : group_oc;

  const std::int64_t blocks =
      std::clamp<std::int64_t>(h.count * w.count / kPiecePixels, 1, h.count);
  const double share = static_cast<double>(h.taps * w.taps) / static_cast<double>(s.kh * s.kw);
  parallel_for(s.n * blocks, conv_microseconds<T>(s) * share, [&](std::int64_t piece, int) {
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
    for (std::int64_t g = 0; g < s.groups; ++g) {
      run_pixels(kernels, tile,
                 Pixels<T>{t_end - t,
                           w.count,
                           in.data + g * group_oc,
                           in.row_length,
                           s.oc,
                           out + g * group_ic,
                           s.stride_h * s.iw * s.ic,
                           s.stride_w * s.ic,
                           {h.taps, top, 1, h.tap_step(), oh}},
                 packed + g * group_packed, depth, group_ic, static_cast<const T*>(nullptr));
    }
  });
}

/// Multiply-adds of a matrix product with `cols` columns count as so many, because of the lanes
/// that its last tile leaves idle; where half a vector takes as long as a whole one, as that.
template <class T>
std::int64_t columns_of_tiles(const TileKernels<T>& kernels, std::int64_t cols) {
  std::int64_t columns = 0;
  while (columns < cols) {
    columns +=
        std::max(kernels.granule, kernels.columns[kernels.width_for(cols - columns, kTwoVectors)]);
  }
  return columns;
}

/// How many pairs there are of a row of dy and a row of the kernel that takes it into the image.
std::int64_t rows_of_taps(const ConvShape& s) {
  std::int64_t pairs = 0;
  for (std::int64_t o = 0; o < s.oh(); ++o) {
    const detail::TapRows taps{s.kh, o * s.stride_h - s.pad_h, 0, s.dilation_h, s.ih};
    const auto [begin, end] = taps.inside(0);
    pairs += end - begin;
  }
  return pairs;
}

/// Whether it takes less time to compute what each pixel of dy adds to dx, and to add that up, than
/// to gather dx by phases. Gathering leaves lanes idle if there are few input channels, and
/// multiplies the zeros around dy.
template <class T>
bool scatters(const ConvShape& s) {
  if (s.groups > 1) return false;
  const TileKernels<T>& kernels = detail::tile_kernels<T>();
  const std::int64_t taps = s.kh * s.kw;
  // Of the zeros, those in rows above and below dy are left out.
  const std::int64_t gathered =
      rows_of_taps(s) * s.iw * s.kw / s.stride_w * s.oc * columns_of_tiles(kernels, s.ic);
  // A vector that is added to dx takes as long as so many vectors of multiply-adds.
  constexpr std::int64_t kAddition = 5;
  const std::int64_t length = (s.dilation_w == 1 ? s.kw : 1) * s.ic;
  const std::int64_t vectors =
      taps * s.ic / length * ((length + kernels.lanes - 1) / kernels.lanes);
  const std::int64_t scattered =
      s.oh() * s.ow() *
      (s.oc * columns_of_tiles(kernels, taps * s.ic) + kAddition * vectors * kernels.lanes);
  return scattered < gathered;
}

/// dx from the products of each pixel of dy with all the weights, [kh][kw][ic] each, which are
/// added where they belong.
template <class T>
void scatter_backward_data(const ConvShape& s, const T* dy, const T* weights, T* dx) {
  const TileKernels<T>& kernels = detail::tile_kernels<T>();
  const std::int64_t oh = s.oh(), ow = s.ow(), taps = s.kh * s.kw * s.ic;
  T* const packed = scratch<T>(Purpose::packed_b, panels_size(kernels, s.oc, taps));
  pack_panels<T>(kernels, weights, s.oc, 1, taps, 0, s.oc, s.oc, packed);

  // Rows of dx are split between pieces only if there are few images, for at the border both pieces
  // need the products of the same pixels.
  const std::int64_t blocks = std::clamp<std::int64_t>((kScatterPieces + s.n - 1) / s.n, 1, s.ih);
  const std::int64_t chunk = std::clamp<std::int64_t>(
      kProductBytes / (ow * taps * static_cast<std::int64_t>(sizeof(T))), 1, oh);
  const std::int64_t width = s.iw + 2 * s.pad_w;
  const std::int64_t row_segments = s.dilation_w == 1 ? 1 : s.kw;
  parallel_for(s.n * blocks, conv_microseconds<T>(s), [&](std::int64_t piece, int) {
    const std::int64_t image = piece / blocks, block = piece % blocks;
    const std::int64_t top = s.ih * block / blocks, rows = s.ih * (block + 1) / blocks - top;
    T* const out = dx + (image * s.ih + top) * s.iw * s.ic;
    T* const sums = s.pad_w == 0 ? out : scratch<T>(Purpose::image, rows * width * s.ic);
    std::fill_n(sums, rows * width * s.ic, T{0});

    // The rows of dy that any tap takes to these rows of dx.
    const std::int64_t reach = (s.kh - 1) * s.dilation_h;
    const std::int64_t o_first =
        std::max<std::int64_t>(0, -floor_div(reach - top - s.pad_h, s.stride_h));
    const std::int64_t o_last = std::min(oh, floor_div(top + rows - 1 + s.pad_h, s.stride_h) + 1);
    auto* const places = scratch<std::ptrdiff_t>(Purpose::offsets, s.kh * row_segments);
    for (std::int64_t o = o_first; o < o_last; o += chunk) {
      const std::int64_t pixels = (std::min(o + chunk, o_last) - o) * ow;
      T* const products = scratch<T>(Purpose::result, pixels * taps);
      Tile<T> tile;
      constexpr std::ptrdiff_t kStart = 0;
      tile.segments = &kStart;
      tile.segment_length = s.oc;
      run_pixels(kernels, tile,
                 Pixels<T>{1,
                           pixels,
                           dy + (image * oh + o) * ow * s.oc,
                           0,
                           s.oc,
                           products,
                           0,
                           taps,
                           {.count = 1, .first = 0, .row_step = 0, .tap_step = 0, .image_rows = 1}},
                 packed, s.oc, taps, static_cast<const T*>(nullptr));
      for (std::int64_t row = o; row < std::min(o + chunk, o_last); ++row) {
        const std::int64_t first_row = row * s.stride_h - s.pad_h - top;
        Scatter<T> scatter;
        scatter.from = products + (row - o) * ow * taps;
        scatter.from_step = taps;
        scatter.pixels = ow;
        scatter.length = s.kw * s.ic / row_segments;
        scatter.places = places;
        scatter.to = sums;
        scatter.to_step = s.stride_w * s.ic;
        bool found = false;
        for (std::int64_t kh = 0; kh < s.kh; ++kh) {
          const std::int64_t i = first_row + kh * s.dilation_h;
          if (i < 0 || i >= rows) continue;
          if (!std::exchange(found, true)) scatter.from += kh * s.kw * s.ic;
          for (std::int64_t k = 0; k < row_segments; ++k) {
            places[scatter.segments++] = (i * width + k * s.dilation_w) * s.ic;
          }
        }
        scatter_add(scatter);
      }
    }
    if (sums == out) return;
    for (std::int64_t i = 0; i < rows; ++i) {
      std::copy_n(sums + (i * width + s.pad_w) * s.ic, s.iw * s.ic, out + i * s.iw * s.ic);
    }
  });
}

}  // namespace

template <class T>
void conv_backward_data(const ConvShape& shape, const T* dy, const T* w, T* dx) {
  check(shape, "conv_backward_data");
  const ConvShape s = detail::with_near_strides(shape);
  if (s.n == 0) return;
  check_pointer(dy != nullptr, "conv_backward_data", "dy");
  check_pointer(w != nullptr, "conv_backward_data", "w");
  check_pointer(dx != nullptr, "conv_backward_data", "dx");
  if (detail::is_depthwise(s) || detail::is_nearly_depthwise<T>(s)) {
    return detail::depthwise_backward_data(s, dy, w, dx);
  }
  if (detail::is_matrix_product(s)) {
    const std::int64_t rows = s.y_size() / s.oc, depth = s.w_size() / s.oc;
    return gemm<T>(T{1}, {dy, rows, s.oc}, MatrixView<const T>(w, depth, s.oc).transposed(), T{0},
                   {dx, rows, depth});
  }
  if (scatters<T>(s)) return scatter_backward_data(s, dy, w, dx);
  // With a stride that leaves pixels without any tap, those are zero and no phase writes them.
  if (s.stride_h > s.kh || s.stride_w > s.kw || s.dilation_h > 1 || s.dilation_w > 1) {
    detail::parallel_blocks(
        s.x_size(), detail::kBlockElements,
        transfer_microseconds<T>(static_cast<double>(s.x_size())),
        [&](std::int64_t first, std::int64_t count) { std::fill_n(dx + first, count, T{0}); });
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

template void conv_backward_data<float>(const ConvShape&, const float*, const float*, float*);
template void conv_backward_data<double>(const ConvShape&, const double*, const double*, double*);

}  // namespace nnkernels
