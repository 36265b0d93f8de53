#include "cli/train_run.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <stdexcept>
#include <utility>

#include "cli/exit_code.h"
#include "cli/model_record.h"
#include "cli/output.h"
#include "cli/problem.h"
#include "cli/train_record.h"
#include "nn/architecture.h"
#include "nn/batch.h"
#include "nn/initialize.h"
#include "nn/named_tensor.h"

namespace nnkernels::cli {
namespace {

/// `text` with the number of classes in the place of the word.
std::string with_classes(std::string text, std::int32_t classes) {
  constexpr std::string_view kWord = "classes";
  for (std::size_t at; (at = text.find(kWord)) != std::string::npos;) {
    text.replace(at, kWord.size(), std::to_string(classes));
  }
  return text;
}

std::string size_text(const nn::Dataset& data) {
  return std::to_string(data.h) + "x" + std::to_string(data.w) + "x" + std::to_string(data.c);
}

bool finite(const nn::Sequential<float>& net) {
  const std::vector<nn::NamedTensor<float>> tensors = nn::named_tensors(net);
  return std::all_of(tensors.begin(), tensors.end(), [](const nn::NamedTensor<float>& each) {
    return std::all_of(each.value->begin(), each.value->end(),
                       [](float number) { return std::isfinite(number); });
  });
}

nn::OptimizerOptions optimizer_options(const TrainConfig& c) {
  return {.name = c.optimizer,
          .lr = c.lr,
          .momentum = c.momentum,
          .beta1 = c.beta1,
          .beta2 = c.beta2,
          .alpha = c.alpha,
          .epsilon = c.epsilon,
          .weight_decay = c.weight_decay,
          .clip_norm = c.clip_norm};
}

/// What single precision cannot hold is a matter of what was asked for.
std::unique_ptr<nn::Optimizer<float>> optimizer_of(const TrainConfig& config) {
  try {
    return nn::make_optimizer<float>(optimizer_options(config));
  } catch (const std::invalid_argument& error) {
    throw UsageError(error.what());
  }
}

nn::LearningRateSchedule schedule_of(const TrainConfig& c) {
  nn::LearningRateSchedule schedule = nn::learning_rate_schedule_from_name(c.schedule);
  schedule.warmup_epochs = c.warmup;
  schedule.step_epochs = c.decay_every;
  schedule.gamma = c.decay;
  schedule.pct_start = c.rise;
  schedule.div_factor = c.div_start;
  schedule.final_div_factor = c.div_end;
  return schedule;
}

nn::TrainerOptions trainer_options(const TrainConfig& c, const nn::Preprocessing& preprocessing) {
  return {.epochs = c.epochs,
          .batch_size = c.batch_size,
          .seed = c.seed,
          .preprocessing = preprocessing,
          .schedule = schedule_of(c),
          .loss = loss_options(c),
          .sampling = c.sampling == "replacement" ? nn::Sampling::with_replacement
                                                  : nn::Sampling::permutation,
          .steps = c.steps,
          .augmentation =
              c.augment == "none" ? nn::Augmentation{} : nn::augmentation_from_text(c.augment),
          .average_decay = c.ema};
}

/// Ends a measurement that a signal has made pointless.
struct Interrupted {};

/// A training run while it goes on.
class Fit {
 public:
  Fit(const TrainConfig& config, const RunData& data, const nn::ModelInfo& info,
      const Saving& saving, const nn::Checkpoint* from, nn::Sequential<float>& net,
      const InterruptGuard& interrupt, RunFolder& run, Progress& progress)
      : config_(config),
        data_(data),
        info_(info),
        net_(net),
        interrupt_(interrupt),
        run_(run),
        progress_(progress),
        optimizer_(optimizer_of(config)),
        trainer_(net, *optimizer_, data.train, trainer_options(config, info.preprocessing)),
        saver_(saving, interrupt, run, progress, trainer_, info) {
    if (from != nullptr) {
      from->restore(trainer_);
      state_ = read_state(*from);
      state_.finished = false;
      outcome_.epoch_seconds = run.epoch_seconds();
      note_position();
    }
    trainer_.on_batch = [this](const nn::BatchProgress& batch) { return after_batch(batch); };
    trainer_.on_epoch = [this](const nn::EpochResult& epoch) { return after_epoch(epoch); };
  }

