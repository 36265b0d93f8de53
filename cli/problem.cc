#include "cli/problem.h"

#include <string_view>

namespace nnkernels::cli {

std::string problem_of(const std::invalid_argument& error) {
  const std::string_view what = error.what();
  const std::size_t colon = what.find(": ");
  // Words with blanks between them are no function's name.
  if (colon == std::string_view::npos ||
      what.substr(0, colon).find(' ') != std::string_view::npos) {
    return std::string(what);
  }
  return std::string(what.substr(colon + 2));
}

std::string problem_of_network(const std::invalid_argument& error, const std::string& arch,
                               const nn::Shape& input) {
  std::string problem = problem_of(error) + " (input " + input.str() + ")";
  if (arch.find("classes") == std::string::npos) return problem;
  return problem +
         "; \"classes\" stands for those of a data set, and there is none here: write "
         "their number, as in \"affine 10\"";
}

}  // namespace nnkernels::cli
