#include "kernels/depthwise.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <numeric>
#include <optional>
#include <utility>

#include "kernels/conv_phase.h"
#include "kernels/conv_tiles.h"
#include "kernels/depthwise_blocks.h"
#include "kernels/depthwise_simd.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"
#include "kernels/vector.h"

namespace nnkernels::detail {
namespace {

/// One multiply-add of these kernels has a load of its own, and takes as long as so many of a tile.
constexpr double kSlower = 3;

/// A gradient piece is worth a buffer of its own from this many floating-point operations on.
constexpr double kPieceFlops = 1e6;
constexpr std::int64_t kMaxPieces = 16;
/// Outputs of a row from which on they are computed together, and not with those below.
constexpr std::int64_t kLeastOfARow = 3;
/// Pixels whose gradients are summed in registers between two visits to dw: so many rows, of which
/// the L1 cache needs room for kRowsAtOnce, and at least so many columns.
constexpr std::int64_t kGradientRows = 8, kRowsAtOnce = 2, kGradientCols = 16;
/// So many pixels with a cache line of channels each stay in the L2 cache.
constexpr std::int64_t kBorderedPixels = 2048;
/// Three rows of a copy so wide, and one of dy, take half of the L1 cache.
constexpr std::int64_t kCopiedCols = 64;

template <class T>
double microseconds(const ConvShape& s) {
  // Groups of channels share a load.
  return (is_depthwise(s) ? kSlower : kSlower / 2) * conv_microseconds<T>(s);
}

/// How many blocks of rows to share out of each of n images with `rows` rows of `cols` pixels. A
/// piece is long enough for strips to pay, and as much of it as of what it meets stays in the L2
/// cache; of images that are no larger a few threads still find work.
std::int64_t row_blocks(std::int64_t n, std::int64_t rows, std::int64_t cols,
                        std::int64_t channels) {
  constexpr std::int64_t kElements = 1 << 17, kFew = 4;
  const std::int64_t few = std::min(kFew / n, rows * cols / kPiecePixels);
  return std::clamp<std::int64_t>(std::max(rows * cols * channels / kElements, few), 1, rows);
}

/// The weights w[taps][inputs][outputs] of a group in the order of its gradients by data:
/// [taps][outputs][inputs].
template <class T>
const T* transposed(const ConvShape& s, const T* w) {
  const std::int64_t mixed = s.ic / s.groups;
  T* const turned = scratch<T>(Purpose::packed_a, s.w_size());
  for (std::int64_t tap = 0; tap < s.kh * s.kw; ++tap) {
    for (std::int64_t q = 0; q < mixed; ++q) {
      for (std::int64_t c = 0; c < s.oc; ++c) {
        const std::int64_t group = c - c % mixed;
        turned[(tap * mixed + c - group) * s.ic + group + q] = w[(tap * mixed + q) * s.oc + c];
      }
    }
  }
  return turned;
}

Axis forward_height(const ConvShape& s) {
  return {s.oh(), s.ih, s.kh, s.stride_h, s.dilation_h, -s.pad_h};
}
Axis forward_width(const ConvShape& s) {
  return {s.ow(), s.iw, s.kw, s.stride_w, s.dilation_w, -s.pad_w};
}

/// The pixels of dx that one phase consists of, and the outputs o = t - shift(k) that they meet:
/// its taps lie `period` apart.
struct PhaseAxis {
  PhaseAxis(const Phase& phase, std::int64_t outputs)
      : period(phase.stride / std::gcd(phase.stride, phase.dilation)),
        first_tap(phase.first_tap),
        axis{phase.count,
             outputs,
             phase.taps,
             1,
             -(phase.dilation / std::gcd(phase.stride, phase.dilation)),
             phase.t_first - (phase.taps == 0 ? 0 : phase.shift(phase.first_tap))} {}
  std::int64_t period, first_tap;
  Axis axis;
};

/// The pixels that some outputs of a plane meet, copied together, with the border's zeros around
/// them: all outputs then meet all taps.
template <class T>
class PaddedCopy {
 public:
  /// For all columns of rows [first, last) of the outputs, and up to `channels` channels.
  PaddedCopy(const Axis& height, const Axis& width, std::int64_t first, std::int64_t last,
             std::int64_t image_channels, std::int64_t channels)
      : row_(std::min(height.input(first, 0), height.input(first, height.taps - 1))),
        col_(std::min(width.input(0, 0), width.input(0, width.taps - 1))),
        copy_{.channels = 0,
              .rows = part(row_, height.met(last - first), height.inputs),
              .cols = part(col_, width.met(width.outputs), width.inputs),
              .x = nullptr,
              .x_line = width.inputs * image_channels,
              .x_step = image_channels,
              .to = nullptr,
              .to_step = (channels + kLine - 1) / kLine * kLine} {
    copy_.to = scratch<T>(Purpose::image, copy_.rows.count * copy_.cols.count * copy_.to_step);
  }

