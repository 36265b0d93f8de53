#include "kernels/depthwise.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>

#include "kernels/conv_phase.h"
#include "kernels/conv_tiles.h"
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

/// Taps [first, last) of a row or column of the kernel.
struct Taps {
  std::int64_t first, last;
  bool operator==(const Taps&) const = default;
};

/// One direction, height or width: which input each output meets through each tap.
struct Axis {
  std::int64_t outputs, inputs, taps;
  std::int64_t step, tap_step, offset;

  std::int64_t input(std::int64_t output, std::int64_t tap) const {
    return output * step + tap * tap_step + offset;
  }
  /// The taps through which an output meets an input that exists.
  Taps meeting(std::int64_t output) const {
    const auto exists = [&](std::int64_t tap) {
      const std::int64_t i = input(output, tap);
      return i >= 0 && i < inputs;
    };
    Taps met{0, taps};
    while (met.first < taps && !exists(met.first)) ++met.first;
    while (met.last > met.first && !exists(met.last - 1)) --met.last;
    return met;
  }
};

/// Neighbouring outputs [first, end) that meet the same taps.
struct Run {
  std::int64_t first, end;
  Taps taps;
};

/// All outputs in runs; valid until this thread's next call. Each end of each tap's range may begin
/// a new one.
std::span<const Run> runs(const Axis& axis) {
  Run* const list = scratch<Run>(Purpose::offsets, 2 * axis.taps + 1);
  std::size_t count = 0;
  for (std::int64_t i = 0; i < axis.outputs; ++i) {
    const Taps taps = axis.meeting(i);
    if (count > 0 && list[count - 1].taps == taps) {
      ++list[count - 1].end;
    } else {
      list[count++] = {i, i + 1, taps};
    }
  }
  return {list, count};
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
             -(period * phase.dilation / phase.stride),
             phase.t_first - (phase.taps == 0 ? 0 : phase.shift(phase.first_tap))} {}
  std::int64_t period, first_tap;
  Axis axis;
};

/// A row of outputs. `pixels` comes with what is the same for all of it; `x`, `w` and `y` are those
/// of the first input, tap and output.
template <class T>
void run_row(const DepthwiseKernels<T>& kernels, const Axis& width, std::span<const Run> row,
             DepthwisePixels<T> pixels, const T* x, const T* w, T* y) {
  const std::int64_t kh = pixels.kh;
  for (const Run& run : row) {
    pixels.pixels = run.end - run.first;
    pixels.kw = run.taps.last - run.taps.first;
    // Without taps there is no input to point to.
    const bool none = kh == 0 || pixels.kw == 0;
    pixels.kh = none ? 0 : kh;
    pixels.x = none ? x : x + width.input(run.first, run.taps.first) * pixels.channels;
    pixels.w = none ? w : w + run.taps.first * pixels.w_col;
    pixels.y = y + run.first * pixels.y_step;
    kernels.pixels(pixels);
  }
}

}  // namespace

template <class T>
void depthwise_forward(const ConvShape& s, const T* x, const T* w, T* y,
                       const Epilogue<T>& epilogue) {
  const DepthwiseKernels<T> kernels = depthwise_kernels<T>();
  const Axis height = forward_height(s), width = forward_width(s);
  const std::int64_t c = s.ic;
  DepthwisePixels<T> pixels;
  pixels.channels = c;
  pixels.x_step = s.stride_w * c;
  pixels.x_row = s.dilation_h * s.iw * c;
  pixels.x_col = s.dilation_w * c;
  pixels.w_row = s.kw * c;
  pixels.w_col = c;
  pixels.bias = epilogue.bias;
  pixels.relu = epilogue.activation == Activation::relu;
  pixels.y_step = c;

  const std::int64_t blocks =
      std::clamp<std::int64_t>(height.outputs * width.outputs / kPiecePixels, 1, height.outputs);
  const double microseconds = kSlower * conv_microseconds(s, sizeof(T));
  nnkernels::parallel_for(s.n * blocks, microseconds, [&](std::int64_t piece, int) {
    const std::int64_t image = piece / blocks, block = piece % blocks;
    const std::int64_t first = height.outputs * block / blocks;
    const std::int64_t last = height.outputs * (block + 1) / blocks;
    const std::span<const Run> width_runs = runs(width);
    for (std::int64_t o = first; o < last; ++o) {
      const Taps taps = height.meeting(o);
      DepthwisePixels<T> row = pixels;
      row.kh = taps.last - taps.first;
      const std::int64_t x_at = row.kh == 0 ? 0 : height.input(o, taps.first);
      T* const y_row = y + (image * height.outputs + o) * width.outputs * c;
      run_row(kernels, width, width_runs, row, x + (image * s.ih + x_at) * s.iw * c,
              w + taps.first * row.w_row, y_row);
      if (epilogue.activation != Activation::identity && !row.relu) {
        activation_forward(epilogue.activation, width.outputs * c, y_row, y_row);
      }
    }
  });
}

