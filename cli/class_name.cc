#include "cli/class_name.h"

#include "cli/output.h"

namespace nnkernels::cli {

std::string class_name(const nn::Dataset& data, std::int32_t i) {
  return one_line(nn::class_name(data, i));
}

std::vector<std::string> class_names(const nn::Dataset& data) {
  std::vector<std::string> names;
  names.reserve(static_cast<std::size_t>(data.classes));
  for (std::int32_t i = 0; i < data.classes; ++i) names.push_back(cli::class_name(data, i));
  return names;
}

}  // namespace nnkernels::cli
