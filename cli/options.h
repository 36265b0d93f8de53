// The command line as plain structs.
#ifndef NNKERNELS_CLI_OPTIONS_H_
#define NNKERNELS_CLI_OPTIONS_H_

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "cli/defaults.h"
#include "nn/data/csv.h"

namespace nnkernels::cli {

/// How to use the machine.
struct MachineOptions {
  int threads = 0;          // 0: what NNKERNELS_THREADS says, else one a CPU
  std::string simd;         // empty: what NNKERNELS_SIMD says, else the best
  std::optional<bool> pin;  // bind threads to CPUs; empty: what NNKERNELS_PIN says, else if free
};

/// Which data set, and what its files leave open.
struct DataOptions {
  std::string data;  // a path or a name (cli/dataset.h); empty: what the command does without
  nn::LabelColumn label = nn::LabelColumn::first;  // in CSV
  std::optional<nn::ImageShape> image;             // where files hold rows of numbers
  double test_share = 0.25;                        // becomes the test set where there is none
  std::uint64_t split_seed = kDefaultSeed;         // of the choice of that share
};

struct TrainOptions {
  std::string model;
  DataOptions data;  // empty: the MNIST that comes with nncli
  std::int64_t epochs = 0;
  std::int64_t batch_size = 0;
  double lr = 0;
  std::string optimizer;
  std::string init;
  std::string schedule;
  std::uint64_t seed = kDefaultSeed;
  MachineOptions machine;
  std::filesystem::path out;  // empty: a new folder below runs/
  bool force = false;
  bool json = false;
  bool quiet = false;
  std::vector<std::string> command_line;  // as it was given, for the record
};

struct EvalOptions {
  std::filesystem::path run;
  DataOptions data;  // empty: what the model was trained on
  MachineOptions machine;
  bool json = false;
};

struct PredictOptions {
  std::filesystem::path run;
  std::vector<std::filesystem::path> images;
  MachineOptions machine;
  bool json = false;
};

struct GradcheckOptions {
  std::string model;
  std::uint64_t seed = kDefaultSeed;
  MachineOptions machine;
  bool json = false;
};

struct InfoOptions {
  MachineOptions machine;
  bool json = false;
};

struct DataInfoOptions {
  DataOptions data;
  bool json = false;
};

struct DataExportOptions {
  DataOptions data;
  std::filesystem::path png;  // the folder to write
};

struct DataConvertOptions {
  DataOptions data;
  std::filesystem::path out;
};

/// Nothing to do but print a text: --help, --version.
struct PrintText {
  std::string text;
};

using Options =
    std::variant<TrainOptions, EvalOptions, PredictOptions, GradcheckOptions, InfoOptions,
                 DataInfoOptions, DataExportOptions, DataConvertOptions, PrintText>;

/// Parses and checks the command line; what was left out is filled in from cli/defaults.h. Throws
/// UsageError, one line that says what is wrong and, for a word that was mistyped, what may have
/// been meant.
Options parse_options(int argc, const char* const* argv);

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_OPTIONS_H_
