// How a depthwise convolution is cut into blocks of pixels and channels. Internal to kernels/.
#ifndef NNKERNELS_KERNELS_DEPTHWISE_BLOCKS_H_
#define NNKERNELS_KERNELS_DEPTHWISE_BLOCKS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <numeric>
#include <span>

#include "kernels/aligned_buffer.h"
#include "kernels/row_tiles.h"
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
  /// How many outputs meet all taps.
  std::int64_t inside() const {
    const std::int64_t reach = (taps - 1) * tap_step;
    const std::int64_t low = offset + std::min<std::int64_t>(0, reach);
    const std::int64_t high = offset + std::max<std::int64_t>(0, reach);
    const std::int64_t first = low >= 0 ? 0 : (step - 1 - low) / step;
    const std::int64_t end = high >= inputs ? 0 : (inputs - 1 - high) / step + 1;
    return std::max<std::int64_t>(0, std::min(outputs, end) - first);
  }
  /// How many inputs, those between included, so many neighbouring outputs meet.
  std::int64_t met(std::int64_t count) const {
    return (count - 1) * std::abs(step) + (taps - 1) * std::abs(tap_step) + 1;
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

/// The one run of each direction where every output meets every tap; valid as runs() are.
inline Runs whole(const Axis& height, const Axis& width) {
  Run* const list = scratch<Run>(Purpose::offsets, 2);
  list[0] = {0, height.outputs, {0, height.taps}};
  list[1] = {0, width.outputs, {0, width.taps}};
  return {{list, 1}, {list + 1, 1}};
}

/// A rectangle of outputs that meet the same taps.
struct OutputBlock {
  Run rows, cols;
};

/// Calls use(block) for blocks of at most `rows` x `cols` outputs, or as many more rows where a run
/// is narrower than that, that cover rows [first, last) of a plane. Blocks go down a strip of the
/// plane before the next, so that most of what one reads is in the L1 cache, where the one above
/// has left it: whole rows would not fit.
template <class F>
void for_each_block(const Runs& runs, std::int64_t first, std::int64_t last, std::int64_t rows,
                    std::int64_t cols, const F& use) {
  for (const Run& across : runs.across) {
    const RowTiles strips(across.end - across.first, cols);
    for (std::int64_t strip = 0; strip < strips.count(); ++strip) {
      const std::int64_t col = across.first + strips.begin(strip), width = strips.size(strip);
      const std::int64_t height = rows * cols / width;
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

/// How wide blocks of `rows` rows should be: what a block meets and writes should still be in the
/// L1 cache when the next one down the strip comes. It has `places` for pixels, few if they lie a
/// large power of two apart and so share a few sets. Where even narrow blocks do not fit, pixels
/// are copied together first, unless a stride down lets too few outputs meet each of them. Blocks
/// of `most` columns become wider where `in_l1` pixels with all their channels allow it: memory is
/// then read in longer runs. Taps that lie apart (dilation) count as if they did not, and a stride
/// beyond the image as its size, so that the product has a place in 64 bits.
struct StripCut {
  StripCut(const Axis& height, const Axis& width, std::int64_t places, std::int64_t in_l1,
           std::int64_t rows, std::int64_t most)
      : cols(most) {
    constexpr std::int64_t kLeast = 4;
    const auto met = [](const Axis& axis, std::int64_t outputs) {
      return std::min(std::abs(axis.step), axis.inputs) * (outputs - 1) + axis.taps;
    };
    const auto pixels = [&](std::int64_t across) {
      return met(height, rows) * met(width, across) + rows * across;
    };
    while (cols > kLeast && pixels(cols) > places) cols /= 2;
    const bool any = height.taps > 0 && width.taps > 0;
    copied = any && height.step == 1 && pixels(cols) > places;
    if (copied) cols = most;
    strip = pixels(cols);
    if (copied) return;
    while (cols < width.outputs && pixels(cols + most) <= in_l1) cols += most;
  }
  std::int64_t cols;
  bool copied;
  std::int64_t strip;  // how many pixels that are
};

/// Whether so much of a plane is border, in blocks of their own for each set of taps, that a copy
/// with zeros around it takes less time.
inline bool is_mostly_border(const Axis& height, const Axis& width) {
  const bool any = height.taps > 0 && width.taps > 0;
  return any && 2 * height.inside() * width.inside() < height.outputs * width.outputs;
}

/// Some channels of an image, or of a part of it.
template <class T>
struct Plane {
  const T* data;               // of the first row and column that there are
  std::int64_t row, col;       // which these are
  std::ptrdiff_t line, pixel;  // elements from one row, or pixel, to the next

  const T* at(std::int64_t r, std::int64_t c) const {
    return data + (r - row) * line + (c - col) * pixel;
  }
};

/// How many pixels the L1 cache has places for: lines that are `channels` elements apart.
template <class T>
std::int64_t places(std::int64_t channels) {
  constexpr std::int64_t kSets = 64, kWays = 8, kLine = kAlignment / sizeof(T);
  return kSets / std::gcd(kSets, std::max<std::int64_t>(1, channels / kLine)) * kWays;
}

/// How many pixels stay in the L1 cache with all their channels.
template <class T>
std::int64_t pixels_in_l1(std::int64_t channels) {
  constexpr std::int64_t kInL1 = 1 << 15, kSize = sizeof(T);
  return std::min(places<T>(channels), kInL1 / (channels * kSize));
}

/// How many channels of `strip` pixels stay in the L1 cache.
template <class T>
std::int64_t strip_channels(std::int64_t strip) {
  constexpr std::int64_t kInL1 = 3 << 13, kSize = sizeof(T);
  return std::max<std::int64_t>(1, kInL1 / kAlignment / strip) * (kAlignment / kSize);
}

/// The same for copies of `pixels` pixels, which stay in the L2 cache. Pixels an odd number of
/// lines apart use all sets.
template <class T>
std::int64_t copied_channels(std::int64_t strip, std::int64_t pixels) {
  constexpr std::int64_t kInL2 = 1 << 17, kLine = kAlignment / sizeof(T);
  const std::int64_t in_l2 = kInL2 / kAlignment / std::max<std::int64_t>(1, pixels);
  const std::int64_t lines = std::min(strip_channels<T>(strip) / kLine, in_l2);
  return std::max<std::int64_t>(1, lines % 2 == 0 ? lines - 1 : lines) * kLine;
}

}  // namespace nnkernels::detail

#endif  // NNKERNELS_KERNELS_DEPTHWISE_BLOCKS_H_