  Outcome run() {
    bool all = false;
    try {
      all = go_on();
    } catch (const Interrupted&) {
      stopped_ = false;
    }
    outcome_.complete = all || stopped_;
    note_position();
    if (outcome_.complete) {
      finish_run();
    } else {
      save_at_once();
    }
    outcome_.best_epoch = state_.best_epoch;
    outcome_.log = std::move(state_.log);
    return std::move(outcome_);
  }

 private:
  bool go_on() {
    // What a run that is resumed within an epoch may not have come to: to look at its last batch.
    const nn::TrainerPosition& at = trainer_.position();
    const std::int64_t batches = trainer_.batches_of(at.epoch);
    stopped_ = at.batches > 0 && look(at.batches, batches);
    const bool all = !stopped_ && trainer_.run();
    if (stopped_ && at.batches < trainer_.batches_of(at.epoch)) {  // good enough within an epoch
      save_last();
      record({.epoch = at.epoch,
              .epochs = trainer_.epochs(),
              .samples = at.samples,
              .loss = at.loss,
              .epoch_seconds = at.epoch_seconds});
    }
    return all;
  }

  void note_position() {
    const nn::TrainerPosition& at = trainer_.position();
    if (at.epoch > trainer_.epochs()) return;  // all was finished; `last` has the last batch
    outcome_.last.epoch = at.epoch;
    outcome_.last.epochs = trainer_.epochs();
    outcome_.last.batch = at.batches;
    outcome_.last.batches = trainer_.batches_of(at.epoch);
  }

  /// Throws Interrupted when there is a signal: on many images, a measurement takes longer than a
  /// signal should have to wait.
  nn::Evaluation evaluate(const nn::Dataset& data) {
    return nn::evaluate(net_, data, info_.preprocessing, 500, loss_options(config_), [this] {
      if (interrupt_.signal() != 0) throw Interrupted();
    });
  }

  bool after_batch(const nn::BatchProgress& batch) {
    outcome_.last = batch;
    progress_.batch(batch);
    if (interrupt_.signal() != 0) return false;
    stopped_ = look(batch.batch, batch.batches);
    if (stopped_) return false;
    if (saver_.due_within_epoch()) {
      require_finite(finite(net_));
      saver_.save_checkpoint(state_);
    }
    return true;
  }

  /// What the settings want to know after a batch; true if the network is good enough. May be
  /// called again for the same batch.
  bool look(std::int64_t batch, std::int64_t batches) {
    const std::int64_t step = trainer_.step() - 1;
    if (config_.log_every > 0 && step % config_.log_every == 0) log(step);
    const std::int64_t looks = std::max<std::int64_t>(batches / 10, 1);
    if (config_.until == 0 || batch % looks != 0 || batch == batches) return false;
    const nn::UseAverage averaged(trainer_.average());
    return evaluate(*data_.validation).accuracy >= config_.until;
  }

  void log(std::int64_t step) {
    if (!state_.log.empty() && state_.log.back().step >= step) return;
    const nn::UseAverage averaged(trainer_.average());
    const LogEntry entry = {.step = step,
                            .train_accuracy = evaluate(data_.train).accuracy,
                            .test_accuracy = evaluate(data_.test).accuracy};
    state_.log.push_back(entry);
    progress_.note("step " + right(std::to_string(step), 6) + "  train accuracy " +
                   percent(entry.train_accuracy) + "  test accuracy " +
                   percent(entry.test_accuracy));
  }

  /// The checkpoint comes before all that is found out about the epoch: a run that is resumed here
  /// finds it out again.
  bool after_epoch(const nn::EpochResult& epoch) {
    saver_.save_best_again();
    save_last();
    if (saver_.due_after_epoch()) saver_.save_checkpoint(state_);
    record(epoch);
    stopped_ = enough(epoch.epoch);
    return interrupt_.signal() == 0 && !stopped_;
  }

  /// Judges the net as it is now, and writes down what the epoch, or so much of it, came to.
  void record(const nn::EpochResult& epoch) {
    const nn::UseAverage averaged(trainer_.average());
    const nn::Evaluation& judged = judge();
    if (!std::isfinite(judged.loss) && outcome_.epoch_seconds.empty()) run_.discard();
    require_finite(std::isfinite(judged.loss));
    outcome_.epoch_seconds.push_back(epoch.epoch_seconds);
    saver_.attempt([&] {
      run_.append_metrics(
          metrics_json(epoch, optimizer_->learning_rate(), judged, data_.validation != nullptr));
    });
    progress_.epoch(epoch, judged, data_.validation != nullptr ? "validation" : "test");
    note_best(judged, epoch.epoch);
  }

