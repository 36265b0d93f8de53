#include "cli/contact_sheet.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "cli/output.h"

namespace nnkernels::cli {
namespace {

constexpr std::int64_t kCellWidth = 14;
constexpr std::int64_t kCellHeight = 28;
constexpr std::size_t kInARow = 5;
constexpr std::size_t kMostCells = 20;
constexpr std::string_view kUpperHalf = "\xE2\x96\x80";  // U+2580
constexpr std::string_view kRamp = " .:-=+*#%@";

/// Red, green and blue from 0 to 1.
using Colour = std::array<double, 3>;

/// An image, scaled.
struct Cell {
  std::string name;
  std::int64_t h = 0;
  std::int64_t w = 0;
  std::vector<Colour> pixels;  // [h][w]

  /// Black beyond the edge.
  Colour at(std::int64_t y, std::int64_t x) const {
    return y < h && x < w ? pixels[static_cast<std::size_t>(y * w + x)] : Colour{};
  }
};

/// One image of a data set, its numbers brought to 0..1.
class Image {
 public:
  Image(const nn::Dataset& data, std::int64_t sample)
      : data_(data), start_(sample * data.h * data.w * data.c), high_(data.full) {
    if (data.values.empty()) return;
    const auto begin = data.values.begin() + start_;
    const auto [low, high] = std::minmax_element(begin, begin + data.h * data.w * data.c);
    low_ = static_cast<double>(*low);
    high_ = *high > *low ? static_cast<double>(*high) : low_ + 1;
  }

  Colour at(std::int64_t y, std::int64_t x) const {
    const std::int64_t pixel = start_ + (y * data_.w + x) * data_.c;
    if (data_.c == 3) return {level(pixel), level(pixel + 1), level(pixel + 2)};
    double sum = 0;
    for (std::int64_t c = 0; c < data_.c; ++c) sum += level(pixel + c);
    const double mean = sum / static_cast<double>(data_.c);
    return {mean, mean, mean};
  }

 private:
  double level(std::int64_t i) const {
    const auto at = static_cast<std::size_t>(i);
    const double value = data_.values.empty() ? static_cast<double>(data_.pixels[at])
                                              : static_cast<double>(data_.values[at]);
    return std::clamp((value - low_) / (high_ - low_), 0.0, 1.0);
  }

