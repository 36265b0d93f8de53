// What a training run begins with: a recipe, a file, flags, one over the other.
#ifndef NNKERNELS_CLI_TRAIN_BASE_H_
#define NNKERNELS_CLI_TRAIN_BASE_H_

#include <filesystem>
#include <string>
#include <vector>

#include "cli/settings.h"
#include "cli/train_config.h"

namespace nnkernels::cli {

/// What the command line says; empty where it says nothing.
struct TrainBase {
  std::string model;
  std::string recipe;
  std::filesystem::path file;
  std::vector<Asked> flags;
};

/// The settings that come of it. Flags count over the file, the file over the recipe; the recipe is
/// --model or --recipe, or else the one that the file names. Throws UsageError if two recipes are
/// named, if one is and the file has another network, or if there is no network, and as
/// read_config_file() and apply_settings() do.
TrainConfig resolve(const TrainBase& base);

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_TRAIN_BASE_H_
