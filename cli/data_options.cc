#include "cli/data_options.h"

#include <algorithm>
#include <vector>

#include "cli/numbers.h"

namespace nnkernels::cli {

std::optional<nn::ImageShape> parse_image_shape(std::string_view text) {
  std::vector<std::int64_t> sides;
  for (std::string_view rest = text; sides.size() < 4;) {
    const std::size_t end = std::min(rest.find('x'), rest.size());
    const std::optional<std::int64_t> side = parse_number<std::int64_t>(rest.substr(0, end));
    if (!side || *side < 1 || *side > 1'000'000) return std::nullopt;
    sides.push_back(*side);
    if (end == rest.size()) break;
    rest.remove_prefix(end + 1);
  }
  if (sides.size() != 2 && sides.size() != 3) return std::nullopt;
  return nn::ImageShape{.h = sides[0], .w = sides[1], .c = sides.size() == 3 ? sides[2] : 1};
}

}  // namespace nnkernels::cli
