// The command line as plain structs.
#ifndef NNKERNELS_CLI_OPTIONS_H_
#define NNKERNELS_CLI_OPTIONS_H_

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "cli/data_options.h"
#include "cli/train_config.h"

namespace nnkernels::cli {

/// How to use the machine.
struct MachineOptions {
  int threads = 0;          // 0: what NNKERNELS_THREADS says, else one a CPU
  std::string simd;         // empty: what NNKERNELS_SIMD says, else the best
  std::optional<bool> pin;  // bind threads to CPUs; empty: what NNKERNELS_PIN says, else if free
};

struct TrainOptions {
  TrainConfig config;
  std::filesystem::path resume;               // a run to go on with; then config says nothing
  std::optional<std::int64_t> resume_epochs;  // instead of those that it was to have
  double checkpoint_minutes = 10;             // between two checkpoints within an epoch
  std::int64_t repeat = 1;                    // runs, with seeds from config.seed on
  bool print_config = false;                  // instead of training
  MachineOptions machine;
  std::filesystem::path out;     // empty: a new folder below runs/
  std::filesystem::path report;  // the page about the run; empty: RUN/report.html
  bool force = false;
  bool json = false;
  bool quiet = false;
  std::vector<std::string> command_line;  // as it was given, for the record
};

struct RecipesOptions {
  bool json = false;
};

struct EvalOptions {
  std::filesystem::path run;
  DataOptions data;                    // empty: what the model was trained on
  std::filesystem::path report;        // a page to write; empty: none
  std::optional<double> min_accuracy;  // 0 to 1
  bool confusion = false;              // the matrix, however large
  MachineOptions machine;
  bool json = false;
};

struct ReportOptions {
  std::filesystem::path run;
  std::filesystem::path out;  // empty: RUN/report.html
  DataOptions data;           // empty: what the model was trained on
  MachineOptions machine;
};

/// Of run, arch and model one is given.
struct InspectOptions {
  std::filesystem::path run;
  std::string arch;
  std::string model;
  std::string input;  // of arch or model; empty: 28x28x1
  bool json = false;
};

struct PredictOptions {
  std::filesystem::path run;
  std::vector<std::filesystem::path> images;
  MachineOptions machine;
  bool json = false;
};

/// Layouts are names of nn/weight_layout.h.
struct ConvertOptions {
  std::filesystem::path from;
  std::filesystem::path to;
  std::string layout;  // of `to`; empty: ours
  // What a file of bare weights does not tell; empty if it is not one.
  std::string from_layout;  // empty: by the names of its arrays
  std::string arch;
  std::string input;  // empty: 28x28x1
  std::optional<double> scale, shift;
  std::vector<std::string> modules;
};

struct ExportOptions {
  std::filesystem::path run;
  std::filesystem::path onnx;  // the file to write
};

struct GradcheckOptions {
  std::string model;
  std::uint64_t seed = 1;
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
    std::variant<TrainOptions, RecipesOptions, EvalOptions, ReportOptions, InspectOptions,
                 PredictOptions, ConvertOptions, ExportOptions, GradcheckOptions, InfoOptions,
                 DataInfoOptions, DataExportOptions, DataConvertOptions, PrintText>;

/// Parses and checks the command line; what was left out is filled in from recipes
/// (cli/recipes.h). Throws UsageError, one line that says what is wrong and, for a word that was
/// mistyped, what may have been meant, and nn::FileError for a configuration file.
Options parse_options(int argc, const char* const* argv);

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_OPTIONS_H_
