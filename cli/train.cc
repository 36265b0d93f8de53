#include <algorithm>
#include <cmath>
#include <ctime>
#include <memory>
#include <optional>
#include <stdexcept>

#include "cli/commands.h"
#include "cli/dataset.h"
#include "cli/exit_code.h"
#include "cli/interrupt.h"
#include "cli/json_writer.h"
#include "cli/machine.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/run_folder.h"
#include "kernels/parallel.h"
#include "kernels/simd.h"
#include "nn/architecture.h"
#include "nn/batch.h"
#include "nn/file_error.h"
#include "nn/initialize.h"
#include "nn/learning_rate.h"
#include "nn/metrics.h"
#include "nn/trainer.h"

namespace nnkernels::cli {
namespace {

/// The network of options.model for images of the data set's size, with its first weights.
nn::Sequential<float> make_net(const TrainOptions& options, const NamedData& data) {
  const nn::Shape image = nn::sample_shape(data.sets.train);
  std::optional<nn::Sequential<float>> net;
  try {
    net = nn::build<float>(image, nn::model_architecture(options.model));
  } catch (const std::invalid_argument& error) {
    const std::string size = std::to_string(image[0]) + "x" + std::to_string(image[1]);
    const bool small = options.model != "mlp" && std::min(image[0], image[1]) < 28;
    throw nn::FileError(data.path.string(), small ? "images of " + size + " are too small for " +
                                                        options.model + "; try --model mlp"
                                                  : "images of " + size + " do not fit the model " +
                                                        options.model + ": " + error.what());
  }
  nn::initialize(*net, nn::initialization_from_name(options.init), options.seed);
  return *std::move(net);
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

/// All that made the run.
std::string config_json(const TrainOptions& options, const NamedData& data,
                        const nn::Sequential<float>& net) {
  JsonWriter json(JsonWriter::Style::kIndented);
  json.begin_object()
      .member("nncli", NNKERNELS_VERSION)
      .member("started", utc_now())
      .member("command_line", options.command_line)
      .member("model", options.model)
      .member("architecture", nn::architecture_of(net))
      .member("input", net.input_shape().str())
      .member("parameters", net.parameter_count())
      .member("dataset", data.name)
      .member("data", data.path.string())
      .member("train_images", data.sets.train.n)
      .member("test_images", data.sets.test.n)
      .member("epochs", options.epochs)
      .member("batch_size", options.batch_size)
      .member("optimizer", options.optimizer)
      .member("lr", options.lr)
      .member("schedule", options.schedule)
      .member("init", options.init)
      .member("seed", options.seed)
      .member("threads", threads())
      .member("pin", pinning())
      .member("simd", simd())
      .member("cpu", cpu_name())
      .end_object();
  return json.str() + "\n";
}

std::string metrics_json(const nn::EpochResult& result, const nn::Evaluation& test) {
  JsonWriter json;
  json.begin_object()
      .member("epoch", result.epoch)
      .member("train_loss", result.loss)
      .member("train_seconds", result.epoch_seconds)
      .member("images_per_second", static_cast<double>(result.samples) / result.epoch_seconds)
      .member("test_accuracy", test.accuracy)
      .member("test_loss", test.loss)
      .end_object();
  return json.str();
}

/// What training came to.
struct Outcome {
  std::vector<double> epoch_seconds;  // of the epochs that were finished
  bool complete = false;              // no signal cut it short
  nn::BatchProgress last;
  nn::Evaluation test;
};

/// Lets the run take its final place, and says where the one is that had it.
void finish(RunFolder& run) {
  const std::filesystem::path kept = run.finish();
  if (!kept.empty()) report("nncli: the old run is kept as " + one_line(kept.string()));
}

bool finite(const nn::Sequential<float>& net) {
  const std::vector<nn::Parameter<float>*> parameters = net.parameters();
  return std::all_of(parameters.begin(), parameters.end(), [](const nn::Parameter<float>* each) {
    return std::all_of(each->value.begin(), each->value.end(),
                       [](float weight) { return std::isfinite(weight); });
  });
}

/// Saves the network. When training has been interrupted, the run takes its final place at once:
/// who is in a hurry will send a second signal.
void save(const nn::Sequential<float>& net, const nn::ModelInfo& info,
          const InterruptGuard& interrupt, RunFolder& run) {
  interrupt.undisturbed([&] {
    run.save(net, info);
    if (interrupt.signal() != 0) finish(run);
  });
}

Outcome fit(const TrainOptions& options, const nn::TrainTest& sets, const nn::ModelInfo& info,
            nn::Sequential<float>& net, const InterruptGuard& interrupt, RunFolder& run,
            Progress& progress) {
  const auto optimizer = nn::make_optimizer<float>(options.optimizer, options.lr);
  nn::Trainer<float> trainer(net, *optimizer, sets.train,
                             {.epochs = options.epochs,
                              .batch_size = options.batch_size,
                              .seed = options.seed,
                              .preprocessing = info.preprocessing,
                              .schedule = nn::learning_rate_schedule_from_name(options.schedule)});
  Outcome outcome;
  // The update of the last batch can spoil weights that no training loss shows any more.
  const auto require_finite = [&](bool is_finite) {
    if (is_finite) return;
    throw nn::Diverged(outcome.last.epoch, outcome.last.batch, std::nan(""), options.lr);
  };
  const auto save_and_test = [&] {
    require_finite(finite(net));
    if (interrupt.signal() != 0) progress.clear();
    save(net, info, interrupt, run);
    outcome.test = nn::evaluate(net, sets.test, info.preprocessing);
  };
  trainer.on_batch = [&](const nn::BatchProgress& batch) {
    outcome.last = batch;
    progress.batch(batch);
    return interrupt.signal() == 0 || batch.batch == batch.batches;
  };
  trainer.on_epoch = [&](const nn::EpochResult& epoch) {
    save_and_test();
    if (!std::isfinite(outcome.test.loss) && outcome.epoch_seconds.empty()) run.discard();
    require_finite(std::isfinite(outcome.test.loss));
    outcome.epoch_seconds.push_back(epoch.epoch_seconds);
    run.append_metrics(metrics_json(epoch, outcome.test));
    progress.epoch(epoch, outcome.test);
    return interrupt.signal() == 0;
  };
  outcome.complete = trainer.run();
  if (outcome.last.batch < outcome.last.batches) save_and_test();  // within an epoch
  return outcome;
}

std::string result_json(const TrainOptions& options, const NamedData& data,
                        const nn::Sequential<float>& net, const Outcome& outcome,
                        const RunFolder& run) {
  JsonWriter json;
  json.begin_object()
      .member("model", options.model)
      .member("dataset", data.name)
      .member("seed", options.seed)
      .member("threads", threads())
      .member("simd", simd())
      .member("epochs", outcome.epoch_seconds.size())
      .member("epoch_seconds", outcome.epoch_seconds)
      .member("test_accuracy", outcome.test.accuracy)
      .member("test_loss", outcome.test.loss)
      .member("parameters", net.parameter_count())
      .member("weights_sha256", nn::weights_sha256(net))
      .member("batch_size", options.batch_size)
      .member("optimizer", options.optimizer)
      .member("lr", options.lr)
      .member("schedule", options.schedule)
      .member("init", options.init)
      .member("data", data.path.string())
      .member("run", run.path().string())
      .member("interrupted", !outcome.complete)
      .end_object();
  return json.str() + "\n";
}

std::string result_text(const Outcome& outcome, const RunFolder& run) {
  return "test accuracy  " + percent(outcome.test.accuracy) + "\ntest loss      " +
         loss_text(outcome.test.loss) + "\nrun            " + run.path().string() + "\n";
}

}  // namespace

int train(const TrainOptions& options) {
  TrainOptions used = options;
  use_machine(used.machine);
  Progress progress(used.quiet);
  const InterruptGuard interrupt;
  RunFolder run(used.out, used.model, used.force);
  const NamedData data = load_data(used.data);
  // Model files hold text, and the folder's name goes into one.
  if (!is_utf8(data.path.string())) throw UsageError("--data: the folder's path is no UTF-8");
  used.batch_size = std::min(used.batch_size, data.sets.train.n);
  nn::ModelInfo info{.preprocessing = nn::default_preprocessing(data.sets.train),
                     .classes = data.sets.train.classes,
                     .metadata = {{"model", used.model}, {"dataset", data.name}}};
  // So that eval finds the data again; the bundled data it finds by itself, wherever it is then.
  record_data(used.data, data, info.metadata);
  nn::Sequential<float> net = make_net(used, data);
  run.set_config(config_json(used, data, net));
  progress.note("training " + used.model + " with " + used.optimizer + ", " +
                std::to_string(threads()) + (threads() == 1 ? " thread, " : " threads, ") + simd());

  Outcome outcome;
  try {
    outcome = fit(used, data.sets, info, net, interrupt, run, progress);
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
    print(used.json ? result_json(used, data, net, outcome, run) : result_text(outcome, run));
  } catch (const std::runtime_error&) {
    // `train | tee log`: Ctrl-C ends tee, too. The model is saved, and that is what counts.
    if (outcome.complete) throw;
  }
  if (outcome.complete) return kSuccess;
  report("nncli: interrupted in epoch " + std::to_string(outcome.last.epoch) + " of " +
         std::to_string(outcome.last.epochs) + ", after batch " +
         std::to_string(outcome.last.batch) + " of " + std::to_string(outcome.last.batches) +
         "; the network as it was then is saved: try `nncli eval " + run.path().string() +
         "`, or train again for a finished one");
  return kSignalBase + interrupt.signal();
}

}  // namespace nnkernels::cli
