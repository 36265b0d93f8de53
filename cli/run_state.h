// What a checkpoint holds of a run beside the network and the trainer's position.
#ifndef NNKERNELS_CLI_RUN_STATE_H_
#define NNKERNELS_CLI_RUN_STATE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/dataset.h"
#include "cli/train_config.h"
#include "nn/checkpoint.h"
#include "nn/metrics.h"

namespace nnkernels::cli {

/// What an update in the middle of an epoch came to (TrainConfig::log_every).
struct LogEntry {
  std::int64_t step = 0;  // updates before this one
  double train_accuracy = 0;
  double test_accuracy = 0;
};

/// What training has found so far.
struct RunState {
  std::optional<nn::Evaluation> best;  // on the validation set, the confusion matrix left out
  std::int64_t best_epoch = 0;
  std::vector<LogEntry> log;
  bool finished = false;
};

/// The setting that ends the run after so many epochs, "until" or "patience"; empty if none does.
std::string stopped_by(const TrainConfig& config, const RunState& state, std::int64_t epochs);

/// Fingerprints of both sets (nn/data/fingerprint.h).
std::string fingerprint_of(const NamedData& data);

/// What every checkpoint of a run says: settings, data, instruction set. The data's path is
/// absolute, for a resume from another folder.
std::map<std::string, std::string> run_metadata(const TrainConfig& config, const NamedData& data);

/// Adds the state to it.
void write_state(const RunState& state, std::map<std::string, std::string>& metadata);

/// What these have written. Throw nn::FileError if an entry is missing or makes no sense.
RunState read_state(const nn::Checkpoint& checkpoint);
TrainConfig read_settings(const nn::Checkpoint& checkpoint);

/// The same of single entries.
std::string recorded_fingerprint(const nn::Checkpoint& checkpoint);
std::string recorded_simd(const nn::Checkpoint& checkpoint);

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_RUN_STATE_H_
