// Training in files: everything that it takes to go on as if nothing had happened.
#ifndef NNKERNELS_NN_CHECKPOINT_H_
#define NNKERNELS_NN_CHECKPOINT_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "nn/trainer.h"

namespace nnkernels::nn {

/// The largest file that Checkpoint accepts: 32 GiB, four times a model's, for the optimizer's
/// moments and the average beside the weights.
inline constexpr std::int64_t kMaxCheckpointFile = std::int64_t{32} << 30;

/// Writes all that the rest of a run depends on, data and options aside, to a file that Checkpoint
/// and Python's safetensors can read: Trainer::state() as F32, and metadata. docs/checkpoints.md
/// has the format. `metadata` is what the caller wants to find again, UTF-8; keys must not begin
/// with "nnkernels.".
///
/// What `path` held before is then `kept` (see write_file_atomically(): one of the two is whole at
/// any time); empty: nowhere. To be called between two batches: from a callback, or outside of
/// run(). Throws WriteError, both files being then what they were; and std::invalid_argument if a
/// weight is NaN or infinite, if the layers have no textual architecture, or for metadata that
/// may not be.
void save_checkpoint(const std::string& path, const std::string& kept, Trainer<float>& trainer,
                     const std::map<std::string, std::string>& metadata);

/// A file of save_checkpoint(), read and verified.
class Checkpoint {
 public:
  /// Throws FileError if the file differs in any bit from what was written, or is cut anywhere.
  explicit Checkpoint(const std::string& path);
  ~Checkpoint();
  Checkpoint(Checkpoint&&) noexcept;
  Checkpoint& operator=(Checkpoint&&) noexcept;

  const std::string& path() const;
  const TrainerPosition& position() const;
  /// What save_checkpoint() was given, without the library's own entries.
  const std::map<std::string, std::string>& metadata() const;
  /// One entry. Throws FileError if there is none.
  const std::string& metadata(const std::string& key) const;

  /// Brings a trainer to where the saved one was: its run() then goes on with the very bits of the
  /// run that was not interrupted, if data, options and the instruction set are the same. Throws
  /// FileError if the trainer's network, input, optimizer, average, seed or batches are others, or
  /// if its run does not come to that position; nothing is changed then.
  void restore(Trainer<float>& trainer) const;

 private:
  struct Content;
  std::unique_ptr<Content> content_;
};

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_CHECKPOINT_H_