  void save_last() {
    const nn::UseAverage averaged(trainer_.average());
    require_finite(finite(net_));
    saver_.save_last();
  }

  /// The net as it is now, by the validation set, if there is one.
  const nn::Evaluation& judge() {
    nn::Evaluation& judged =
        data_.validation != nullptr ? outcome_.validation.emplace() : outcome_.test;
    judged = evaluate(data_.validation != nullptr ? *data_.validation : data_.test);
    return judged;
  }

  void note_best(const nn::Evaluation& judged, std::int64_t epoch) {
    const bool better =
        data_.validation != nullptr && (!state_.best || judged.accuracy > state_.best->accuracy);
    if (!better) return;
    state_.best = judged;
    state_.best_epoch = epoch;
    saver_.save_best();
  }

  bool enough(std::int64_t epoch) const { return !stopped_by(config_, state_, epoch).empty(); }

  void tell_why() {
    outcome_.stopped_by = stopped_by(config_, state_, outcome_.last.epoch);
    progress_.note("stopped in epoch " + std::to_string(outcome_.last.epoch) + ", after batch " +
                   std::to_string(outcome_.last.batch) + " of " +
                   std::to_string(outcome_.last.batches) +
                   (outcome_.stopped_by == "until"
                        ? ": the validation accuracy has reached --until"
                        : ": no better validation accuracy for the epochs of --patience"));
  }

  /// The update of the last batch can spoil weights that no training loss shows any more.
  void require_finite(bool is_finite) const {
    if (is_finite) return;
    throw nn::Diverged(outcome_.last.epoch, outcome_.last.batch, std::nan(""), config_.lr);
  }

  /// After a signal. Who is in a hurry will send a second one.
  void save_at_once() {
    progress_.clear();
    require_finite(finite(net_));
    interrupt_.undisturbed([this] {
      const nn::UseAverage averaged(trainer_.average());
      run_.save(net_, info_);
    });
    saver_.save_at_end(state_);
    interrupt_.undisturbed([this] { finish(run_); });
    if (trainer_.average() != nullptr) trainer_.average()->swap();
    outcome_.validation = state_.best;
  }

  /// Saves what has not been saved, goes back to the best network, and reads the test set.
  void finish_run() {
    if (stopped_) tell_why();
    state_.finished = true;
    saver_.save_at_end(state_);
    interrupt_.undisturbed([this] { finish(run_); });
    // What counts from here on is the average, if there is one.
    if (trainer_.average() != nullptr) trainer_.average()->swap();
    if (data_.validation == nullptr) return;
    net_ = load_model_of(run_.path()).net;
    outcome_.validation = state_.best;
    outcome_.test = nn::evaluate(net_, data_.test, info_.preprocessing, 500, loss_options(config_));
  }

  const TrainConfig& config_;
  const RunData& data_;
  const nn::ModelInfo& info_;
  nn::Sequential<float>& net_;
  const InterruptGuard& interrupt_;
  RunFolder& run_;
  Progress& progress_;
  std::unique_ptr<nn::Optimizer<float>> optimizer_;
  nn::Trainer<float> trainer_;
  Saver saver_;
  RunState state_;
  bool stopped_ = false;  // because the network is good enough, or gets no better
  Outcome outcome_;
};

}  // namespace

nn::Sequential<float> make_net(const TrainConfig& config, const nn::Dataset& data) {
  const nn::Shape image = nn::sample_shape(data);
  std::optional<nn::Sequential<float>> net;
  try {
    net = nn::build<float>(image, with_classes(config.arch, data.classes));
  } catch (const std::invalid_argument& error) {
    throw UsageError("the network does not fit images of " + size_text(data) + ": " +
                     problem_of(error));
  }
  const nn::Shape classes({data.classes});
  if (net->output_shape() != classes) {
    throw UsageError("the network ends with " + net->output_shape().str() + ", but there are " +
                     std::to_string(data.classes) + " classes; end --arch with \"affine classes\"");
  }
  nn::initialize(*net, nn::initialization_from_name(config.init), config.seed, config.init_scale);
  return *std::move(net);
}

Outcome fit(const TrainConfig& config, const RunData& data, const nn::ModelInfo& info,
            const Saving& saving, const nn::Checkpoint* from, nn::Sequential<float>& net,
            const InterruptGuard& interrupt, RunFolder& run, Progress& progress) {
  return Fit(config, data, info, saving, from, net, interrupt, run, progress).run();
}

}  // namespace nnkernels::cli
