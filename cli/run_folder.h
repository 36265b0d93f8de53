// The folder that training leaves behind: the model and what made it.
#ifndef NNKERNELS_CLI_RUN_FOLDER_H_
#define NNKERNELS_CLI_RUN_FOLDER_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/folder_lock.h"
#include "nn/checkpoint.h"
#include "nn/model_file.h"

namespace nnkernels::cli {

/// A run folder while it is being made:
///
///     config.json        all that made the run, as an object; tells a run from other folders
///     metrics.jsonl      one object an epoch
///     last.safetensors   the network of the last epoch (nn/model_file.h)
///     best.safetensors   the one with the best validation accuracy, if there is such a thing
///     checkpoint.safetensors, checkpoint.previous.safetensors
///                        what --resume goes on from (nn/checkpoint.h), and the one before
///
/// The folder is made at once, so that a place that cannot be written is noticed before training;
/// the files come with the first model. While the object lives, the folder is locked
/// (cli/folder_lock.h). If no model is saved in the end, every folder that was made is removed.
///
/// When an old run is replaced, the new one is made in a folder beside it, RUN.new-PID, until
/// finish() lets the two change places. So the old run is whole at any time.
class RunFolder {
 public:
  /// `out` is the folder to make; empty means runs/MODEL-DATE-TIME, with "-2", "-3"... if that is
  /// taken. An empty folder will do. Throws std::runtime_error if `out` exists otherwise, unless
  /// `replace` is set and it is a run folder, or if it is locked, and nn::WriteError if it cannot
  /// be made.
  RunFolder(const std::filesystem::path& out, std::string_view model, bool replace);
  /// Goes on with a run that is there; never removes it. What a save that was killed has left is
  /// cleared away. Throws nn::FileError if `run` is none, and std::runtime_error if it is locked.
  explicit RunFolder(const std::filesystem::path& run);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  /// Where the files are.
  const std::filesystem::path& path() const { return place_; }

  /// What config.json will hold.
  void set_config(std::string json) { config_ = std::move(json); }
  /// Adds a line to metrics.jsonl. Throws nn::WriteError; the line is then added with the next one,
  /// or before the next checkpoint.
  void append_metrics(std::string_view json_line);
  /// Drops the lines of `epoch` and of later epochs, and whatever is no whole line. Throws
  /// nn::WriteError, and nn::FileError if the file is there but cannot be read.
  void keep_metrics_before(std::int64_t epoch);
  /// The training time of each epoch in metrics.jsonl. Throws nn::FileError if that is damaged.
  std::vector<double> epoch_seconds() const;
  /// Saves the model as it is now, in the place of the one before, and keeps the folder. Throws
  /// nn::WriteError; the files are then what they were.
  void save(const nn::Sequential<float>& net, const nn::ModelInfo& info);
  /// The same for the best model so far; to be called after save().
  void save_best(const nn::Sequential<float>& net, const nn::ModelInfo& info);
  /// Saves a checkpoint (nn::save_checkpoint) and keeps the one before; the lines of metrics that
  /// belong to it are on the disk first. Throws nn::WriteError; both are then what they were.
  void save_checkpoint(nn::Trainer<float>& trainer,
                       const std::map<std::string, std::string>& metadata);
  /// The newest checkpoint that is whole. If that is not checkpoint.safetensors, it takes its
  /// place, and `problem` says why. Throws nn::FileError if there is none.
  nn::Checkpoint load_checkpoint(std::string& problem);
  /// Whether anything that is worth keeping is in the folder.
  bool saved() const { return saved_; }
  /// Takes back that the files are worth keeping, unless they were there before.
  void discard() { saved_ = reopened_; }
  /// Puts the folder, if it is to replace an old run, in the old run's place, and that one in
  /// RUN~. An older run there is removed; if RUN~ is anything else, RUN~2, RUN~3... is taken.
  /// Returns where the old run is now, or an empty path. Throws std::runtime_error if that cannot
  /// be done; both runs are then whole, and the message says where.
  std::filesystem::path finish();

 private:
  void write_config();
  void write_metrics();
  /// For a place_ that exists.
  void use_existing(bool replace);
  /// For a place_ that this object has made, to be removed again.
  void lock_made();
  void remove_made();

  std::filesystem::path place_;
  std::filesystem::path replaced_;           // the old run that finish() replaces; or empty
  std::vector<std::filesystem::path> made_;  // by this object, the outermost first
  std::vector<FolderLock> locks_;
  std::string config_;   // not written yet
  std::string metrics_;  // the same, whole lines
  bool saved_ = false;
  bool reopened_ = false;
};

/// The model file of a run: its best, or else its last, or RUN itself if that is no folder. Throws
/// nn::FileError if there is none.
std::filesystem::path model_file_of(const std::filesystem::path& run);

/// The model in it. Throws nn::FileError as nn::load_model() does; of a file that holds bare
/// weights it says what to do.
nn::Model load_model_of(const std::filesystem::path& run);

/// What a command is about to write.
enum class Output { page, other };

/// Throws UsageError, which begins with `option`, if `out` is the file `input`, by whatever name or
/// link. Either may be missing.
void refuse_input(std::string_view option, const std::filesystem::path& input,
                  const std::filesystem::path& out);
/// For what is made from the model of `run`, a folder or a file. Throws UsageError if `out` is that
/// model's file, or bears or leads to a name that training gives to a file of a run, this one or
/// another; the name report.html is free for a page.
void refuse_run_files(std::string_view option, const std::filesystem::path& run,
                      const std::filesystem::path& out, Output what);

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_RUN_FOLDER_H_
