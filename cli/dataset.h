// The data set that a command works on: found, read, and checked to be of use.
#ifndef NNKERNELS_CLI_DATASET_H_
#define NNKERNELS_CLI_DATASET_H_

#include <filesystem>
#include <string>
#include <vector>

#include "nn/data/dataset.h"

namespace nnkernels::cli {

/// The places where the MNIST that comes with nncli may be, the likeliest first: beside an
/// installed nncli, in the source tree that nncli was built from, in the current directory's
/// data/mnist.
std::vector<std::filesystem::path> bundled_data_places();

/// The first of these that exists. Throws nn::FileError, naming all of them, if none does.
std::filesystem::path bundled_data();

struct NamedData {
  std::string name;              // the folder's own: "mnist"
  std::filesystem::path folder;  // absolute
  nn::TrainTest sets;            // load_test_data() fills in the test set alone
};

/// Reads the data set in `folder`, or the bundled one if that is empty. Throws nn::FileError if it
/// is missing or damaged, or has no images to train on or none to test on.
NamedData load_data(const std::filesystem::path& folder);

/// The same for the test set alone.
NamedData load_test_data(const std::filesystem::path& folder);

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_DATASET_H_
