// The folder that training leaves behind: the model and what made it.
#ifndef NNKERNELS_CLI_RUN_FOLDER_H_
#define NNKERNELS_CLI_RUN_FOLDER_H_

#include <filesystem>
#include <string>
#include <string_view>

#include "nn/model_file.h"

namespace nnkernels::cli {

/// A run folder while it is being made:
///
///     config.json        all that made the run, as an object; also what tells a run folder from
///     others metrics.jsonl      one object an epoch model.safetensors  the network
///     (nn/model_file.h)
///
/// A new folder is made at once, so that a place that cannot be written is noticed before training;
/// if no model is saved in the end, it is removed again. When an old run is replaced, the new
/// files are written beside its files and take their place together with the new model, so until
/// then the old run is whole. Files that are not nncli's stay.
class RunFolder {
 public:
  /// `out` is the folder to make; empty means runs/MODEL-DATE-TIME, with "-2", "-3"... if that is
  /// taken. Throws std::runtime_error if `out` exists, unless `replace` is set and it is a run
  /// folder, and nn::WriteError if it cannot be made.
  RunFolder(const std::filesystem::path& out, std::string_view model, bool replace);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

  /// These throw nn::WriteError.
  void write_config(std::string_view json);
  void append_metrics(std::string_view json_line);
  /// Saves the model and keeps the folder.
  void save(const nn::Sequential<float>& net, const nn::ModelInfo& info);

 private:
  std::filesystem::path pending(std::string_view name) const;

  std::filesystem::path path_;
  bool replaces_;
  bool saved_ = false;
};

/// The model file of a run: RUN/model.safetensors, or RUN itself if that is no folder.
std::filesystem::path model_file_of(const std::filesystem::path& run);

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_RUN_FOLDER_H_
