#include <algorithm>
#include <string>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/json_writer.h"
#include "cli/numbers.h"
#include "cli/output.h"
#include "cli/recipes.h"
#include "cli/settings.h"

namespace nnkernels::cli {
namespace {

/// "Adam, lr 0.001, batch 100, 20 epochs".
std::string training(const TrainConfig& config) {
  std::string text = config.optimizer + ", lr " + number_text(config.lr) + ", batch " +
                     std::to_string(config.batch_size) + ", ";
  text += config.steps > 0 ? std::to_string(config.steps) + " steps"
                           : std::to_string(config.epochs) + " epochs";
  text += ", " + config.schedule + ", " + config.loss + " loss, init " + config.init;
  for (const char* key : {"label_smoothing", "sampling", "ema", "augment"}) {
    const auto setting = std::find_if(settings().begin(), settings().end(),
                                      [key](const Setting& each) { return each.key == key; });
    const std::string value = setting->get(config);
    if (value != setting->get(TrainConfig())) text += ", " + flag_of(key).substr(2) + " " + value;
  }
  return text;
}

std::string as_text() {
  std::string text;
  for (const Recipe& recipe : recipes()) {
    text += recipe.config.recipe + "\n  " + recipe.summary + "\n  source    " + recipe.source +
            "\n  layers    " + recipe.config.arch + "\n  training  " + training(recipe.config) +
            "\n  data      " + recipe.config.data + ", pixels " +
            number_text(recipe.config.pixels_low) + ".." + number_text(recipe.config.pixels_high) +
            "\n  expected  at least " + percent(recipe.expected) +
            " on the test set, mean of 5 seeds\n\n";
  }
  return text +
         "`nncli train --recipe NAME` trains one; every setting can be changed by its flag\n";
}

std::string as_json() {
  JsonWriter json;
  json.begin_array();
  for (const Recipe& recipe : recipes()) {
    json.begin_object()
        .member("name", recipe.config.recipe)
        .member("summary", recipe.summary)
        .member("source", recipe.source)
        .member("expected_accuracy", recipe.expected);
    for (const Setting& setting : settings()) {
      if (setting.matters(recipe.config)) json.member(setting.key, setting.get(recipe.config));
    }
    json.end_object();
  }
  json.end_array();
  return json.str() + "\n";
}

}  // namespace

int list_recipes(const RecipesOptions& options) {
  print(options.json ? as_json() : as_text());
  return kSuccess;
}

}  // namespace nnkernels::cli
