// How a depthwise convolution is cut into blocks of pixels and channels. Internal to kernels/.
#ifndef NNKERNELS_KERNELS_DEPTHWISE_BLOCKS_H_
#define NNKERNELS_KERNELS_DEPTHWISE_BLOCKS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <numeric>
#include <span>

#include "kernels/aligned_buffer.h"
#include "kernels/gemm_tile.h"
#include "kernels/scratch.h"

namespace nnkernels::detail {

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
  /// The inputs [first, last) that outputs [begin, end) meet, and perhaps some between.
  struct Range {
    std::int64_t first, last;
  };
  Range inputs_of(std::int64_t begin, std::int64_t end) const {
    if (taps == 0 || begin == end) return {0, 0};
    const auto [low, high] = std::minmax(
        {input(begin, 0), input(begin, taps - 1), input(end - 1, 0), input(end - 1, taps - 1)});
    return {std::clamp<std::int64_t>(low, 0, inputs),
            std::clamp<std::int64_t>(high + 1, 0, inputs)};
  }
};

/// Neighbouring outputs [first, end) that meet the same taps.
struct Run {
  std::int64_t first, end;
  Taps taps;
};

/// All outputs of a plane in runs.
struct Runs {
  std::span<const Run> down, across;
};

/// Writes the runs of one direction to `list`, at most 2 * axis.taps + 1: each end of each tap's
/// range may begin a new one.
inline std::span<const Run> runs_of(const Axis& axis, Run* list) {
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

/// The runs of both directions; valid until this thread's next call.
inline Runs runs(const Axis& height, const Axis& width) {
  const std::int64_t most = 2 * height.taps + 1;
  Run* const list = scratch<Run>(Purpose::offsets, most + 2 * width.taps + 1);
  return {runs_of(height, list), runs_of(width, list + most)};
}

/// A rectangle of outputs that meet the same taps.
struct OutputBlock {
  Run rows, cols;
};

/// Calls use(block) for blocks of at most `rows` x `cols` outputs (where a run is narrower than
/// that, of as many more rows) that cover rows [first, last) of a plane. They go down a strip of
/// the plane before the next, so that most of what a block reads is in the L1 cache, where the one
/// above has left it: whole rows would not fit.
template <class F>
void for_each_block(const Runs& runs, std::int64_t first, std::int64_t last, std::int64_t rows,
                    std::int64_t cols, const F& use) {
  for (const Run& across : runs.across) {
    for (std::int64_t col = across.first; col < across.end; col += cols) {
      const std::int64_t width = std::min(cols, across.end - col), height = rows * cols / width;
      for (const Run& down : runs.down) {
        const std::int64_t end = std::min(last, down.end);
        for (std::int64_t row = std::max(first, down.first); row < end; row += height) {
          use(OutputBlock{{row, std::min(end, row + height), down.taps},
                          {col, col + width, across.taps}});
        }
      }
    }
  }
}

/// How wide blocks of `rows` rows, at most `most` outputs wide, should be: what a block meets and
/// writes should still be in the L1 cache when the next one down the strip comes. It has `places`
/// for pixels, few if they lie a large power of two apart and so share a few sets. Where even
/// narrow blocks do not fit, pixels are copied together first, unless a stride down lets too few
/// outputs meet each of them. Taps that lie apart (dilation) count as if they did not.
struct StripCut {
  StripCut(const Axis& height, const Axis& width, std::int64_t places, std::int64_t rows,
           std::int64_t most)
      : cols(most) {
    constexpr std::int64_t kLeast = 4;
    const auto met = [](const Axis& axis, std::int64_t outputs) {
      return std::abs(axis.step) * (outputs - 1) + axis.taps;
    };
    const auto pixels = [&] { return met(height, rows) * met(width, cols) + rows * cols; };
    while (cols > kLeast && pixels() > places) cols /= 2;
    copied = height.step == 1 && pixels() > places;
    if (copied) cols = most;
    strip = pixels();
  }
  std::int64_t cols;
  bool copied;
  std::int64_t strip;  // how many pixels that are
};

/// Some rows of some channels of an image.
template <class T>
struct Plane {
  const T* data;
  std::int64_t first_row;
  std::ptrdiff_t line, pixel;  // elements from one row, or pixel, to the next

  const T* at(std::int64_t row, std::int64_t col) const {
    return data + (row - first_row) * line + col * pixel;
  }
};

/// An image [rows][cols][channels] taken apart into planes of so many channels that `strip` pixels
/// of them stay in the L1 cache.
template <class T>
class Planes {
 public:
  Planes(std::int64_t cols, std::int64_t channels, std::int64_t strip, bool copied)
      : cols_(cols), channels_(channels), strip_(strip), copied_(copied) {}

  /// How many pixels the L1 cache has places for: lines that are `channels` apart.
  static std::int64_t places(std::int64_t channels) {
    constexpr std::int64_t kSets = 64, kWays = 8;
    return kSets / std::gcd(kSets, std::max<std::int64_t>(1, channels / kLine)) * kWays;
  }
  /// How many channels a plane of `rows` rows should have.
  std::int64_t channels_at_a_time(std::int64_t rows) const {
    constexpr std::int64_t kInL1 = 3 << 13, kInL2 = 1 << 17;
    std::int64_t lines = kInL1 / kLineBytes / strip_;
    if (copied_) {
      lines = std::min(lines, kInL2 / kLineBytes / std::max<std::int64_t>(1, rows * cols_));
      if (lines % 2 == 0) --lines;  // pixels an odd number of lines apart use all sets
    }
    return std::min(channels_, std::max<std::int64_t>(1, lines) * kLine);
  }

  /// Rows [first, last) of channels [c, c + count) of `image`. A copy is valid until this thread
  /// asks for the same purpose again.
  Plane<T> plane(const T* image, std::int64_t first, std::int64_t last, std::int64_t c,
                 std::int64_t count, Purpose purpose) const {
    const T* const data = image + first * cols_ * channels_ + c;
    if (!copied_) return {data, first, cols_ * channels_, channels_};
    const std::int64_t pixels = (last - first) * cols_;
    T* const copy = scratch<T>(purpose, pixels * count);
    tile_kernels<T>().pack(data, 1, channels_, count, count, pixels, copy);
    return {copy, first, cols_ * count, count};
  }

 private:
  static constexpr auto kLineBytes = static_cast<std::int64_t>(kAlignment);
  static constexpr std::int64_t kLine = kLineBytes / static_cast<std::int64_t>(sizeof(T));
  std::int64_t cols_, channels_, strip_;
  bool copied_;
};

}  // namespace nnkernels::detail

#endif  // NNKERNELS_KERNELS_DEPTHWISE_BLOCKS_H_
