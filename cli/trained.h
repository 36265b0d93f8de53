// A trained network together with the test set that it fits.
#ifndef NNKERNELS_CLI_TRAINED_H_
#define NNKERNELS_CLI_TRAINED_H_

#include <filesystem>

#include "cli/dataset.h"
#include "nn/model_file.h"

namespace nnkernels::cli {

struct Trained {
  nn::Model model;
  NamedData data;  // the test set alone
};

/// Reads the model of `run` (a run folder or a model file) and the test set in `data`; if that is
/// empty, in the folder that the model was trained on, or else the bundled one. Throws
/// nn::FileError if either cannot be read, or if images or classes do not fit the network.
Trained load_trained(const std::filesystem::path& run, const std::filesystem::path& data);

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_TRAINED_H_
