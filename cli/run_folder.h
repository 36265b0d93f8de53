// The folder that training leaves behind: the model and what made it.
#ifndef NNKERNELS_CLI_RUN_FOLDER_H_
#define NNKERNELS_CLI_RUN_FOLDER_H_

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/folder_lock.h"
#include "nn/model_file.h"

namespace nnkernels::cli {

/// A run folder while it is being made:
///
///     config.json        all that made the run, as an object; tells a run from other folders
///     metrics.jsonl      one object an epoch
///     last.safetensors   the network of the last epoch (nn/model_file.h)
///     best.safetensors   the one with the best validation accuracy, if there is such a thing
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
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  /// Where the files are.
  const std::filesystem::path& path() const { return place_; }

  /// What config.json will hold.
  void set_config(std::string json) { config_ = std::move(json); }
  /// Adds a line to metrics.jsonl. Throws nn::WriteError.
  void append_metrics(std::string_view json_line);
  /// Saves the model as it is now, in the place of the one before, and keeps the folder. Throws
  /// nn::WriteError; the files are then what they were.
  void save(const nn::Sequential<float>& net, const nn::ModelInfo& info);
  /// The same for the best model so far; to be called after save().
  void save_best(const nn::Sequential<float>& net, const nn::ModelInfo& info);
  /// Whether there is a model in the folder.
  bool saved() const { return saved_; }
  /// Takes back that the files are worth keeping.
  void discard() { saved_ = false; }
  /// Puts the folder, if it is to replace an old run, in the old run's place, and that one in
  /// RUN~. An older run there is removed; if RUN~ is anything else, RUN~2, RUN~3... is taken.
  /// Returns where the old run is now, or an empty path. Throws std::runtime_error if that cannot
  /// be done; both runs are then whole, and the message says where.
  std::filesystem::path finish();

 private:
  /// For a place_ that exists.
  void use_existing(bool replace);
  /// For a place_ that this object has made, to be removed again.
  void lock_made();
  void remove_made();

  std::filesystem::path place_;
  std::filesystem::path replaced_;           // the old run that finish() replaces; or empty
  std::vector<std::filesystem::path> made_;  // by this object, the outermost first
  std::vector<FolderLock> locks_;
  std::string config_;  // not written yet
  bool saved_ = false;
};

/// The model file of a run: its best, or else its last, or RUN itself if that is no folder. Throws
/// nn::FileError if there is none.
std::filesystem::path model_file_of(const std::filesystem::path& run);

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_RUN_FOLDER_H_
