#include "cli/report_images.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "nn/affine.h"
#include "nn/conv2d.h"
#include "nn/data/png_writer.h"

namespace nnkernels::cli {
namespace {

constexpr std::int64_t kMaxFilters = 64;
constexpr std::int64_t kMaxChannels = 8;  // of a filter, side by side

/// RFC 4648.
std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (; !bytes.empty(); bytes.remove_prefix(std::min<std::size_t>(3, bytes.size()))) {
    const auto byte = [&](std::size_t i) {
      return i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0u;
    };
    const unsigned group = byte(0) << 16 | byte(1) << 8 | byte(2);
    text += kDigits[group >> 18];
    text += kDigits[group >> 12 & 63];
    text += bytes.size() > 1 ? kDigits[group >> 6 & 63] : '=';
    text += bytes.size() > 2 ? kDigits[group & 63] : '=';
  }
  return text;
}

PageImage page_image(std::int64_t w, std::int64_t h, std::int64_t c,
                     const std::vector<std::uint8_t>& pixels) {
  return {"data:image/png;base64," + base64(nn::encode_png(w, h, c, pixels)), w, h};
}

/// The weights of one filter: h x w x c numbers that lie `step` apart.
struct Filter {
  const float* data;
  std::int64_t h, w, c;
  std::int64_t step;

  float at(std::int64_t y, std::int64_t x, std::int64_t channel) const {
    return data[((y * w + x) * c + channel) * step];
  }
  float largest() const {
    float most = 0;
    for (std::int64_t i = 0; i < h * w * c; ++i) most = std::max(most, std::abs(data[i * step]));
    return most;
  }
};

/// From white to the colour of the sign; `t` is from -1 to 1.
std::array<std::uint8_t, 3> sign_colour(float t) {
  constexpr std::array<float, 3> kZero = {247, 247, 247};
  constexpr std::array<float, 3> kAbove = {178, 24, 43};
  constexpr std::array<float, 3> kBelow = {33, 102, 172};
  std::array<std::uint8_t, 3> colour{};
  for (std::size_t i = 0; i < 3; ++i) {
    const float end = t > 0 ? kAbove[i] : kBelow[i];
    colour[i] = static_cast<std::uint8_t>(kZero[i] + std::abs(t) * (end - kZero[i]));
  }
  return colour;
}

PageImage filter_image(const Filter& filter) {
  const float largest = filter.largest();
  const float scale = largest > 0 && std::isfinite(largest) ? 1 / largest : 0;
  std::vector<std::uint8_t> pixels;
  if (filter.c == 3) {
    pixels.reserve(static_cast<std::size_t>(filter.h * filter.w * 3));
    for (std::int64_t i = 0; i < filter.h * filter.w * 3; ++i) {
      const float t = scale * filter.data[i * filter.step];
      pixels.push_back(static_cast<std::uint8_t>(127.5F + 127.5F * t));
    }
    return page_image(filter.w, filter.h, 3, pixels);
  }
  const std::int64_t channels = std::min(filter.c, kMaxChannels);
  pixels.reserve(static_cast<std::size_t>(filter.h * filter.w * channels * 3));
  for (std::int64_t y = 0; y < filter.h; ++y) {
    for (std::int64_t channel = 0; channel < channels; ++channel) {
      for (std::int64_t x = 0; x < filter.w; ++x) {
        for (const std::uint8_t part : sign_colour(scale * filter.at(y, x, channel))) {
          pixels.push_back(part);
        }
      }
    }
  }
  return page_image(filter.w * channels, filter.h, 3, pixels);
}

}  // namespace

PageImage sample_image(const nn::Dataset& data, std::int64_t i) {
  const std::int64_t shown = data.c >= 3 ? 3 : 1;
  const std::int64_t size = data.h * data.w * data.c;
  const auto value = [&](std::int64_t at) {
    const auto index = static_cast<std::size_t>(i * size + at);
    return data.values.empty() ? static_cast<double>(data.pixels[index])
                               : static_cast<double>(data.values[index]);
  };
  double low = 0;
  double high = data.full;
  if (!data.values.empty()) {
    const auto begin = data.values.begin() + i * size;
    const auto [least, most] = std::minmax_element(begin, begin + size);
    low = static_cast<double>(*least);
    high = *most > *least ? static_cast<double>(*most) : low + 1;
  }
  std::vector<std::uint8_t> pixels;
  pixels.reserve(static_cast<std::size_t>(data.h * data.w * shown));
  for (std::int64_t pixel = 0; pixel < data.h * data.w; ++pixel) {
    for (std::int64_t channel = 0; channel < shown; ++channel) {
      const double share = (value(pixel * data.c + channel) - low) / (high - low);
      pixels.push_back(static_cast<std::uint8_t>(std::lround(255 * std::clamp(share, 0.0, 1.0))));
    }
  }
  return page_image(data.w, data.h, shown, pixels);
}

FilterImages filter_images(const nn::Sequential<float>& net) {
  FilterImages result;
  const nn::Shape& image = net.input_shape();
  if (image.rank() != 3) return result;
  std::int64_t i = 0;
  while (i < net.layer_count() && net.layer(i).parameters().empty() &&
         net.shape_before(i + 1).size() == image.size()) {
    ++i;
  }
  if (i == net.layer_count()) return result;
  nn::Layer<float>& layer = net.layer(i);
  Filter filter{nullptr, image[0], image[1], image[2], 0};
  if (const auto* conv = dynamic_cast<const nn::Conv2d<float>*>(&layer)) {
    const nn::Conv2dOptions& o = conv->options();
    filter = {nullptr, o.kh, o.kw, o.ic / o.groups, o.oc};
  } else if (const auto* affine = dynamic_cast<const nn::Affine<float>*>(&layer)) {
    filter.step = affine->out();
  } else {
    return result;
  }
  result.layer = layer.description();
  result.total = filter.step;
  const std::int64_t shown = std::min(result.total, kMaxFilters);
  result.filters.reserve(static_cast<std::size_t>(shown));
  for (std::int64_t k = 0; k < shown; ++k) {
    filter.data = layer.parameters()[0].value.data() + k;
    result.filters.push_back(filter_image(filter));
  }
  return result;
}

}  // namespace nnkernels::cli
