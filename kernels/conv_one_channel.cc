#include "kernels/conv_one_channel.h"

#include <algorithm>
#include <cstdint>
#include <numeric>

#include "kernels/activation.h"
#include "kernels/conv_one_channel_simd.h"
#include "kernels/conv_tiles.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"
#include "kernels/vector.h"

namespace nnkernels::detail {
namespace {

/// A gradient piece is worth a buffer of its own from this many floating-point operations on.
constexpr double kPieceFlops = 1e6;
constexpr std::int64_t kMostPieces = 16;

std::int64_t row_blocks(const ConvShape& s) {
  return (s.oh() + kOneChannelRows - 1) / kOneChannelRows;
}

std::int64_t patterns(const ConvShape& s, std::int64_t lanes) {
  return s.oc / std::gcd(s.oc, lanes);
}

/// OneChannelRows::pixel.
const std::int32_t* pixels_of_lanes(const ConvShape& s, std::int64_t lanes) {
  auto* const pixel = scratch<std::int32_t>(Purpose::offsets, patterns(s, lanes) * lanes);
  for (std::int64_t i = 0; i < patterns(s, lanes) * lanes; ++i) {
    pixel[i] = static_cast<std::int32_t>(i / s.oc - i / lanes * lanes / s.oc);
  }
  return pixel;
}

/// Rows [first, last) of an image's y, whose x is copied with the border's zeros around it. Valid
/// until this thread's next call.
template <class T>
OneChannelRows<T> rows_of(const ConvShape& s, const T* image, std::int64_t first, std::int64_t last,
                          std::int64_t lanes, const std::int32_t* pixel) {
  const std::int64_t rows = last - first + s.kh - 1, line = s.iw + 2 * s.pad_w;
  const std::int64_t size = rows * line + lanes;
  T* const all = scratch<T>(Purpose::image, size);
  // Rows [begin, end) are the image's.
  const std::int64_t top = first - s.pad_h;
  const std::int64_t begin = std::clamp<std::int64_t>(-top, 0, rows);
  const std::int64_t end = std::clamp<std::int64_t>(s.ih - top, begin, rows);
  if (s.pad_w == 0 && begin < end) {
    T* const inside = std::fill_n(all, begin * line, T{0});
    T* const below = std::copy_n(image + (top + begin) * line, (end - begin) * line, inside);
    std::fill(below, all + size, T{0});
  } else {
    std::fill_n(all, size, T{0});
    for (std::int64_t row = begin; row < end; ++row) {
      std::copy_n(image + (top + row) * s.iw, s.iw, all + row * line + s.pad_w);
    }
  }
  return {.rows = last - first,
          .row_size = s.ow() * s.oc,
          .channels = s.oc,
          .taps = s.kw,
          .x = all,
          .x_line = line,
          .patterns = patterns(s, lanes),
          .pixel = pixel};
}

/// to[pattern][row][lane] = rows[row][the lane's channel] for `count` rows of s.oc elements.
template <class T>
const T* in_patterns(const ConvShape& s, std::int64_t lanes, const T* rows, std::int64_t count,
                     Purpose purpose) {
  if (rows == nullptr) return nullptr;
  T* const all = scratch<T>(purpose, patterns(s, lanes) * count * lanes);
  T* to = all;
  for (std::int64_t pattern = 0; pattern < patterns(s, lanes); ++pattern) {
    for (std::int64_t row = 0; row < count; ++row) {
      std::int64_t channel = pattern * lanes % s.oc;
      for (std::int64_t lane = 0; lane < lanes; ++lane) {
        *to++ = rows[row * s.oc + channel];
        if (++channel == s.oc) channel = 0;
      }
    }
  }
  return all;
}

/// Adds up the lanes of each channel: sums[pattern][tap][lane], those of the last pattern for the
/// `rest` lanes of vectors at the end of a row.
template <class T>
void fold(const ConvShape& s, std::int64_t lanes, std::int64_t rest, const T* sums, T* dw) {
  const std::int64_t taps = s.kh * s.kw, count = patterns(s, lanes);
  std::fill_n(dw, taps * s.oc, T{0});
  for (std::int64_t pattern = 0; pattern <= count; ++pattern) {
    const std::int64_t first = pattern < count ? pattern * lanes : s.ow() * s.oc - rest;
    const std::int64_t used = pattern < count ? lanes : rest;
    for (std::int64_t tap = 0; tap < taps; ++tap, sums += lanes) {
      std::int64_t channel = first % s.oc;
      for (std::int64_t lane = 0; lane < used; ++lane) {
        dw[tap * s.oc + channel] += sums[lane];
        if (++channel == s.oc) channel = 0;
      }
    }
  }
}

}  // namespace

template <class T>
bool has_one_channel(const ConvShape& s) {
  const OneChannelKernels<T> kernels = one_channel_kernels<T>();
  const bool simple = s.ic == 1 && s.kh == s.kw && (s.kw == 3 || s.kw == 5) && s.stride_h == 1 &&
                      s.stride_w == 1 && s.dilation_h == 1 && s.dilation_w == 1;
  if (!simple || s.oc > kernels.most_channels) return false;
  // Vectors begin at multiples of this many channels, and find all pixels in one vector of x.
  const std::int64_t lanes = kernels.lanes, step = std::gcd(s.oc, lanes);
  return (lanes - 1 + s.oc - step) / s.oc + s.kw <= lanes;
}

template <class T>
OneChannelConv<T>::OneChannelConv(const ConvShape& shape, const T* w, const T* bias, bool relu)
    : shape_(shape),
      kernels_(one_channel_kernels<T>()),
      pixel_(pixels_of_lanes(shape, kernels_.lanes)),
      w_(in_patterns(shape, kernels_.lanes, w, shape.kh * shape.kw, Purpose::packed_b)),
      bias_(in_patterns(shape, kernels_.lanes, bias, 1, Purpose::packed_a)),
      relu_(relu) {}

template <class T>
void OneChannelConv<T>::run(const T* image, std::int64_t first, std::int64_t last, T* y) const {
  kernels_.forward(
      {rows_of(shape_, image, first, last, kernels_.lanes, pixel_), w_, bias_, relu_, y});
}

template <class T>
void one_channel_forward(const ConvShape& s, const T* x, const T* w, T* y,
                         const Epilogue<T>& epilogue) {
  const bool relu = epilogue.activation == Activation::relu;
  const OneChannelConv<T> conv(s, w, epilogue.bias, relu);
  const std::int64_t oh = s.oh(), y_line = s.ow() * s.oc, blocks = row_blocks(s);
  nnkernels::parallel_for(s.n * blocks, conv_microseconds<T>(s), [&](std::int64_t piece, int) {
    const std::int64_t image = piece / blocks, block = piece % blocks;
    const std::int64_t first = oh * block / blocks, last = oh * (block + 1) / blocks;
    T* const out = y + (image * oh + first) * y_line;
    conv.run(x + image * s.ih * s.iw, first, last, out);
    if (epilogue.activation == Activation::identity || relu) return;
    activation_forward(epilogue.activation, (last - first) * y_line, out, out);
  });
}

template <class T>
void one_channel_backward_weights(const ConvShape& s, const T* x, const T* dy, T* dw, T* db) {
  const OneChannelKernels<T> kernels = one_channel_kernels<T>();
  const std::int64_t oh = s.oh(), dy_line = s.ow() * s.oc, taps = s.kh * s.kw,
                     lanes = kernels.lanes;
  const std::int32_t* const pixel = pixels_of_lanes(s, lanes);
  const std::int64_t blocks = row_blocks(s), all_blocks = s.n * blocks;
  const double flops = 2.0 * static_cast<double>(s.y_size()) * static_cast<double>(taps);
  const std::int64_t pieces = std::clamp<std::int64_t>(
      static_cast<std::int64_t>(flops / kPieceFlops), 1, std::min(all_blocks, kMostPieces));
  const std::int64_t size = (taps + (db == nullptr ? 0 : 1)) * s.oc;  // of dw and db
  T* const partial = scratch<T>(Purpose::partial_sums, (pieces + 1) * size);
  nnkernels::parallel_for(pieces, conv_microseconds<T>(s), [&](std::int64_t piece, int) {
    const std::int64_t all = (patterns(s, lanes) + 1) * taps * lanes;
    T* const sums = scratch<T>(Purpose::result, all);
    std::fill_n(sums, all, T{0});
    // In dy, where the rows of all images follow each other.
    const auto first_row = [&](std::int64_t block) {
      return block / blocks * oh + oh * (block % blocks) / blocks;
    };
    const std::int64_t begin = all_blocks * piece / pieces;
    const std::int64_t end = all_blocks * (piece + 1) / pieces;
    for (std::int64_t block = begin; block < end; ++block) {
      const std::int64_t image = block / blocks, above = image * oh;
      const std::int64_t first = first_row(block), last = first_row(block + 1);
      kernels.gradient(
          {rows_of(s, x + image * s.ih * s.iw, first - above, last - above, lanes, pixel),
           dy + first * dy_line, sums});
    }
    T* const sum = partial + piece * size;
    fold(s, lanes, dy_line % lanes, sums, sum);
    if (db != nullptr) {
      const std::int64_t row = first_row(begin);
      column_sums((first_row(end) - row) * s.ow(), s.oc, dy + row * dy_line, sum + taps * s.oc);
    }
  });
  T* const total = partial + pieces * size;
  sum_pieces(pieces, size, partial, total);
  std::copy_n(total, taps * s.oc, dw);
  if (db != nullptr) std::copy_n(total + taps * s.oc, s.oc, db);
}

template bool has_one_channel<float>(const ConvShape&);
template bool has_one_channel<double>(const ConvShape&);
template class OneChannelConv<float>;
template class OneChannelConv<double>;
template void one_channel_forward(const ConvShape&, const float*, const float*, float*,
                                  const Epilogue<float>&);
template void one_channel_forward(const ConvShape&, const double*, const double*, double*,
                                  const Epilogue<double>&);
template void one_channel_backward_weights(const ConvShape&, const float*, const float*, float*,
                                           float*);
template void one_channel_backward_weights(const ConvShape&, const double*, const double*, double*,
                                           double*);

}  // namespace nnkernels::detail
