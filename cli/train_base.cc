#include "cli/train_base.h"

#include <algorithm>
#include <optional>

#include "cli/config_file.h"
#include "cli/dataset.h"
#include "cli/exit_code.h"
#include "cli/numbers.h"
#include "cli/recipes.h"
#include "cli/suggest.h"

namespace nnkernels::cli {
namespace {

/// Takes `recipe`, which is no setting, out of what a file asks for.
std::optional<Asked> take_recipe(std::vector<Asked>& asked) {
  const auto found = std::find_if(asked.begin(), asked.end(),
                                  [](const Asked& each) { return each.key == "recipe"; });
  if (found == asked.end()) return std::nullopt;
  Asked recipe = *found;
  asked.erase(found);
  return recipe;
}

}  // namespace

TrainConfig resolve(const TrainBase& base) {
  if (!base.model.empty() && !base.recipe.empty()) {
    throw UsageError("--model and --recipe: both name a network; give one of them");
  }
  std::vector<Asked> in_file;
  if (!base.file.empty()) in_file = read_config_file(base.file.string());
  const std::optional<Asked> of_file = take_recipe(in_file);
  std::string name = base.model.empty() ? base.recipe : base.model;
  TrainConfig config;
  if (name.empty() && of_file) {
    name = of_file->value;
    const std::vector<std::string> known = recipe_names();
    if (name != config.recipe && std::find(known.begin(), known.end(), name) == known.end()) {
      throw UsageError(of_file->name + ": expected " + joined(known, " or ") + ", got \"" + name +
                       "\"" + did_you_mean(name, known));
    }
  }
  if (!name.empty() && name != config.recipe) config = recipe_of(name).config;
  const std::string arch = config.arch;
  apply_settings(in_file, config);
  if (!(base.model.empty() && base.recipe.empty()) && config.arch != arch) {
    throw UsageError((base.model.empty() ? "--recipe" : "--model") +
                     std::string(" and --config: ") + base.file.string() +
                     " has a network of its own (arch); give one of them");
  }
  apply_settings(base.flags, config);
  // Other data than the file's: how to read and cut that means nothing for data known by name.
  const auto flagged = [&base](const std::string& key) {
    return std::any_of(base.flags.begin(), base.flags.end(),
                       [&key](const Asked& flag) { return flag.key == key; });
  };
  if (flagged("data") && is_data_name(config.data)) {
    if (!flagged("label")) config.label = TrainConfig().label;
    if (!flagged("image")) config.image = TrainConfig().image;
    if (!flagged("test_share")) config.test_share = kTestShare;
  }
  if (config.arch.empty()) {
    throw UsageError(
        "no network given: --model NAME, --recipe NAME, --arch TEXT or --config FILE; see `nncli "
        "train --help`");
  }
  return config;
}

}  // namespace nnkernels::cli
