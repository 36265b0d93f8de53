// Shapes as people write them: "28x28x1".
#ifndef NNKERNELS_NN_SHAPE_TEXT_H_
#define NNKERNELS_NN_SHAPE_TEXT_H_

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "nn/tensor.h"

namespace nnkernels::nn {

inline std::string shape_text(const Shape& shape) {
  std::string text;
  for (int i = 0; i < shape.rank(); ++i) text += (i == 0 ? "" : "x") + std::to_string(shape[i]);
  return text;
}

/// The other way: nothing unless `text` is up to 3 numbers from 1 to a million.
inline std::optional<Shape> parse_shape(std::string_view text) {
  constexpr std::int64_t kMost = 1'000'000;
  std::vector<std::int64_t> dims;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find('x', at), text.size());
    std::int64_t dim = 0;
    const auto [stop, error] = std::from_chars(text.data() + at, text.data() + end, dim);
    if (error != std::errc() || stop != text.data() + end || dim < 1 || dim > kMost ||
        dims.size() == 3) {
      return std::nullopt;
    }
    dims.push_back(dim);
    at = end + 1;
  }
  return Shape::of(dims.data(), static_cast<int>(dims.size()));
}

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_SHAPE_TEXT_H_