template <class T>
void depthwise_backward_data(const ConvShape& s, const T* dy, const T* w, T* dx) {
  const DepthwiseKernels<T> kernels = depthwise_kernels<T>();
  const std::int64_t oh = s.oh(), ow = s.ow(), c = s.ic;
  const double microseconds = kSlower * conv_microseconds(s, sizeof(T));
  const std::int64_t blocks = std::clamp<std::int64_t>(s.ih * s.iw / kPiecePixels, 1, s.ih);
  nnkernels::parallel_for(s.n * blocks, microseconds, [&](std::int64_t piece, int) {
    const std::int64_t image = piece / blocks, block = piece % blocks;
    const std::int64_t first = s.ih * block / blocks, last = s.ih * (block + 1) / blocks;
    for (std::int64_t j = 0; j < std::min(s.stride_w, s.iw + s.pad_w); ++j) {
      const Phase v(j, s.iw, s.kw, s.stride_w, s.pad_w, s.dilation_w);
      const PhaseAxis width(v, ow);
      const std::span<const Run> width_runs = runs(width.axis);
      for (std::int64_t i = first; i < last; ++i) {
        const Phase h((i + s.pad_h) % s.stride_h, s.ih, s.kh, s.stride_h, s.pad_h, s.dilation_h);
        const PhaseAxis height(h, oh);
        const std::int64_t t = (i + s.pad_h) / s.stride_h - h.t_first;
        const Taps taps = height.axis.meeting(t);
        DepthwisePixels<T> pixels;
        pixels.channels = c;
        pixels.kh = taps.last - taps.first;
        pixels.x_step = c;
        pixels.x_row = height.axis.tap_step * ow * c;
        pixels.x_col = width.axis.tap_step * c;
        pixels.w_row = height.period * s.kw * c;
        pixels.w_col = width.period * c;
        pixels.y_step = s.stride_w * c;
        // Where no tap of a direction is met, run_row() reads nothing.
        const bool none = pixels.kh == 0;
        const std::int64_t dy_at = none ? 0 : height.axis.input(t, taps.first);
        const std::int64_t tap = none ? 0 : height.first_tap + taps.first * height.period;
        run_row(kernels, width.axis, width_runs, pixels, dy + (image * oh + dy_at) * ow * c,
                w + (tap * s.kw + width.first_tap) * c,
                dx + ((image * s.ih + i) * s.iw + v.pixel(v.t_first)) * c);
      }
    }
  });
}

template <class T>
void depthwise_backward_weights(const ConvShape& s, const T* x, const T* dy, T* dw) {
  const DepthwiseKernels<T> kernels = depthwise_kernels<T>();
  const Axis height = forward_height(s), width = forward_width(s);
  const std::int64_t c = s.ic, rows = s.n * height.outputs;
  const double flops =
      2.0 * static_cast<double>(rows * width.outputs) * static_cast<double>(s.w_size());
  const std::int64_t pieces = std::clamp<std::int64_t>(
      static_cast<std::int64_t>(flops / kPieceFlops), 1, std::min(rows, kMaxPieces));
  T* const partial = pieces == 1 ? dw : scratch<T>(Purpose::partial_sums, pieces * s.w_size());
  const double microseconds = kSlower * conv_microseconds(s, sizeof(T));
  nnkernels::parallel_for(pieces, microseconds, [&](std::int64_t piece, int) {
    T* const sum = partial + piece * s.w_size();
    std::fill_n(sum, s.w_size(), T{0});
    const std::span<const Run> width_runs = runs(width);
    for (std::int64_t row = rows * piece / pieces; row < rows * (piece + 1) / pieces; ++row) {
      const std::int64_t image = row / height.outputs, o = row % height.outputs;
      const Taps kh = height.meeting(o);
      for (const auto& [first, end, kw] : width_runs) {
        DepthwiseGradient<T> gradient;
        gradient.channels = c;
        gradient.pixels = end - first;
        gradient.kh = kh.last - kh.first;
        gradient.kw = kw.last - kw.first;
        if (gradient.kh == 0 || gradient.kw == 0) continue;
        gradient.x =
            x +
            ((image * s.ih + height.input(o, kh.first)) * s.iw + width.input(first, kw.first)) * c;
        gradient.x_step = s.stride_w * c;
        gradient.x_row = s.dilation_h * s.iw * c;
        gradient.x_col = s.dilation_w * c;
        gradient.dy = dy + (row * width.outputs + first) * c;
        gradient.dy_step = c;
        gradient.dw = sum + (kh.first * s.kw + kw.first) * c;
        gradient.dw_row = s.kw * c;
        gradient.dw_col = c;
        kernels.gradient(gradient);
      }
    }
  });
  if (pieces > 1) sum_pieces(pieces, s.w_size(), partial, dw);
}

template void depthwise_forward(const ConvShape&, const float*, const float*, float*,
                                const Epilogue<float>&);
template void depthwise_forward(const ConvShape&, const double*, const double*, double*,
                                const Epilogue<double>&);
template void depthwise_backward_data(const ConvShape&, const float*, const float*, float*);
template void depthwise_backward_data(const ConvShape&, const double*, const double*, double*);
template void depthwise_backward_weights(const ConvShape&, const float*, const float*, float*);
template void depthwise_backward_weights(const ConvShape&, const double*, const double*, double*);

}  // namespace nnkernels::detail
