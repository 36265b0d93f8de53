#include <algorithm>
#include <optional>
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
#include "cli/numbers.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/run_folder.h"
#include "cli/run_state.h"
#include "cli/train_record.h"
#include "cli/train_run.h"
#include "kernels/parallel.h"
#include "kernels/simd.h"
#include "nn/activation_layers.h"
#include "nn/checkpoint.h"
#include "nn/data/split.h"
#include "nn/file_error.h"
#include "nn/softmax.h"

namespace nnkernels::cli {
namespace {

void check_targets(const TrainConfig& config) {
  if (config.loss == "softmax") return;
  const std::string got =
      ", got " + number_text(config.target_low) + " and " + number_text(config.target_high);
  if (config.target_low >= config.target_high) {
    throw UsageError("--target-low and --target-high: expected a lower and a higher number" + got);
  }
  if (config.loss == "sigmoid" && (config.target_low < 0 || config.target_high > 1)) {
    throw UsageError(
        "--target-low and --target-high: expected numbers from 0 to 1 with --loss sigmoid" + got);
  }
}

void check(const TrainOptions& options) {
  if (options.repeat > 1 && !options.report.empty()) {
    throw UsageError("--report: a page is about one run; with --repeat each has its report.html");
  }
  const TrainConfig& config = options.config;
  check_targets(config);
  if (config.validation > 0) return;
  const char* const who = config.patience > 0 ? "--patience" : config.until > 0 ? "--until" : "";
  if (*who != '\0') {
    throw UsageError(std::string(who) + ": needs images to judge by; add --validation 0.1");
  }
}

std::string begin_text(const TrainConfig& config) {
  return "training " + config.recipe + " with " + config.optimizer + ", " +
         std::to_string(threads()) + (threads() == 1 ? " thread, " : " threads, ") + simd();
}

/// The page about a finished run. Returns what is wrong if it cannot be written although it was
/// asked for; without --report that is just told.
std::string write_page(const TrainOptions& options, const RunFolder& run,
                       nn::Sequential<float>& net, const nn::ModelInfo& info,
                       const NamedData& named, const Outcome& outcome,
                       const InterruptGuard& interrupt) {
  const std::filesystem::path page =
      options.report.empty() ? run.path() / "report.html" : options.report;
  try {
    const ReportInput input = report_input(run.path(), net, info, named, outcome.test);
    interrupt.undisturbed([&] { write_report(page, input); });
  } catch (const nn::WriteError& error) {
    std::string what = std::string(error.what()) + "; the network is saved, and `nncli report " +
                       shell_word(run.path()) + " --out FILE` writes the page to another place";
    if (!options.report.empty()) return what;
    report("nncli: " + one_line(what));
  }
  return "";
}

/// Softmax of a softmax learns badly, and is nobody's intention.
void refuse_what_the_loss_does(const nn::Sequential<float>& net, const TrainConfig& config) {
  if (net.layer_count() == 0) return;
  const nn::Layer<float>& last = net.layer(net.layer_count() - 1);
  const bool softmax = dynamic_cast<const nn::Softmax<float>*>(&last) != nullptr;
  const bool sigmoid = dynamic_cast<const nn::Sigmoid<float>*>(&last) != nullptr;
  if ((softmax && config.loss == "softmax") || (sigmoid && config.loss == "sigmoid")) {
    throw UsageError("the network ends in " + config.loss + ", which --loss " + config.loss +
                     " applies itself; choose --loss squared, or an --arch without that layer");
  }
}

/// Who reads standard output may be gone, as after Ctrl-C in `train | tee log`. The model of an
/// interrupted run is saved, and that is what counts then.
void print_result(const std::string& text, const Outcome& outcome,
                  const std::filesystem::path& run) {
  try {
    print(text);
  } catch (const std::runtime_error& error) {
    if (outcome.complete) {
      throw std::runtime_error(std::string(error.what()) + "; the network is saved in " +
                               run.string());
    }
  }
}

/// One run, from its start or from a checkpoint (else null): training, and its result on standard
/// output, but for the JSON of one of several runs, which goes into `json` alone.
Outcome run_once(const TrainOptions& options, const TrainConfig& config, RunFolder& run,
                 const NamedData& named, const nn::Checkpoint* from,
                 const InterruptGuard& interrupt, Progress& progress, JsonWriter& json) {
  std::optional<std::pair<nn::Dataset, nn::Dataset>> parts;
  if (config.validation > 0) {
    parts = nn::split(named.sets.train, config.validation, config.seed);
  }
  const RunData data{.train = parts ? parts->first : named.sets.train,
                     .validation = parts ? &parts->second : nullptr,
                     .test = named.sets.test};
  const nn::ModelInfo info = model_info(config, named);
  nn::Sequential<float> net = make_net(config, data.train);
  if (from == nullptr) refuse_what_the_loss_does(net, config);
  refuse_run_files("--report", run.path(), options.report, Output::page);
  refuse_input("--report", named.path, options.report);
  if (config.batch_size > data.train.n) {
    throw UsageError("--batch-size: a batch of " + std::to_string(config.batch_size) +
                     " is larger than the training set of " + std::to_string(data.train.n) +
                     (data.train.n == 1 ? " image" : " images"));
  }
  if (from == nullptr || options.resume_epochs) {
    run.set_config(config_json(options, config, named, data, net));
  }
  progress.note((from == nullptr ? "" : "resuming: ") + begin_text(config) +
                (options.repeat > 1 ? ", seed " + std::to_string(config.seed) : ""));

  Outcome outcome;
  try {
    outcome = fit(config, data, info,
                  {.minutes = options.checkpoint_minutes, .metadata = run_metadata(config, named)},
                  from, net, interrupt, run, progress);
    progress.clear();
  } catch (const std::exception&) {
    progress.clear();
    if (run.saved()) {
      report("nncli: what was saved before is in " + one_line(run.path().string()));
    }
    throw;
  }
  // First the page: printing may fail.
  std::string problem;
  if (outcome.complete) problem = write_page(options, run, net, info, named, outcome, interrupt);
  if (options.json) add_result(json, config, named, net, outcome, run);
  if (options.repeat == 1 || !options.json) {
    print_result(options.json ? json.str() + "\n" : result_text(outcome, run), outcome, run.path());
  }
  if (!problem.empty()) throw std::runtime_error(problem);
  if (!outcome.complete) {
    report("nncli: interrupted in epoch " + std::to_string(outcome.last.epoch) + " of " +
           std::to_string(outcome.last.epochs) + ", after batch " +
           std::to_string(outcome.last.batch) + " of " + std::to_string(outcome.last.batches) +
           "; go on with `nncli train --resume " + shell_word(run.path()) +
           "`, or try the network as it is: `nncli eval " + shell_word(run.path()) + "`");
  }
  return outcome;
}

/// The settings of a run that is resumed, perhaps with more epochs.
TrainConfig resumed_settings(const TrainOptions& options, const nn::Checkpoint& checkpoint) {
  TrainConfig config = read_settings(checkpoint);
  if (!options.resume_epochs || *options.resume_epochs == config.epochs) return config;
  const std::string had = std::to_string(config.epochs);
  if (config.steps > 0) {
    throw UsageError("--epochs: the run ends after " + std::to_string(config.steps) +
                     " steps, not after epochs");
  }
  if (*options.resume_epochs < config.epochs) {
    throw UsageError(
        "--epochs: a run that is resumed may become longer, not shorter; this one has " + had);
  }
  if (config.schedule == "cosine" || config.schedule == "onecycle") {
    throw UsageError("--epochs: the run was to have " + had + ", and with schedule " +
                     config.schedule +
                     " each learning rate depends on that; train anew for another length");
  }
  config.epochs = *options.resume_epochs;
  return config;
}

/// The images that a run was trained on so far. Throws UsageError if they have become others.
NamedData data_of(const RunFolder& run, const nn::Checkpoint& checkpoint,
                  const TrainConfig& config) {
  NamedData data = load_data(data_options(config));
  if (fingerprint_of(data) == recorded_fingerprint(checkpoint)) return data;
  throw UsageError("--resume: " + data.path.string() + " does not hold the images that " +
                   one_line(run.path().string()) + " was trained on; put them back, or train anew");
}

/// The object of --json for a run that was finished before.
std::string finished_json(const TrainConfig& config, const RunState& state, const NamedData& data,
                          const RunFolder& run) {
  nn::Model model = load_model_of(run.path());
  const Outcome outcome{.epoch_seconds = run.epoch_seconds(),
                        .log = state.log,
                        .complete = true,
                        .stopped_by = stopped_by(
                            config, state, static_cast<std::int64_t>(run.epoch_seconds().size())),
                        .best_epoch = state.best_epoch,
                        .validation = state.best,
                        .test = nn::evaluate(model.net, data.sets.test, model.info.preprocessing,
                                             500, loss_options(config))};
  JsonWriter json;
  add_result(json, config, data, model.net, outcome, run);
  return json.str() + "\n";
}

int resume(const TrainOptions& options, const InterruptGuard& interrupt, Progress& progress) {
  RunFolder run(options.resume);
  const std::string name = one_line(run.path().string());
  std::string problem;
  const nn::Checkpoint checkpoint = run.load_checkpoint(problem);
  if (!problem.empty()) {
    report("nncli: " + one_line(problem) + "; going on from the checkpoint before it");
  }
  const TrainConfig config = resumed_settings(options, checkpoint);
  const bool longer = config.epochs > read_settings(checkpoint).epochs;
  if (const RunState state = read_state(checkpoint); state.finished && !longer) {
    report("nncli: " + name + " is finished: there is nothing to resume; `nncli eval " +
           one_line(shell_word(run.path())) + "` tests it");
    if (options.json) {
      print(finished_json(config, state, data_of(run, checkpoint, config), run));
    }
    return kSuccess;
  }
  const NamedData data = data_of(run, checkpoint, config);
  if (simd() != recorded_simd(checkpoint)) {
    report("nncli: " + name + " was trained with " + recorded_simd(checkpoint) +
           " so far; results with " + simd() + " differ in the last bits");
  }
  run.keep_metrics_before(checkpoint.position().epoch);
  JsonWriter json;
  const Outcome outcome =
      run_once(options, config, run, data, &checkpoint, interrupt, progress, json);
  return outcome.complete ? kSuccess : kSignalBase + interrupt.signal();
}

}  // namespace

int train(const TrainOptions& options) {
  if (options.resume.empty()) check(options);
  if (options.print_config) {
    print(to_toml(options.config));
    return kSuccess;
  }
  use_machine(options.machine);
  Progress progress(options.quiet);
  const InterruptGuard interrupt;
  if (!options.resume.empty()) return resume(options, interrupt, progress);
  const DataOptions data_options = cli::data_options(options.config);
  require_use_of_reading(data_options);
  const NamedData data = load_data(data_options);
  require_use_of_share(data_options, data);
  // Model files hold text, and the data's name goes into one.
  if (!is_utf8(options.config.data)) throw UsageError("--data: the path is no UTF-8");

  std::vector<Outcome> outcomes;
  JsonWriter json;
  if (options.repeat > 1) json.begin_object().key("runs").begin_array();
  Outcome outcome;
  std::filesystem::path place;
  for (std::int64_t i = 0; i < options.repeat; ++i) {
    TrainConfig config = options.config;
    config.seed += static_cast<std::uint64_t>(i);
    std::filesystem::path out = options.out;
    if (options.repeat > 1 && !out.empty()) out /= "seed-" + std::to_string(config.seed);
    RunFolder run(out, config.recipe, options.force);
    outcome = run_once(options, config, run, data, nullptr, interrupt, progress, json);
    place = run.path();
    if (!outcome.complete) {
      if (options.repeat > 1) {
        report("nncli: " + std::to_string(i) + " of " + std::to_string(options.repeat) +
               " runs are finished; seeds from " + std::to_string(config.seed + 1) +
               " on have not begun");
      }
      break;
    }
    outcomes.push_back(outcome);
  }
  if (options.repeat > 1) {
    add_repeats(json.end_array(), outcomes);
    json.end_object();
    print_result(options.json ? json.str() + "\n" : repeats_text(outcomes), outcome, place);
  }
  return outcome.complete ? kSuccess : kSignalBase + interrupt.signal();
}

}  // namespace nnkernels::cli
