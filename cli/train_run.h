// One training run, from a network without weights to the best and the last one in a run folder.
#ifndef NNKERNELS_CLI_TRAIN_RUN_H_
#define NNKERNELS_CLI_TRAIN_RUN_H_

#include <optional>
#include <string>
#include <vector>

#include "cli/dataset.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/run_folder.h"
#include "cli/run_state.h"
#include "cli/saver.h"
#include "cli/train_config.h"
#include "nn/checkpoint.h"
#include "nn/metrics.h"
#include "nn/model_file.h"
#include "nn/sequential.h"
#include "nn/trainer.h"

namespace nnkernels::cli {

/// The images of a run, borrowed. Without a validation share there is no `validation` (null).
struct RunData {
  const nn::Dataset& train;
  const nn::Dataset* validation;
  const nn::Dataset& test;
};

/// What training came to.
struct Outcome {
  std::vector<double> epoch_seconds;  // of the epochs; the last one may have been cut short
  std::vector<LogEntry> log;
  bool complete = false;        // no signal cut it short
  std::string stopped_by = {};  // the setting that did: "until", "patience"; empty: none
  nn::BatchProgress last = {};
  std::int64_t best_epoch = 0;               // by validation accuracy; 0 without one
  std::optional<nn::Evaluation> validation;  // of the network that counts: the best, or the last
  nn::Evaluation test;                       // the same; not measured if a signal cut the run short
};

/// The network of config.arch for these images, with its first weights; "classes" in the text
/// stands for their number. Throws UsageError, naming the layer, if they do not fit.
nn::Sequential<float> make_net(const TrainConfig& config, const nn::Dataset& data);

/// Trains `net`, telling `progress`, and leaves it in `run`: the last network after each epoch, the
/// one with the best validation accuracy whenever there is a better one, and checkpoints. The test
/// set is read after each epoch if there is no validation set, otherwise once, at the end. In the
/// end `net` is the network that counts; after a signal, the one at hand, which is saved but not
/// tested. `from`, if not null, is where to go on.
///
/// If something cannot be saved although there is an older version of it, that is told once, and
/// training goes on and tries again; what can still not be saved at the end throws nn::WriteError.
/// Throws nn::Diverged, and nn::FileError if `from` does not fit.
Outcome fit(const TrainConfig& config, const RunData& data, const nn::ModelInfo& info,
            const Saving& saving, const nn::Checkpoint* from, nn::Sequential<float>& net,
            const InterruptGuard& interrupt, RunFolder& run, Progress& progress);

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_TRAIN_RUN_H_
