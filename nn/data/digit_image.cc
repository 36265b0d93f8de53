#include "nn/data/digit_image.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <stdexcept>
#include <vector>

#include "nn/data/resample.h"
#include "nn/file_error.h"

namespace nnkernels::nn {
namespace {

/// Less contrast than this, in grey levels of 255, is paper and not ink.
constexpr int kLeastContrast = 24;
/// Ink fainter than this part of full ink does not move the bounding box. The antialiased rim of
/// MNIST's own digits is mostly above it, the ringing of JPEG below.
constexpr double kFaint = 0.04;
/// How far, in median absolute deviations, noise reaches: 4 standard deviations of a normal one.
constexpr double kNoiseReach = 4 * 1.4826;
/// Full ink is the level that this part of the ink exceeds: speckles do not set the scale.
constexpr double kBrightest = 0.05;
/// Rows and columns with less ink than this part of the fullest one do not move the bounding box:
/// speckles. A stroke that is as thin as that would be invisible in 20 pixels.
constexpr double kSpeckles = 0.01;
/// Frames within frames that are peeled off at most.
constexpr int kMaxFrames = 4;

/// Columns [left, right) of rows [top, bottom).
struct Box {
  std::int64_t left, top, right, bottom;
  std::int64_t w() const { return right - left; }
  std::int64_t h() const { return bottom - top; }
};

using Histogram = std::array<std::int64_t, 256>;

/// The level that `part` of the counted pixels do not exceed.
int quantile(const Histogram& histogram, double part) {
  std::int64_t total = 0;
  for (const std::int64_t count : histogram) total += count;
  const double wanted = part * static_cast<double>(total);
  std::int64_t seen = 0;
  for (int level = 0; level < 255; ++level) {
    seen += histogram[static_cast<std::size_t>(level)];
    if (static_cast<double>(seen) >= wanted) return level;
  }
  return 255;
}

Histogram histogram_of(const GreyImage& picture, const Box& box) {
  Histogram histogram{};
  for (std::int64_t y = box.top; y < box.bottom; ++y) {
    const std::uint8_t* row = &picture.pixels[static_cast<std::size_t>(y * picture.w)];
    for (std::int64_t x = box.left; x < box.right; ++x) ++histogram[row[x]];
  }
  return histogram;
}

/// Of the pixels on the outline of `box`.
Histogram outline_histogram(const GreyImage& picture, const Box& box) {
  Histogram outline = histogram_of(picture, box);
  const Box inside{box.left + 1, box.top + 1, box.right - 1, box.bottom - 1};
  const Histogram inner = histogram_of(picture, inside);
  for (std::size_t level = 0; level < outline.size(); ++level) outline[level] -= inner[level];
  return outline;
}

/// What a grey level of a picture means.
struct Ink {
  int contrast = 0;                    // of full ink against the background, in grey levels
  std::array<std::uint8_t, 256> of{};  // 0 background to 255 full ink
  int threshold = 255;                 // what is below counts as background for the bounding box
};

/// Finds background and ink of the part of a picture in `box`; none if it has no contrast.
std::optional<Ink> find_ink(const GreyImage& picture, const Box& box) {
  const Histogram outline = outline_histogram(picture, box);
  const int background = quantile(outline, 0.5);
  Histogram deviation{};
  for (int level = 0; level < 256; ++level) {
    deviation[static_cast<std::size_t>(std::abs(level - background))] +=
        outline[static_cast<std::size_t>(level)];
  }
  const double noise = kNoiseReach * quantile(deviation, 0.5);

  // Squares, so that a little strong ink outweighs much weak shading.
  const Histogram all = histogram_of(picture, box);
  double darker = 0;
  double lighter = 0;
  for (int level = 0; level < 256; ++level) {
    const double distance = level - background;
    (distance < 0 ? darker : lighter) +=
        distance * distance * static_cast<double>(all[static_cast<std::size_t>(level)]);
  }
  const int side = darker > lighter ? -1 : 1;

  Histogram ink_levels{};
  const double least = std::max<double>(noise, kLeastContrast - 1);
  for (int level = 0; level < 256; ++level) {
    const int depth = side * (level - background);
    if (depth > least) {
      ink_levels[static_cast<std::size_t>(depth)] += all[static_cast<std::size_t>(level)];
    }
  }
  if (ink_levels == Histogram{}) return std::nullopt;

  Ink ink;
  ink.contrast = quantile(ink_levels, 1 - kBrightest);
  for (int level = 0; level < 256; ++level) {
    const double depth = 255.0 * side * (level - background) / ink.contrast;
    ink.of[static_cast<std::size_t>(level)] =
        static_cast<std::uint8_t>(std::lround(std::clamp(depth, 0.0, 255.0)));
  }
  ink.threshold =
      static_cast<int>(std::ceil(std::min(255.0, 255 * std::max(kFaint, noise / ink.contrast))));
  return ink;
}

/// Narrows the range [begin, end) of lines by those at its ends that have next to no ink.
void trim(const std::vector<std::int64_t>& ink, std::int64_t& begin, std::int64_t& end) {
  const auto most = static_cast<double>(*std::max_element(ink.begin(), ink.end()));
  const auto is_speckled = [&](std::int64_t line) {
    return static_cast<double>(ink[static_cast<std::size_t>(line)]) < kSpeckles * most;
  };
  while (is_speckled(begin)) ++begin;
  while (is_speckled(end - 1)) --end;
}

/// The box around the ink of `box`, which has some, but for a few speckles.
Box ink_box(const GreyImage& picture, const Box& box, const Ink& ink) {
  std::vector<std::int64_t> columns(static_cast<std::size_t>(picture.w));
  std::vector<std::int64_t> rows(static_cast<std::size_t>(picture.h));
  for (std::int64_t y = box.top; y < box.bottom; ++y) {
    const std::uint8_t* row = &picture.pixels[static_cast<std::size_t>(y * picture.w)];
    std::int64_t sum = 0;
    for (std::int64_t x = box.left; x < box.right; ++x) {
      const std::uint8_t value = ink.of[row[x]];
      if (value < ink.threshold) continue;
      columns[static_cast<std::size_t>(x)] += value;
      sum += value;
    }
    rows[static_cast<std::size_t>(y)] = sum;
  }
  Box result = box;
  trim(columns, result.left, result.right);
  trim(rows, result.top, result.bottom);
  return result;
}

/// True if the outline of `box` is ink all around, as that of a frame or of a card on a table is.
bool is_frame(const GreyImage& picture, const Box& box, const Ink& ink) {
  if (box.w() < 5 || box.h() < 5) return false;
  const Histogram outline = outline_histogram(picture, box);
  std::int64_t total = 0;
  std::int64_t inked = 0;
  for (std::size_t level = 0; level < outline.size(); ++level) {
    total += outline[level];
    if (ink.of[level] >= 128) inked += outline[level];
  }
  return inked * 20 >= total * 19;
}

struct Found {
  Box box;
  Ink ink;
};

Found find_digit(const GreyImage& picture) {
  Box area{0, 0, picture.w, picture.h};
  std::optional<Ink> ink = find_ink(picture, area);
  if (!ink) throw std::invalid_argument("to_digit: the picture shows no ink (no contrast)");
  Found found{ink_box(picture, area, *ink), *ink};
  for (int i = 0; i < kMaxFrames && is_frame(picture, found.box, found.ink); ++i) {
    ink = find_ink(picture, found.box);
    // A thick stroke that fills its box looks like a frame, but has nothing in it.
    if (!ink || 2 * ink->contrast < found.ink.contrast) break;
    found = {ink_box(picture, found.box, *ink), *ink};
  }
  return found;
}

/// The ink in found.box, scaled to w x h: row-major, 0 to 255.
std::vector<double> scaled_ink(const GreyImage& picture, const Found& found, std::int64_t w,
                               std::int64_t h) {
  const Box& box = found.box;
  const auto columns = resampling(box.w(), w);
  const auto rows = resampling(box.h(), h);
  std::vector<double> narrow(static_cast<std::size_t>(box.h() * w));  // [box.h][w]
  for (std::int64_t y = 0; y < box.h(); ++y) {
    const std::uint8_t* row =
        &picture.pixels[static_cast<std::size_t>((box.top + y) * picture.w + box.left)];
    for (std::int64_t x = 0; x < w; ++x) {
      double sum = 0;
      for (const Tap& tap : columns[static_cast<std::size_t>(x)]) {
        const std::uint8_t ink = found.ink.of[row[tap.pixel]];
        if (ink >= found.ink.threshold) sum += tap.weight * ink;
      }
      narrow[static_cast<std::size_t>(y * w + x)] = sum;
    }
  }
  std::vector<double> scaled(static_cast<std::size_t>(w * h));
  for (std::int64_t y = 0; y < h; ++y) {
    for (const Tap& tap : rows[static_cast<std::size_t>(y)]) {
      for (std::int64_t x = 0; x < w; ++x) {
        scaled[static_cast<std::size_t>(y * w + x)] +=
            tap.weight * narrow[static_cast<std::size_t>(tap.pixel * w + x)];
      }
    }
  }
  return scaled;
}

/// Where a line of `length` pixels must begin among kDigitSide for `centre`, counted from its own
/// first pixel, to lie in the middle.
std::int64_t centred_start(double centre, std::int64_t length) {
  const auto start = std::lround(static_cast<double>(kDigitSide) / 2 - centre);
  return std::clamp<std::int64_t>(start, 0, kDigitSide - length);
}

}  // namespace

GreyImage to_digit(const GreyImage& picture) {
  if (picture.w < 1 || picture.h < 1 ||
      static_cast<std::int64_t>(picture.pixels.size()) != picture.w * picture.h) {
    throw std::invalid_argument("to_digit: expected a picture of w x h >= 1 x 1 pixels, got " +
                                std::to_string(picture.w) + " x " + std::to_string(picture.h) +
                                " with " + std::to_string(picture.pixels.size()));
  }
  const Found found = find_digit(picture);
  const std::int64_t longer = std::max(found.box.w(), found.box.h());
  const auto fitted = [&](std::int64_t side) {
    return std::max<std::int64_t>(1, (side * kDigitBox + longer / 2) / longer);
  };
  const std::int64_t w = fitted(found.box.w());
  const std::int64_t h = fitted(found.box.h());
  const std::vector<double> ink = scaled_ink(picture, found, w, h);

  double mass = 0;
  double moment_x = 0;
  double moment_y = 0;
  for (std::int64_t y = 0; y < h; ++y) {
    for (std::int64_t x = 0; x < w; ++x) {
      const double value = ink[static_cast<std::size_t>(y * w + x)];
      mass += value;
      moment_x += value * static_cast<double>(x);
      moment_y += value * static_cast<double>(y);
    }
  }
  const std::int64_t left = centred_start(moment_x / mass, w);
  const std::int64_t top = centred_start(moment_y / mass, h);

  GreyImage digit{kDigitSide, kDigitSide, std::vector<std::uint8_t>(kDigitSide * kDigitSide)};
  for (std::int64_t y = 0; y < h; ++y) {
    for (std::int64_t x = 0; x < w; ++x) {
      digit.pixels[static_cast<std::size_t>((top + y) * kDigitSide + left + x)] =
          static_cast<std::uint8_t>(std::lround(ink[static_cast<std::size_t>(y * w + x)]));
    }
  }
  return digit;
}

GreyImage read_digit(const std::string& path) {
  const GreyImage picture = read_image(path);
  try {
    return to_digit(picture);
  } catch (const std::invalid_argument&) {
    throw FileError(path, "no digit found: the background must be even, and the digit at least " +
                              std::to_string(kLeastContrast) + " grey levels darker or lighter");
  }
}

}  // namespace nnkernels::nn
