// A trained network together with the test set that it fits.
#ifndef NNKERNELS_CLI_TRAINED_H_
#define NNKERNELS_CLI_TRAINED_H_

#include <filesystem>

#include "cli/dataset.h"
#include "nn/classifier_loss.h"
#include "nn/model_file.h"

namespace nnkernels::cli {

struct Trained {
  nn::Model model;       // with the preprocessing that `data` need
  nn::LossOptions loss;  // that it was trained with
  NamedData data;        // the test set alone
};

/// Reads the model of `run` (a run folder or a model file) and the test set of `data`; if that
/// names none, of what the model was trained on, or else MNIST. Where it names the very file that
/// the model was trained on, that is cut into training and test set as it was then. Throws
/// nn::FileError if either cannot be read, or if images or classes do not fit the network.
Trained load_trained(const std::filesystem::path& run, const DataOptions& data);

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_TRAINED_H_
