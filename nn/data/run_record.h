// Reader of what a training run wrote down: one JSON object an epoch, and its configuration.
#ifndef NNKERNELS_NN_DATA_RUN_RECORD_H_
#define NNKERNELS_NN_DATA_RUN_RECORD_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nnkernels::nn {

/// A line of metrics.jsonl. Every figure may be missing: JSON has no NaN, and not every run has a
/// validation set.
struct EpochRecord {
  std::int64_t epoch = 0;
  std::optional<double> train_loss;
  std::optional<double> train_seconds;
  std::optional<double> images_per_second;
  std::optional<double> learning_rate;
  std::optional<double> val_accuracy;
  std::optional<double> val_loss;
  std::optional<double> test_accuracy;
  std::optional<double> test_loss;
};

/// What read_metrics() and read_config() accept at most: 64 MiB.
inline constexpr std::int64_t kMaxRecordFile = std::int64_t{64} << 20;

/// How deep lists and objects may lie in each other in them.
inline constexpr int kMaxRecordDepth = 8;

/// Reads a file of JSON lines, each an object with a whole number "epoch" and any of the figures
/// above. Null stands for a missing figure; entries of other names are left alone; empty lines are
/// skipped.
/// Throws FileError, naming the line, for one that is no such object or holds anything but a number
/// where a figure is expected.
std::vector<EpochRecord> read_metrics(const std::string& path);

/// The same of a file's text; `path` is for messages.
std::vector<EpochRecord> parse_metrics(const std::string& path, std::string_view text);

/// Names and values of a JSON object, in the file's order. A string stands for itself, a list of
/// strings for these with blanks between them, anything else for its JSON text. Throws FileError
/// unless the file is one JSON object.
std::vector<std::pair<std::string, std::string>> read_config(const std::string& path);

/// The same of a file's text; `path` is for messages.
std::vector<std::pair<std::string, std::string>> parse_config(const std::string& path,
                                                              std::string_view text);

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_DATA_RUN_RECORD_H_