  const nn::Dataset& data_;
  std::int64_t start_;
  double low_ = 0;
  double high_;
};

/// The first of the pixels that make up pixel `i` of `to`, of `from` in all.
std::int64_t first_pixel(std::int64_t i, std::int64_t from, std::int64_t to) {
  return i * from / to;
}

/// Each pixel is the mean of those it covers.
Cell scaled(const nn::Dataset& data, std::int64_t sample) {
  const double scale = std::min({1.0, static_cast<double>(kCellWidth) / static_cast<double>(data.w),
                                 static_cast<double>(kCellHeight) / static_cast<double>(data.h)});
  const auto side = [scale](std::int64_t length) {
    return std::max<std::int64_t>(1, std::llround(scale * static_cast<double>(length)));
  };
  Cell cell{.name = one_line(class_name(data, data.labels[static_cast<std::size_t>(sample)])),
            .h = side(data.h),
            .w = side(data.w),
            .pixels = {}};
  cell.pixels.reserve(static_cast<std::size_t>(cell.h * cell.w));
  const Image image(data, sample);
  for (std::int64_t y = 0; y < cell.h; ++y) {
    const std::int64_t top = first_pixel(y, data.h, cell.h);
    const std::int64_t bottom = first_pixel(y + 1, data.h, cell.h);
    for (std::int64_t x = 0; x < cell.w; ++x) {
      const std::int64_t left = first_pixel(x, data.w, cell.w);
      const std::int64_t right_end = first_pixel(x + 1, data.w, cell.w);
      Colour sum{};
      for (std::int64_t v = top; v < bottom; ++v) {
        for (std::int64_t u = left; u < right_end; ++u) {
          const Colour pixel = image.at(v, u);
          for (std::size_t c = 0; c < sum.size(); ++c) sum[c] += pixel[c];
        }
      }
      const auto count = static_cast<double>((bottom - top) * (right_end - left));
      for (double& channel : sum) channel /= count;
      cell.pixels.push_back(sum);
    }
  }
  return cell;
}

/// The nearest of the 256 colours: 24 greys (232 on), or a cube of 6 x 6 x 6 (16 on).
std::string colour_code(const Colour& colour) {
  const auto nearest = [](double level, int steps) {
    return static_cast<int>(std::lround(level * (steps - 1)));
  };
  if (colour[0] == colour[1] && colour[1] == colour[2]) {
    return std::to_string(232 + nearest(colour[0], 24));
  }
  return std::to_string(16 + 36 * nearest(colour[0], 6) + 6 * nearest(colour[1], 6) +
                        nearest(colour[2], 6));
}

std::string row_of_blocks(const Cell& cell, std::int64_t y) {
  std::string text;
  for (std::int64_t x = 0; x < cell.w; ++x) {
    text +=
        "\x1b[38;5;" + colour_code(cell.at(y, x)) + ";48;5;" + colour_code(cell.at(y + 1, x)) + "m";
    text += kUpperHalf;
  }
  return text + "\x1b[0m";
}

std::string row_of_ascii(const Cell& cell, std::int64_t y) {
  std::string text;
  for (std::int64_t x = 0; x < cell.w; ++x) {
    double light = 0;
    for (const Colour& colour : {cell.at(y, x), cell.at(y + 1, x)}) {
      light += (0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]) / 2;
    }
    const double step =
        std::min(light * static_cast<double>(kRamp.size()), static_cast<double>(kRamp.size() - 1));
    text += kRamp[static_cast<std::size_t>(step)];
  }
  return text;
}

/// The first image of each class, by class.
std::vector<Cell> pick(const nn::Dataset& data) {
  std::vector<std::int64_t> first(static_cast<std::size_t>(data.classes), -1);
  for (std::int64_t i = data.n - 1; i >= 0; --i) {
    first[static_cast<std::size_t>(data.labels[static_cast<std::size_t>(i)])] = i;
  }
  std::vector<Cell> cells;
  cells.reserve(kMostCells);
  for (const std::int64_t sample : first) {
    if (sample >= 0 && cells.size() < kMostCells) cells.push_back(scaled(data, sample));
  }
  return cells;
}

/// Blanks at the end of a line would only make it longer.
std::string without_tail(std::string line) {
  line.resize(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

SheetStyle sheet_style() {
  // As setlocale() does: the first one that is set counts.
  std::string locale = environment("LC_ALL");
  if (locale.empty()) locale = environment("LC_CTYPE");
  if (locale.empty()) locale = environment("LANG");
  std::transform(locale.begin(), locale.end(), locale.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  const bool utf8 =
      locale.find("utf-8") != std::string::npos || locale.find("utf8") != std::string::npos;
  const std::string terminal = environment("TERM");
  const bool colours = !terminal.empty() && terminal != "dumb" && environment("NO_COLOR").empty();
  return ::isatty(STDOUT_FILENO) != 0 && utf8 && colours ? SheetStyle::blocks : SheetStyle::ascii;
}

std::string contact_sheet(const nn::Dataset& data, SheetStyle style) {
  if (data.h < 2 || data.w < 2) return {};
  const std::vector<Cell> cells = pick(data);
  std::string sheet;
  for (std::size_t first = 0; first < cells.size(); first += kInARow) {
    const std::size_t last = std::min(first + kInARow, cells.size());
    std::int64_t height = 0;
    std::string names;
    for (std::size_t i = first; i < last; ++i) {
      height = std::max(height, cells[i].h);
      names += left(first_of(cells[i].name, kCellWidth), kCellWidth + 2);
    }
    sheet += without_tail(names);
    for (std::int64_t y = 0; y < height; y += 2) {
      std::string line;
      for (std::size_t i = first; i < last; ++i) {
        line +=
            style == SheetStyle::blocks ? row_of_blocks(cells[i], y) : row_of_ascii(cells[i], y);
        line.append(static_cast<std::size_t>(kCellWidth + 2 - cells[i].w), ' ');
      }
      sheet += without_tail(line);
    }
    if (last < cells.size()) sheet += "\n";
  }
  return sheet;
}

}  // namespace nnkernels::cli
