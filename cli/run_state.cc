#include "cli/run_state.h"

#include <algorithm>
#include <sstream>
#include <string_view>
#include <utility>

#include "cli/exit_code.h"
#include "cli/numbers.h"
#include "cli/settings.h"
#include "kernels/simd.h"
#include "nn/data/fingerprint.h"
#include "nn/file_error.h"

namespace nnkernels::cli {
namespace {

constexpr std::string_view kSetting = "setting.";
constexpr const char* kRecipe = "recipe";
constexpr const char* kFingerprint = "data.fingerprint";
constexpr const char* kSimd = "simd";
constexpr const char* kFinished = "finished";
constexpr const char* kBestEpoch = "best.epoch";
constexpr const char* kBestAccuracy = "best.accuracy";
constexpr const char* kBestLoss = "best.loss";
constexpr const char* kLog = "log";

template <class Number>
Number number_of(const nn::Checkpoint& checkpoint, const std::string& key) {
  const std::string& text = checkpoint.metadata(key);
  const std::optional<Number> number = parse_number<Number>(text);
  if (!number) {
    throw nn::FileError(checkpoint.path(), key + ": expected a number, found \"" + text + "\"");
  }
  return *number;
}

}  // namespace

std::string stopped_by(const TrainConfig& config, const RunState& state, std::int64_t epochs) {
  if (!state.best) return "";
  if (config.until > 0 && state.best->accuracy >= config.until) return "until";
  return config.patience > 0 && epochs - state.best_epoch >= config.patience ? "patience" : "";
}

std::string fingerprint_of(const NamedData& data) {
  return nn::fingerprint(data.sets.train) + " " + nn::fingerprint(data.sets.test);
}

std::map<std::string, std::string> run_metadata(const TrainConfig& config, const NamedData& data) {
  std::map<std::string, std::string> metadata;
  metadata["nncli"] = NNKERNELS_VERSION;
  metadata[kSimd] = simd();
  metadata[kFingerprint] = fingerprint_of(data);
  metadata[kRecipe] = config.recipe;
  for (const Setting& setting : settings()) {
    if (setting.matters(config))
      metadata[std::string(kSetting) + setting.key] = setting.get(config);
  }
  std::string& where = metadata[std::string(kSetting) + "data"];
  const std::vector<std::string>& known = data_names();
  if (std::find(known.begin(), known.end(), where) == known.end()) where = data.path.string();
  return metadata;
}

void write_state(const RunState& state, std::map<std::string, std::string>& metadata) {
  if (state.finished) metadata[kFinished] = "yes";
  if (state.best) {
    metadata[kBestEpoch] = std::to_string(state.best_epoch);
    metadata[kBestAccuracy] = number_text(state.best->accuracy);
    metadata[kBestLoss] = number_text(state.best->loss);
  }
  if (state.log.empty()) return;
  std::string& text = metadata[kLog];
  for (const LogEntry& entry : state.log) {
    text += std::to_string(entry.step) + " " + number_text(entry.train_accuracy) + " " +
            number_text(entry.test_accuracy) + "\n";
  }
}

RunState read_state(const nn::Checkpoint& checkpoint) {
  const std::map<std::string, std::string>& metadata = checkpoint.metadata();
  RunState state;
  state.finished = metadata.contains(kFinished);
  if (metadata.contains(kBestEpoch)) {
    state.best_epoch = number_of<std::int64_t>(checkpoint, kBestEpoch);
    state.best.emplace();
    state.best->accuracy = number_of<double>(checkpoint, kBestAccuracy);
    state.best->loss = number_of<double>(checkpoint, kBestLoss);
  }
  if (!metadata.contains(kLog)) return state;
  std::istringstream lines(metadata.at(kLog));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string step;
    std::string train;
    std::string test;
    words >> step >> train >> test;
    state.log.push_back({.step = parse_number<std::int64_t>(step).value_or(0),
                         .train_accuracy = parse_number<double>(train).value_or(0),
                         .test_accuracy = parse_number<double>(test).value_or(0)});
  }
  return state;
}

TrainConfig read_settings(const nn::Checkpoint& checkpoint) {
  TrainConfig config;
  config.recipe = checkpoint.metadata(kRecipe);
  std::vector<Asked> asked;
  for (const Setting& setting : settings()) {
    const std::string key = std::string(kSetting) + setting.key;
    const auto found = checkpoint.metadata().find(key);
    if (found == checkpoint.metadata().end()) continue;
    asked.push_back({.key = setting.key, .value = found->second, .name = key});
  }
  try {
    apply_settings(asked, config);
  } catch (const UsageError& error) {
    throw nn::FileError(checkpoint.path(), error.what());
  }
  return config;
}

std::string recorded_fingerprint(const nn::Checkpoint& checkpoint) {
  return checkpoint.metadata(kFingerprint);
}

std::string recorded_simd(const nn::Checkpoint& checkpoint) { return checkpoint.metadata(kSimd); }

}  // namespace nnkernels::cli
