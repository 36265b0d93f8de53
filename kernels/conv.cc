#include "kernels/conv.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>

#include "kernels/check.h"
#include "kernels/conv_one_channel.h"
#include "kernels/conv_tiles.h"
#include "kernels/depthwise.h"
#include "kernels/gemm.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"

namespace nnkernels {

using detail::check_pointer;
using detail::conv_microseconds;
using detail::input_window;
using detail::kernel_segments;
using detail::kPiecePixels;
using detail::pack_panels;
using detail::panels_size;
using detail::Pixels;
using detail::Purpose;
using detail::run_pixels;
using detail::scratch;
using detail::Tile;
using detail::TileKernels;
using detail::Window;

void check(const ConvShape& s, const char* function) {
  const auto fail = [&](const std::string& what) {
    throw std::invalid_argument(
        std::string(function) + ": " + what + " (n " + std::to_string(s.n) + ", image " +
        std::to_string(s.ih) + "x" + std::to_string(s.iw) + "x" + std::to_string(s.ic) +
        ", kernel " + std::to_string(s.kh) + "x" + std::to_string(s.kw) + ", stride " +
        std::to_string(s.stride_h) + "x" + std::to_string(s.stride_w) + ", pad " +
        std::to_string(s.pad_h) + "x" + std::to_string(s.pad_w) + ", dilation " +
        std::to_string(s.dilation_h) + "x" + std::to_string(s.dilation_w) + ", oc " +
        std::to_string(s.oc) + ", groups " + std::to_string(s.groups) + ")");
  };
  if (s.n < 0) fail("n must not be negative");
  if (std::min({s.ih, s.iw, s.ic, s.oc, s.kh, s.kw}) < 1) fail("sizes must be at least 1");
  if (std::min({s.stride_h, s.stride_w, s.dilation_h, s.dilation_w}) < 1) {
    fail("strides and dilations must be at least 1");
  }
  if (s.groups < 1 || s.ic % s.groups != 0 || s.oc % s.groups != 0) {
    fail("groups must divide the channels");
  }
  if (std::min(s.pad_h, s.pad_w) < 0) fail("pads must not be negative");
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  if (s.pad_h > (kMost - s.ih) / 2 || s.pad_w > (kMost - s.iw) / 2) {
    fail("the padded image is too large");
  }
  const std::int64_t height = s.ih + 2 * s.pad_h, width = s.iw + 2 * s.pad_w;
  // Divided, since the product may be too large.
  if (s.kh - 1 > (height - 1) / s.dilation_h || s.kw - 1 > (width - 1) / s.dilation_w) {
    fail("the dilated kernel must fit into the padded image");
  }
  const std::int64_t n = std::max<std::int64_t>(s.n, 1);
  (void)detail::element_count(function, {n, height, width, s.ic});
  (void)detail::element_count(function, {s.kh, s.kw, s.ic / s.groups, s.oc});
  (void)detail::element_count(function, {n, s.oh(), s.ow(), s.oc});
}

template <class T>
void conv_forward(const ConvShape& shape, const T* x, const T* w, T* y,
                  const Epilogue<T>& epilogue) {
  check(shape, "conv_forward");
  const ConvShape s = detail::with_near_strides(shape);
  if (s.n == 0) return;
  check_pointer(x != nullptr, "conv_forward", "x");
  check_pointer(w != nullptr, "conv_forward", "w");
  check_pointer(y != nullptr, "conv_forward", "y");
  if (detail::is_depthwise(s) || detail::is_nearly_depthwise<T>(s)) {
    return detail::depthwise_forward(s, x, w, y, epilogue);
  }
  if (detail::is_matrix_product(s)) {
    const std::int64_t rows = s.y_size() / s.oc, depth = s.w_size() / s.oc;
    return gemm<T>(T{1}, {x, rows, depth}, {w, depth, s.oc}, T{0}, {y, rows, s.oc}, epilogue);
  }
  if (detail::has_one_channel<T>(s)) return detail::one_channel_forward(s, x, w, y, epilogue);
  const TileKernels<T>& kernels = detail::tile_kernels<T>();
  const std::int64_t oh = s.oh(), ow = s.ow();
  const std::int64_t group_ic = s.ic / s.groups, group_oc = s.oc / s.groups;
  const std::int64_t depth = s.kh * s.kw * group_ic;
  const std::int64_t group_packed = panels_size(kernels, depth, group_oc);
  T* const packed = scratch<T>(Purpose::packed_b, s.groups * group_packed);
  for (std::int64_t g = 0; g < s.groups; ++g) {
    pack_panels<T>(kernels, w + g * group_oc, 1, s.oc, group_oc, 0, depth, depth,
                   packed + g * group_packed);
  }

  const std::int64_t blocks = std::clamp<std::int64_t>(oh * ow / kPiecePixels, 1, oh);
  parallel_for(s.n * blocks, conv_microseconds<T>(s), [&](std::int64_t piece, int) {
    const std::int64_t image = piece / blocks, block = piece % blocks;
    const std::int64_t first = oh * block / blocks, last = oh * (block + 1) / blocks;
    const Window<T> in = input_window(s, x + image * s.ih * s.iw * s.ic, first, last);
    Tile<T> tile;
    const std::int64_t row_segments = detail::segments_of_row(s);
    tile.segment_count = s.kh * row_segments;
    tile.segment_length = s.kw * group_ic / row_segments;
    auto* const segments = scratch<std::ptrdiff_t>(Purpose::offsets, tile.segment_count);
    kernel_segments(s, in.row_length, segments);
    tile.segments = segments;
    tile.relu = epilogue.activation == Activation::relu;
    const detail::TapRows taps{s.kh, first * s.stride_h - s.pad_h, s.stride_h, s.dilation_h, s.ih};
    T* const out = y + (image * oh + first) * ow * s.oc;
    for (std::int64_t g = 0; g < s.groups; ++g) {
      const T* bias = epilogue.bias == nullptr ? nullptr : epilogue.bias + g * group_oc;
      run_pixels(kernels, tile,
                 Pixels<T>{last - first, ow, in.data + g * group_ic, s.stride_h * in.row_length,
                           s.stride_w * s.ic, out + g * group_oc, ow * s.oc, s.oc, taps},
                 packed + g * group_packed, depth, group_oc, bias);
    }
    if (epilogue.activation != Activation::identity && !tile.relu) {
      activation_forward(epilogue.activation, (last - first) * ow * s.oc, out, out);
    }
  });
}

template void conv_forward<float>(const ConvShape&, const float*, const float*, float*,
                                  const Epilogue<float>&);
template void conv_forward<double>(const ConvShape&, const double*, const double*, double*,
                                   const Epilogue<double>&);

}  // namespace nnkernels
