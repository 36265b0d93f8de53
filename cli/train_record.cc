#include "cli/train_record.h"

#include <cmath>
#include <ctime>

#include "cli/json_writer.h"
#include "cli/machine.h"
#include "cli/numbers.h"
#include "cli/output.h"
#include "cli/settings.h"
#include "kernels/parallel.h"
#include "kernels/simd.h"
#include "nn/architecture.h"

namespace nnkernels::cli {
namespace {

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

/// The settings that matter, those that are numbers as numbers.
void write_settings(const TrainConfig& config, JsonWriter& json) {
  for (const Setting& setting : settings()) {
    if (!setting.matters(config)) continue;
    const std::string value = setting.get(config);
    json.key(setting.key);
    if (setting.kind == Setting::Kind::text) {
      json.value(value);
    } else if (setting.kind == Setting::Kind::real) {
      json.value(*parse_number<double>(value));
    } else {
      json.value(*parse_number<std::uint64_t>(value));
    }
  }
}

/// NaN where there are too few.
struct Spread {
  double mean = 0;
  double deviation = 0;  // of the sample: divided by n - 1
};

Spread accuracies(std::span<const Outcome> outcomes) {
  const auto n = static_cast<double>(outcomes.size());
  double sum = 0;
  double squares = 0;
  for (const Outcome& outcome : outcomes) sum += outcome.test.accuracy;
  for (const Outcome& outcome : outcomes) squares += std::pow(outcome.test.accuracy - sum / n, 2);
  return {.mean = sum / n, .deviation = std::sqrt(squares / (n - 1))};
}

}  // namespace

std::string config_json(const TrainOptions& options, const TrainConfig& config,
                        const NamedData& data, const RunData& sets,
                        const nn::Sequential<float>& net) {
  JsonWriter json(JsonWriter::Style::kIndented);
  json.begin_object()
      .member("nncli", NNKERNELS_VERSION)
      .member("started", utc_now())
      .member("command_line", options.command_line)
      .member("model", config.recipe)
      .member("architecture", nn::architecture_of(net))
      .member("input", net.input_shape().str())
      .member("parameters", net.parameter_count())
      .member("dataset", data.name)
      .member("path", data.path.string())
      .member("train_images", sets.train.n)
      .member("validation_images", sets.validation ? sets.validation->n : 0)
      .member("test_images", sets.test.n)
      .member("threads", threads())
      .member("pin", pinning())
      .member("simd", simd())
      .member("cpu", cpu_name());
  write_settings(config, json);
  json.end_object();
  return json.str() + "\n";
}

std::string metrics_json(const nn::EpochResult& result, double learning_rate,
                         const nn::Evaluation& judged, bool is_validation) {
  JsonWriter json;
  json.begin_object()
      .member("epoch", result.epoch)
      .member("train_loss", result.loss)
      .member("learning_rate", learning_rate)
      .member("train_seconds", result.epoch_seconds)
      .member("images_per_second", static_cast<double>(result.samples) / result.epoch_seconds)
      .member(is_validation ? "val_accuracy" : "test_accuracy", judged.accuracy)
      .member(is_validation ? "val_loss" : "test_loss", judged.loss)
      .end_object();
  return json.str();
}

void add_result(JsonWriter& json, const TrainConfig& config, const NamedData& data,
                const nn::Sequential<float>& net, const Outcome& outcome, const RunFolder& run) {
  json.begin_object()
      .member("model", config.recipe)
      .member("dataset", data.name)
      .member("threads", threads())
      .member("simd", simd())
      .member("epochs_trained", outcome.epoch_seconds.size())
      .member("epoch_seconds", outcome.epoch_seconds)
      .member("test_accuracy", outcome.complete ? outcome.test.accuracy : std::nan(""))
      .member("test_loss", outcome.complete ? outcome.test.loss : std::nan(""));
  if (!outcome.stopped_by.empty()) json.member("stopped_by", outcome.stopped_by);
  if (outcome.validation) {
    json.member("val_accuracy", outcome.validation->accuracy)
        .member("val_loss", outcome.validation->loss)
        .member("best_epoch", outcome.best_epoch);
  }
  json.member("parameters", net.parameter_count())
      .member("weights_sha256", nn::weights_sha256(net))
      .member("run", run.path().string())
      .member("interrupted", !outcome.complete);
  write_settings(config, json);
  json.key("log").begin_array();
  for (const LogEntry& entry : outcome.log) {
    json.begin_object()
        .member("step", entry.step)
        .member("train_accuracy", entry.train_accuracy)
        .member("test_accuracy", entry.test_accuracy)
        .end_object();
  }
  json.end_array().end_object();
}

std::string result_text(const Outcome& outcome, const RunFolder& run) {
  std::string text;
  if (outcome.validation) {
    text += "val accuracy   " + percent(outcome.validation->accuracy) + " (best, epoch " +
            std::to_string(outcome.best_epoch) + ")\n";
  }
  if (outcome.complete) {
    text += "test accuracy  " + percent(outcome.test.accuracy) + "\ntest loss      " +
            loss_text(outcome.test.loss) + "\n";
  }
  return text + "run            " + run.path().string() + "\n";
}

void add_repeats(JsonWriter& json, std::span<const Outcome> outcomes) {
  const Spread result = accuracies(outcomes);
  json.member("finished", outcomes.size())
      .member("test_accuracy_mean", result.mean)
      .member("test_accuracy_deviation", result.deviation);
}

std::string repeats_text(std::span<const Outcome> outcomes) {
  if (outcomes.size() < 2) return "";
  const Spread result = accuracies(outcomes);
  return "mean of " + std::to_string(outcomes.size()) + "      " + percent(result.mean) +
         ", standard deviation " + percent(result.deviation) + "\n";
}

void finish(RunFolder& run) {
  const std::filesystem::path kept = run.finish();
  if (!kept.empty()) report("nncli: the old run is kept as " + one_line(kept.string()));
}

}  // namespace nnkernels::cli
