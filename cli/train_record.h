// What a training run writes down: config.json, metrics.jsonl, the result.
#ifndef NNKERNELS_CLI_TRAIN_RECORD_H_
#define NNKERNELS_CLI_TRAIN_RECORD_H_

#include <span>
#include <string>

#include "cli/dataset.h"
#include "cli/json_writer.h"
#include "cli/options.h"
#include "cli/train_run.h"
#include "nn/metrics.h"
#include "nn/sequential.h"
#include "nn/trainer.h"

namespace nnkernels::cli {

/// All that made the run: config.json.
std::string config_json(const TrainOptions& options, const TrainConfig& config,
                        const NamedData& data, const RunData& sets,
                        const nn::Sequential<float>& net);

/// A line of metrics.jsonl. `judged` is of the validation set or of the test set.
std::string metrics_json(const nn::EpochResult& result, double learning_rate,
                         const nn::Evaluation& judged, bool is_validation);

/// What a run came to, as an object of --json and without. One that a signal cut short has no
/// figures of the test set: null.
void add_result(JsonWriter& json, const TrainConfig& config, const NamedData& data,
                const nn::Sequential<float>& net, const Outcome& outcome, const RunFolder& run);
std::string result_text(const Outcome& outcome, const RunFolder& run);

/// What several runs with different seeds came to, those that were finished: members of an object,
/// null where there are too few of them, and a line, empty then.
void add_repeats(JsonWriter& json, std::span<const Outcome> outcomes);
std::string repeats_text(std::span<const Outcome> outcomes);

/// Lets the run take its final place, and says where the one is that had it.
void finish(RunFolder& run);

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_TRAIN_RECORD_H_
