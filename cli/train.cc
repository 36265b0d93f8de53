#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "cli/config_file.h"
#include "cli/dataset.h"
#include "cli/exit_code.h"
#include "cli/interrupt.h"
#include "cli/json_writer.h"
#include "cli/machine.h"
#include "cli/model_record.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/run_folder.h"
#include "cli/train_record.h"
#include "cli/train_run.h"
#include "kernels/parallel.h"
#include "kernels/simd.h"
#include "nn/data/split.h"

namespace nnkernels::cli {
namespace {

void check(const TrainConfig& config) {
  if (config.validation > 0) return;
  const char* const who = config.patience > 0 ? "--patience" : config.until > 0 ? "--until" : "";
  if (*who != '\0') {
    throw UsageError(std::string(who) + ": needs images to judge by; add --validation 0.1");
  }
}

RunData split(const TrainConfig& config, nn::TrainTest sets) {
  RunData data{.train = std::move(sets.train), .validation = {}, .test = std::move(sets.test)};
  if (config.validation > 0) {
    auto [train, validation] = nn::split(data.train, config.validation, config.seed);
    data.train = std::move(train);
    data.validation = std::move(validation);
  }
  return data;
}

std::string begin_text(const TrainConfig& config) {
  return "training " + config.recipe + " with " + config.optimizer + ", " +
         std::to_string(threads()) + (threads() == 1 ? " thread, " : " threads, ") + simd();
}

/// One run: training, and its result on standard output.
Outcome run_once(const TrainOptions& options, const TrainConfig& asked,
                 const std::filesystem::path& out, const NamedData& named,
                 const InterruptGuard& interrupt, Progress& progress) {
  TrainConfig config = asked;
  RunFolder run(out, config.recipe, options.force);
  const RunData data = split(config, named.sets);
  config.batch_size = std::min(config.batch_size, data.train.n);
  const nn::ModelInfo info = model_info(config, named);
  nn::Sequential<float> net = make_net(config, data.train);
  run.set_config(config_json(options, config, named, data, net));
  progress.note(begin_text(config) +
                (options.repeat > 1 ? ", seed " + std::to_string(config.seed) : ""));

  Outcome outcome;
  try {
    outcome = fit(config, data, info, net, interrupt, run, progress);
    progress.clear();
    finish(run);
  } catch (const std::exception&) {
    progress.clear();
    if (run.saved()) {
      report("nncli: the network of the last epoch that was saved is in " +
             one_line(run.path().string()));
    }
    throw;
  }
  try {
    print(options.json ? result_json(config, named, net, outcome, run) : result_text(outcome, run));
  } catch (const std::runtime_error&) {
    // `train | tee log`: Ctrl-C ends tee, too. The model is saved, and that is what counts.
    if (outcome.complete) throw;
  }
  if (!outcome.complete) {
    report("nncli: interrupted in epoch " + std::to_string(outcome.last.epoch) + " of " +
           std::to_string(outcome.last.epochs) + ", after batch " +
           std::to_string(outcome.last.batch) + " of " + std::to_string(outcome.last.batches) +
           "; the network as it was then is saved: try `nncli eval " + run.path().string() +
           "`, or train again for a finished one");
  }
  return outcome;
}

}  // namespace

int train(const TrainOptions& options) {
  check(options.config);
  if (options.print_config) {
    print(to_toml(options.config));
    return kSuccess;
  }
  use_machine(options.machine);
  Progress progress(options.quiet);
  const InterruptGuard interrupt;
  const NamedData data = load_data(data_options(options.config));
  // Model files hold text, and the data's name goes into one.
  if (!is_utf8(options.config.data)) throw UsageError("--data: the path is no UTF-8");

  std::vector<Outcome> outcomes;
  for (std::int64_t i = 0; i < options.repeat; ++i) {
    TrainConfig config = options.config;
    config.seed += static_cast<std::uint64_t>(i);
    std::filesystem::path out = options.out;
    if (options.repeat > 1 && !out.empty()) out /= "seed-" + std::to_string(config.seed);
    outcomes.push_back(run_once(options, config, out, data, interrupt, progress));
    if (!outcomes.back().complete) return kSignalBase + interrupt.signal();
  }
  if (options.repeat > 1) print(options.json ? repeats_json(outcomes) : repeats_text(outcomes));
  return kSuccess;
}

}  // namespace nnkernels::cli
