// The data set that a command works on: found, read, and checked to be of use.
#ifndef NNKERNELS_CLI_DATASET_H_
#define NNKERNELS_CLI_DATASET_H_

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "cli/options.h"
#include "nn/data/dataset.h"
#include "nn/data/load.h"

namespace nnkernels::cli {

/// The data sets that are known by name: mnist and digits, which come with nncli, and
/// fashion-mnist, which Debian packages. A name stands for its data set even where a file has the
/// same name: that is then ./mnist.
const std::vector<std::string>& data_names();

/// Whether `spec` is one of them.
bool is_data_name(const std::string& spec);

/// The places where a data set that comes with nncli ("mnist", "digits") may be, the likeliest
/// first: beside an installed nncli, in the source tree that nncli was built from, in the current
/// directory's data/.
std::vector<std::filesystem::path> bundled_data_places(const std::string& name);

/// The first of these that exists. Throws nn::FileError, naming all of them, if none does.
std::filesystem::path bundled_data(const std::string& name);

struct NamedData {
  std::string name;            // "mnist", or that of the file or folder
  std::filesystem::path path;  // absolute; a folder or a file
  nn::DataFormat format = nn::DataFormat::idx;
  bool split = false;  // the test set was cut from the training set
  nn::TrainTest sets;  // load_test_data() fills in the test set alone
};

/// Throws UsageError if `options`, what the user said, tell how to read files (--label, --image)
/// but name none: options.data is empty, or one of data_names().
void require_use_of_reading(const DataOptions& options);

/// Throws UsageError if `options` ask for a share to test on (--test-share) where `data`, which
/// they named, have a test set.
void require_use_of_share(const DataOptions& options, const NamedData& data);

/// Reads the data set that options.data names, MNIST if it is empty. Where the files have no test
/// set, options.test_share of the images becomes one, class by class (nn/data/split.h), whatever
/// the seed of a run.
/// Throws nn::FileError, with a suggestion for a mistyped name, if it is missing or damaged, or
/// has no images to train on or none to test on.
NamedData load_data(const DataOptions& options);

/// The same for the test set alone.
NamedData load_test_data(const DataOptions& options);

/// Puts into a model's metadata what it takes to find and read the data again (nothing where
/// options.data is empty), the names of the classes, and what stands for full light.
void record_data(const DataOptions& options, const NamedData& data,
                 std::map<std::string, std::string>& metadata);

/// The options that record_data() recorded; options.data is empty if there are none.
DataOptions recorded_data(const std::map<std::string, std::string>& metadata);

/// The names of the classes that record_data() recorded; empty if they have none.
std::vector<std::string> recorded_class_names(const std::map<std::string, std::string>& metadata);

/// The Dataset::full that record_data() recorded; 255 if there is none.
double recorded_full(const std::map<std::string, std::string>& metadata);

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_DATASET_H_
