#include "cli/input_shape.h"

#include <optional>

#include "cli/exit_code.h"
#include "nn/shape_text.h"

namespace nnkernels::cli {

nn::Shape input_shape(const std::string& text) {
  if (const std::optional<nn::Shape> shape = nn::parse_shape(text)) return *shape;
  throw UsageError(
      "--input: expected height x width x channels such as 28x28x1, or a number of features, got "
      "\"" +
      text + "\"");
}

}  // namespace nnkernels::cli