  /// Of channels [c, c + count).
  Plane<T> of(const DepthwiseKernels<T>& kernels, const T* image, std::int64_t c,
              std::int64_t count) {
    copy_.channels = count;
    copy_.x = image;
    // Else all of it is border, and lies outside of the image.
    if (copy_.rows.first < copy_.rows.last && copy_.cols.first < copy_.cols.last) {
      copy_.x +=
          (row_ + copy_.rows.first) * copy_.x_line + (col_ + copy_.cols.first) * copy_.x_step + c;
    }
    kernels.copy(copy_);
    return {copy_.to, row_, col_, copy_.cols.count * copy_.to_step, copy_.to_step};
  }

 private:
  static constexpr std::int64_t kLine = kAlignment / sizeof(T);

  /// Which of `count` rows or columns, from `first` on, an image of `size` of them has.
  static Part part(std::int64_t first, std::int64_t count, std::int64_t size) {
    const std::int64_t begin = std::clamp<std::int64_t>(-first, 0, count);
    return {count, begin, std::clamp<std::int64_t>(size - first, begin, count)};
  }

  std::int64_t row_, col_;
  DepthwiseCopy<T> copy_;
};

/// Rows taken for columns where there are few of these: very few, or fewer sums than hide the
/// latency of multiply-adds, in tiles whose pixels share no loads anyway.
template <class T>
void run_pixels(const DepthwiseKernels<T>& kernels, const DepthwisePixels<T>& s) {
  const std::int64_t enough =
      s.x_step == s.x_col ? kLeastOfARow : std::min(kDepthwisePixels, s.rows);
  if (s.pixels >= std::max(kLeastOfARow, enough)) return kernels.pixels(s);
  DepthwisePixels<T> side = s;
  std::swap(side.rows, side.pixels);
  std::swap(side.kh, side.kw);
  std::swap(side.x_line, side.x_step);
  std::swap(side.x_row, side.x_col);
  std::swap(side.w_row, side.w_col);
  std::swap(side.y_line, side.y_step);
  kernels.pixels(side);
}

/// How many pixels side by side are taken for one with as many times the channels, where a pixel
/// has too few for a vector: whole vectors then, and a few of them.
template <class T>
std::int64_t pixels_beside(std::int64_t channels, std::int64_t stride_w) {
  constexpr std::int64_t kLine = kAlignment / sizeof(T);
  return stride_w == 1 && channels < kLine ? kLine / std::gcd(kLine, channels) : 1;
}

/// The weights or the bias of such pixels: each of `count` rows of `channels` elements so many
/// times.
template <class T>
const T* repeated(const T* rows, std::int64_t count, std::int64_t channels, std::int64_t times,
                  Purpose purpose) {
  if (times == 1 || rows == nullptr) return rows;
  T* const all = scratch<T>(purpose, count * times * channels);
  for (std::int64_t i = 0; i < count * times; ++i) {
    std::copy_n(rows + i / times * channels, channels, all + i * channels);
  }
  return all;
}

/// Rows [first, last) of a plane of outputs. `all` has the taps, the bias and where outputs go, its
/// weights and bias those of `beside` pixels; its x is the image that `height` and `width` are
/// about.
template <class T>
void run_rows(const DepthwiseKernels<T>& kernels, const Axis& height, const Axis& width,
              std::int64_t first, std::int64_t last, std::int64_t beside,
              const DepthwisePixels<T>& all) {
  const StripCut cut(height, width, places<T>(all.channels), pixels_in_l1<T>(all.channels), 1,
                     kDepthwisePixels);
  const std::int64_t met = height.met(last - first) * width.met(width.outputs);
  const bool copied = cut.copied || (met <= kBorderedPixels && is_mostly_border(height, width));
  // A copy's pixels lie apart, in cache lines of their own.
  const std::int64_t together = copied ? 1 : beside;
  const std::int64_t most =
      copied ? copied_channels<T>(cut.strip, met) : strip_channels<T>(cut.strip);
  std::optional<PaddedCopy<T>> copy;
  if (copied) copy.emplace(height, width, first, last, all.channels, std::min(most, all.channels));
  const Runs all_runs = copied ? whole(height, width) : runs(height, width);
  for (std::int64_t c = 0; c < all.channels; c += most) {
    DepthwisePixels<T> some = all;
    some.channels = std::min(most, all.channels - c);
    const Plane<T> x = copy ? copy->of(kernels, all.x, c, some.channels)
                            : Plane<T>{all.x + c, 0, 0, width.inputs * all.channels, all.channels};
    // Where taps run against the pixels (by data), they are taken from the last to the first.
    const bool up = height.tap_step < 0, left = width.tap_step < 0;
    some.x_line = height.step * x.line;
    some.x_step = width.step * x.pixel;
    some.x_row = std::abs(height.tap_step) * x.line;
    some.x_col = std::abs(width.tap_step) * x.pixel;
    some.w_row = up ? -all.w_row : all.w_row;
    some.w_col = left ? -all.w_col : all.w_col;
    if (all.bias != nullptr) some.bias = all.bias + c;
    const auto run = [&](const OutputBlock& block) {
      DepthwisePixels<T> pixels = some;
      pixels.rows = block.rows.end - block.rows.first;
      pixels.pixels = block.cols.end - block.cols.first;
      pixels.y = all.y + block.rows.first * all.y_line + block.cols.first * all.y_step + c;
      const Taps kh = block.rows.taps, kw = block.cols.taps;
      if (kh.first < kh.last && kw.first < kw.last) {  // else x stays where it is and is not read
        pixels.kh = kh.last - kh.first;
        pixels.kw = kw.last - kw.first;
        const std::int64_t row = up ? kh.last - 1 : kh.first, col = left ? kw.last - 1 : kw.first;
        pixels.x = x.at(height.input(block.rows.first, row), width.input(block.cols.first, col));
        pixels.w = all.w + row * all.w_row + col * all.w_col + c;
      }
      const std::int64_t wide = pixels.pixels / together, rest = pixels.pixels % together;
      if (wide > 0) {
        pixels.pixels = wide;
        pixels.channels = together * some.channels;
        pixels.x_step = together * some.x_step;
        pixels.y_step = together * some.y_step;
        run_pixels(kernels, pixels);
        pixels.x += wide * pixels.x_step;
        pixels.y += wide * pixels.y_step;
      }
      if (rest > 0) {
        pixels.pixels = 1;
        pixels.channels = rest * some.channels;
        run_pixels(kernels, pixels);
      }
    };
    // A stride leaves little that rows meet again.
    const std::int64_t cols = height.step > 1 ? width.outputs : cut.cols;
    for_each_block(all_runs, first, last, last - first, cols, run);
  }
}

/// What add_rows() does, from copies of x with the border's zeros, a few channels at a time: all
/// outputs then meet all taps, whose sums stay in registers for as many rows as a copy has, and
/// pixels lie side by side.
template <class T>
void add_rows_of_copies(const DepthwiseKernels<T>& kernels, const Axis& height, const Axis& width,
                        std::int64_t first, std::int64_t last, std::int64_t channels, const T* x,
                        const T* dy, T* dw) {
  constexpr std::int64_t kInL2 = (1 << 17) / sizeof(T);
  // Two cache lines, which processors like to fetch together.
  constexpr std::int64_t kChannels = 2 * kAlignment / sizeof(T);
  const std::int64_t dy_line = width.outputs * channels;
  const std::int64_t most =
      std::max(kInL2 / ((width.met(width.outputs) + width.outputs) * kChannels), height.met(1));
  for (std::int64_t row = first; row < last; row += most) {
    const std::int64_t end = std::min(last, row + most);
    PaddedCopy<T> copy(height, width, row, end, channels, kChannels);
    for (std::int64_t c = 0; c < channels; c += kChannels) {
      const std::int64_t count = std::min(kChannels, channels - c);
      const Plane<T> plane = copy.of(kernels, x, c, count);
      kernels.gradient({.channels = count,
                        .rows = end - row,
                        .cols = width.outputs,
                        .kh = height.taps,
                        .kw = width.taps,
                        .x = plane.at(height.input(row, 0), width.input(0, 0)),
                        .x_line = plane.line,
                        .x_step = plane.pixel,
                        .x_row = height.tap_step * plane.line,
                        .x_col = width.tap_step * plane.pixel,
                        .dy = dy + row * dy_line + c,
                        .dy_line = dy_line,
                        .dy_step = channels,
                        .dw = dw + c,
                        .dw_row = width.taps * channels,
                        .dw_col = channels});
    }
  }
}

/// Adds to dw[kh][kw][channels] what rows [first, last) of dy contribute; `x` and `dy` are the
/// images that `height` and `width` are about.
template <class T>
void add_rows(const DepthwiseKernels<T>& kernels, const Axis& height, const Axis& width,
              std::int64_t first, std::int64_t last, std::int64_t channels, const T* x, const T* dy,
              T* dw) {
  const StripCut cut(height, width, places<T>(channels), pixels_in_l1<T>(channels), kRowsAtOnce,
                     kGradientCols);
  // Copies pay where whole rows of them, but not of the image, stay in the L1 cache with room to
  // spare, or where there is no place for strips. With a stride more is copied than is used.
  constexpr std::int64_t kLine = kAlignment / sizeof(T);
  const std::int64_t cols = width.met(width.outputs), row = height.met(1) * cols + width.outputs;
  const bool short_rows = cols <= kCopiedCols && row > places<T>(channels) / 2;
  if (height.step == 1 && width.step == 1 && channels >= kLine && (short_rows || cut.copied)) {
    return add_rows_of_copies(kernels, height, width, first, last, channels, x, dy, dw);
  }
  const Runs all_runs = runs(height, width);
  const std::int64_t most = strip_channels<T>(cut.strip);
  const std::int64_t x_line = width.inputs * channels, dy_line = width.outputs * channels;
  for (std::int64_t c = 0; c < channels; c += most) {
    const std::int64_t count = std::min(most, channels - c);
    const auto add = [&](const OutputBlock& block) {
      const Taps kh = block.rows.taps, kw = block.cols.taps;
      if (kh.first == kh.last || kw.first == kw.last) return;
      kernels.gradient({.channels = count,
                        .rows = block.rows.end - block.rows.first,
                        .cols = block.cols.end - block.cols.first,
                        .kh = kh.last - kh.first,
                        .kw = kw.last - kw.first,
                        .x = x + height.input(block.rows.first, kh.first) * x_line +
                             width.input(block.cols.first, kw.first) * channels + c,
                        .x_line = height.step * x_line,
                        .x_step = width.step * channels,
                        .x_row = height.tap_step * x_line,
                        .x_col = width.tap_step * channels,
                        .dy = dy + block.rows.first * dy_line + block.cols.first * channels + c,
                        .dy_line = dy_line,
                        .dy_step = channels,
                        .dw = dw + (kh.first * width.taps + kw.first) * channels + c,
                        .dw_row = width.taps * channels,
                        .dw_col = channels});
    };
    for_each_block(all_runs, first, last, kGradientRows, cut.cols, add);
  }
}

/// Whether there is a DepthwiseGradient3x3 that says what the weights get.
template <class T>
bool fits_3x3_kernel(const DepthwiseKernels<T>& kernels, const ConvShape& s) {
  const bool near = s.dilation_h == 1 && s.dilation_w == 1 && s.stride_h == s.stride_w &&
                    s.stride_h <= 2 && s.pad_w <= 3 - s.stride_w && s.pad_h <= 1;
  return kernels.gradient_3x3 != nullptr && s.kh == 3 && s.kw == 3 && near;
}

}  // namespace

template <class T>
bool is_nearly_depthwise(const ConvShape& s) {
  return s.groups > 1 && s.ic == s.oc && s.ic == s.groups * kMixedChannels &&
         depthwise_kernels<T>().mixes;
}

template <class T>
void depthwise_forward(const ConvShape& s, const T* x, const T* w, T* y,
                       const Epilogue<T>& epilogue) {
  const DepthwiseKernels<T> kernels = depthwise_kernels<T>();
  const Axis height = forward_height(s), width = forward_width(s);
  const std::int64_t c = s.ic, y_line = width.outputs * c;
  const bool relu = epilogue.activation == Activation::relu;
  const std::int64_t blocks = row_blocks(s.n, height.outputs, width.outputs, c);
  const std::int64_t mixed = s.ic / s.groups, beside = pixels_beside<T>(c, s.stride_w);
  const T* const weights = repeated(w, s.kh * s.kw * mixed, c, beside, Purpose::packed_b);
  const T* const bias = repeated(epilogue.bias, 1, c, beside, Purpose::packed_a);
  nnkernels::parallel_for(s.n * blocks, microseconds<T>(s), [&](std::int64_t piece, int) {
    const std::int64_t image = piece / blocks, block = piece % blocks;
    const std::int64_t first = height.outputs * block / blocks;
    const std::int64_t last = height.outputs * (block + 1) / blocks;
    T* const y_image = y + image * height.outputs * y_line;
    run_rows<T>(kernels, height, width, first, last, beside,
                {.channels = c,
                 .mixed = mixed,
                 .x = x + image * s.ih * s.iw * c,
                 .w = weights,
                 .w_row = s.kw * mixed * beside * c,
                 .w_col = mixed * beside * c,
                 .w_mixed = beside * c,
                 .bias = bias,
                 .relu = relu,
                 .y = y_image,
                 .y_line = y_line,
                 .y_step = c});
    if (epilogue.activation == Activation::identity || relu) return;
    T* const rows = y_image + first * y_line;
    activation_forward(epilogue.activation, (last - first) * y_line, rows, rows);
  });
}

template <class T>
void depthwise_backward_data(const ConvShape& s, const T* dy, const T* w, T* dx) {
  const DepthwiseKernels<T> kernels = depthwise_kernels<T>();
  const std::int64_t oh = s.oh(), ow = s.ow(), c = s.ic;
  const std::int64_t dx_line = s.iw * c;
  const std::int64_t mixed = s.ic / s.groups, beside = pixels_beside<T>(c, s.stride_w);
  const T* const turned = mixed == 1 ? w : transposed(s, w);
  const T* const weights = repeated(turned, s.kh * s.kw * mixed, c, beside, Purpose::packed_b);
  const std::int64_t w_step = mixed * beside * c;
  const std::int64_t blocks = row_blocks(s.n, s.ih, s.iw, c);
  nnkernels::parallel_for(s.n * blocks, microseconds<T>(s), [&](std::int64_t piece, int) {
    const std::int64_t image = piece / blocks, block = piece % blocks;
    const auto run_phase = [&](const Phase& h, const Phase& v) {
      const PhaseAxis height(h, oh), width(v, ow);
      const std::int64_t first = h.count * block / blocks, last = h.count * (block + 1) / blocks;
      if (first == last || v.count == 0) return;
      run_rows<T>(kernels, height.axis, width.axis, first, last, beside,
                  {.channels = c,
                   .mixed = mixed,
                   .x = dy + image * oh * ow * c,
                   .w = weights + (height.first_tap * s.kw + width.first_tap) * w_step,
                   .w_row = height.period * s.kw * w_step,
                   .w_col = width.period * w_step,
                   .w_mixed = beside * c,
                   .y = dx + (image * s.ih + h.pixel(h.t_first)) * dx_line + v.pixel(v.t_first) * c,
                   .y_line = s.stride_h * dx_line,
                   .y_step = s.stride_w * c});
    };
    for (std::int64_t i = 0; i < s.stride_h; ++i) {
      const Phase h(i, s.ih, s.kh, s.stride_h, s.pad_h, s.dilation_h);
      for (std::int64_t j = 0; j < s.stride_w; ++j) {
        run_phase(h, Phase(j, s.iw, s.kw, s.stride_w, s.pad_w, s.dilation_w));
      }
    }
  });
}

template <class T>
void depthwise_backward_weights(const ConvShape& s, const T* x, const T* dy, T* dw, T* db) {
  const DepthwiseKernels<T> kernels = depthwise_kernels<T>();
  const Axis height = forward_height(s), width = forward_width(s);
  const std::int64_t c = s.ic, rows = s.n * height.outputs;
  const double flops =
      2.0 * static_cast<double>(rows * width.outputs) * static_cast<double>(s.w_size());
  const std::int64_t pieces = std::clamp<std::int64_t>(
      static_cast<std::int64_t>(flops / kPieceFlops), 1, std::min(rows, kMaxPieces));
  T* const partial =
      pieces == 1 ? dw : scratch<T>(Purpose::partial_sums, pieces * (s.w_size() + c));
  T* const partial_db = pieces == 1 ? db : partial + pieces * s.w_size();
  const bool with_bias = db != nullptr, is_3x3 = fits_3x3_kernel(kernels, s);
  nnkernels::parallel_for(pieces, microseconds<T>(s), [&](std::int64_t piece, int) {
    T* const sum = partial + piece * s.w_size();
    T* const sum_db = with_bias ? partial_db + piece * c : nullptr;
    std::fill_n(sum, s.w_size(), T{0});
    if (with_bias) std::fill_n(sum_db, c, T{0});
    const std::int64_t begin = rows * piece / pieces, end = rows * (piece + 1) / pieces;
    for (std::int64_t image = begin / height.outputs; image * height.outputs < end; ++image) {
      const std::int64_t above = image * height.outputs;
      const std::int64_t first = std::max<std::int64_t>(0, begin - above);
      const std::int64_t last = std::min(height.outputs, end - above);
      const T* const image_x = x + image * s.ih * s.iw * c;
      const T* const image_dy = dy + above * width.outputs * c;
      if (is_3x3) {
        kernels.gradient_3x3({.channels = c,
                              .first = first,
                              .last = last,
                              .x_rows = s.ih,
                              .x_cols = s.iw,
                              .dy_cols = width.outputs,
                              .pad_h = s.pad_h,
                              .pad_w = s.pad_w,
                              .stride = s.stride_h,
                              .x = image_x,
                              .dy = image_dy,
                              .dw = sum,
                              .db = sum_db});
      } else {
        add_rows<T>(kernels, height, width, first, last, c, image_x, image_dy, sum);
      }
    }
    if (with_bias && !is_3x3) {  // dy is still in the L2 cache
      const std::int64_t line = width.outputs * c;
      column_sums((end - begin) * width.outputs, c, dy + begin * line, sum_db);
    }
  });
  if (pieces == 1) return;
  sum_pieces(pieces, s.w_size(), partial, dw);
  if (with_bias) sum_pieces(pieces, c, partial_db, db);
}

template bool is_nearly_depthwise<float>(const ConvShape&);
template bool is_nearly_depthwise<double>(const ConvShape&);
template void depthwise_forward(const ConvShape&, const float*, const float*, float*,
                                const Epilogue<float>&);
template void depthwise_forward(const ConvShape&, const double*, const double*, double*,
                                const Epilogue<double>&);
template void depthwise_backward_data(const ConvShape&, const float*, const float*, float*);
template void depthwise_backward_data(const ConvShape&, const double*, const double*, double*);
template void depthwise_backward_weights(const ConvShape&, const float*, const float*, float*,
                                         float*);
template void depthwise_backward_weights(const ConvShape&, const double*, const double*, double*,
                                         double*);

}  // namespace nnkernels::detail
