// When a training run saves what, and what happens if that fails.
#ifndef NNKERNELS_CLI_SAVER_H_
#define NNKERNELS_CLI_SAVER_H_

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/run_folder.h"
#include "cli/run_state.h"
#include "nn/model_file.h"
#include "nn/trainer.h"

namespace nnkernels::cli {

/// How a run is saved while it goes on.
struct Saving {
  double minutes = 10;  // between two checkpoints within an epoch; 0: after each update
  std::map<std::string, std::string> metadata = {};  // that every checkpoint holds (run_metadata)
};

/// Saves networks and checkpoints of one run. While nothing has ever been saved, a failure is an
/// exception, nn::WriteError: the place is no good, and somebody is there to be told. Later it is
/// told once, what was saved before stays, and the next attempt may do better.
class Saver {
 public:
  /// All but `saving` are borrowed. The network is the trainer's.
  Saver(Saving saving, const InterruptGuard& interrupt, RunFolder& run, Progress& progress,
        nn::Trainer<float>& trainer, const nn::ModelInfo& info);

  /// Calls `save`, not to be disturbed by signals. Returns whether it could save.
  bool attempt(const std::function<void()>& save);

  /// The network as it is now, in the place of the last one or of the best one. A best one that
  /// cannot be saved is kept in memory.
  void save_last();
  void save_best();
  /// Tries once more to save the best network, if that has failed.
  void save_best_again();

  /// Whether it is time for a checkpoint: within an epoch, when so many minutes have passed or a
  /// terminal has closed; after an epoch, unless the last one cost more than a fiftieth of the time
  /// since.
  bool due_within_epoch();
  bool due_after_epoch() const;
  /// Not while the trainer's average is swapped.
  void save_checkpoint(const RunState& state);

  /// Saves the checkpoint, and whatever could not be saved so far. Throws nn::WriteError if a
  /// network cannot be saved now either.
  void save_at_end(const RunState& state);

 private:
  using Clock = std::chrono::steady_clock;

  void swap_unsaved_best();

  Saving saving_;
  const InterruptGuard& interrupt_;
  RunFolder& run_;
  Progress& progress_;
  nn::Trainer<float>& trainer_;
  const nn::ModelInfo& info_;
  bool warned_ = false;
  bool hung_up_ = false;  // a checkpoint is due for that
  bool last_is_saved_ = true;
  std::vector<nn::Tensor<float>> unsaved_best_;  // as nn::named_tensors() has them
  Clock::time_point last_checkpoint_;
  Clock::duration cost_ = {};  // of the last checkpoint; 0: there was none
};

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_SAVER_H_
