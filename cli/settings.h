// The settings of a training run by name: one table for flags, configuration files, --print-config
// and the record of a run.
#ifndef NNKERNELS_CLI_SETTINGS_H_
#define NNKERNELS_CLI_SETTINGS_H_

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/train_config.h"

namespace nnkernels::cli {

/// One setting: `batch_size` in a file, `--batch-size` on the command line.
struct Setting {
  /// How a value is written in a configuration file.
  enum class Kind { text, whole, real };

  std::string key;
  Kind kind = Kind::text;
  std::string type;   // "N", for the help
  std::string group;  // heading in the help
  std::string help;
  /// Throws UsageError that begins with `name`, what the user called the setting.
  std::function<void(TrainConfig&, const std::string& name, const std::string& value)> set;
  /// The value as set() reads it.
  std::function<std::string(const TrainConfig&)> get;
  /// Whether the setting has a meaning beside the others: momentum has none for adam.
  std::function<bool(const TrainConfig&)> matters;
};

/// All settings, in the order in which a file shows them.
std::span<const Setting> settings();

/// "--batch-size" for "batch_size".
std::string flag_of(std::string_view key);

/// What a user asked for, by key, and what each is to be called in messages.
struct Asked {
  std::string key;
  std::string value;
  std::string name;
};

/// Changes `config` as asked, the last one of a key counting. An optimizer that is not the one
/// before brings its own defaults for the numbers that are not asked for, so does a schedule.
/// Another loss than softmax ends label smoothing, epochs without steps end a count of steps.
/// Throws UsageError: a value that is none, or a setting that means nothing beside the others.
void apply_settings(std::span<const Asked> asked, TrainConfig& config);

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_SETTINGS_H_
