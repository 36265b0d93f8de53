// Networks with all that it takes to train them, by name.
#ifndef NNKERNELS_CLI_RECIPES_H_
#define NNKERNELS_CLI_RECIPES_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/train_config.h"

namespace nnkernels::cli {

struct Recipe {
  std::string summary;    // one line: what it is
  std::string source;     // where it was published
  double expected = 0;    // accuracy on the test set that it must reach, mean of 5 seeds
  bool is_model = false;  // one of the two that --model knows as well
  TrainConfig config;     // config.recipe is the recipe's name
};

/// All recipes, the project's own networks first.
std::span<const Recipe> recipes();

/// The names of all, or of those that are models.
std::vector<std::string> recipe_names();
std::vector<std::string> model_names();

/// The recipe called `name`, which must be one of recipe_names().
const Recipe& recipe_of(std::string_view name);

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_RECIPES_H_
