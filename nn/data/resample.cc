#include "nn/data/resample.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

namespace nnkernels::nn {

std::vector<std::vector<Tap>> resampling(std::int64_t from, std::int64_t to) {
  if (from < 1 || to < 1) {
    throw std::invalid_argument("resampling: expected lines of 1 pixel or more, got " +
                                std::to_string(from) + " and " + std::to_string(to));
  }
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  std::vector<std::vector<Tap>> taps(static_cast<std::size_t>(to));
  for (std::int64_t i = 0; i < to; ++i) {
    std::vector<Tap>& line = taps[static_cast<std::size_t>(i)];
    if (scale >= 1) {
      const double begin = static_cast<double>(i) * scale;
      const double end = std::min(static_cast<double>(from), begin + scale);
      for (auto pixel = static_cast<std::int64_t>(begin); static_cast<double>(pixel) < end;
           ++pixel) {
        const double overlap = std::min(end, static_cast<double>(pixel) + 1) -
                               std::max(begin, static_cast<double>(pixel));
        if (overlap > 0) line.push_back({pixel, overlap / scale});
      }
    } else {
      const double centre = std::clamp((static_cast<double>(i) + 0.5) * scale - 0.5, 0.0,
                                       static_cast<double>(from - 1));
      const auto pixel = static_cast<std::int64_t>(centre);
      const double part = centre - static_cast<double>(pixel);
      line.push_back({pixel, 1 - part});
      if (part > 0) line.push_back({pixel + 1, part});
    }
  }
  return taps;
}

Picture resized(const Picture& picture, std::int64_t h, std::int64_t w) {
  if (picture.c < 1 ||
      static_cast<std::int64_t>(picture.pixels.size()) != picture.h * picture.w * picture.c) {
    throw std::invalid_argument("resized: expected h x w x c pixels, got " +
                                std::to_string(picture.pixels.size()));
  }
  const auto rows = resampling(picture.h, h);
  const auto columns = resampling(picture.w, w);
  const std::int64_t c = picture.c;
  std::vector<double> narrow(static_cast<std::size_t>(picture.h * w * c));  // [picture.h][w][c]
  auto to = narrow.begin();
  for (std::int64_t y = 0; y < picture.h; ++y) {
    for (const std::vector<Tap>& taps : columns) {
      for (const Tap& tap : taps) {
        const std::int64_t from = (y * picture.w + tap.pixel) * c;
        for (std::int64_t channel = 0; channel < c; ++channel) {
          to[channel] += tap.weight * picture.pixels[static_cast<std::size_t>(from + channel)];
        }
      }
      to += c;
    }
  }
  Picture result{.w = w, .h = h, .c = c, .pixels = {}};
  result.pixels.reserve(static_cast<std::size_t>(h * w * c));
  std::vector<double> sum(static_cast<std::size_t>(w * c));
  for (const std::vector<Tap>& taps : rows) {
    std::fill(sum.begin(), sum.end(), 0.0);
    for (const Tap& tap : taps) {
      for (std::size_t x = 0; x < sum.size(); ++x) {
        sum[x] += tap.weight * narrow[static_cast<std::size_t>(tap.pixel) * sum.size() + x];
      }
    }
    for (const double value : sum) {
      result.pixels.push_back(static_cast<std::uint8_t>(std::lround(std::min(value, 255.0))));
    }
  }
  return result;
}

}  // namespace nnkernels::nn
