#include "cli/train_run.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <stdexcept>
#include <utility>

#include "cli/exit_code.h"
#include "cli/model_record.h"
#include "cli/output.h"
#include "cli/train_record.h"
#include "nn/architecture.h"
#include "nn/batch.h"
#include "nn/initialize.h"

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
  const std::vector<nn::Parameter<float>*> parameters = net.parameters();
  return std::all_of(parameters.begin(), parameters.end(), [](const nn::Parameter<float>* each) {
    return std::all_of(each->value.begin(), each->value.end(),
                       [](float weight) { return std::isfinite(weight); });
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

/// A training run while it goes on.
class Fit {
 public:
  Fit(const TrainConfig& config, const RunData& data, const nn::ModelInfo& info,
      nn::Sequential<float>& net, const InterruptGuard& interrupt, RunFolder& run,
      Progress& progress)
      : config_(config),
        data_(data),
        info_(info),
        net_(net),
        interrupt_(interrupt),
        run_(run),
        progress_(progress),
        optimizer_(nn::make_optimizer<float>(optimizer_options(config))),
        trainer_(net, *optimizer_, data.train, trainer_options(config, info.preprocessing)) {
    trainer_.on_batch = [this](const nn::BatchProgress& batch) { return after_batch(batch); };
    trainer_.on_epoch = [this](const nn::EpochResult& epoch) { return after_epoch(epoch); };
  }

  Outcome run() {
    const bool all = trainer_.run();
    outcome_.complete = all || stopped_;
    // What counts from here on is the average, if there is one.
    if (trainer_.average() != nullptr) trainer_.average()->swap();
    if (outcome_.last.batch < outcome_.last.batches) save_and_judge();  // within an epoch
    if (data_.validation) judge_best();
    return std::move(outcome_);
  }

 private:
  nn::Evaluation evaluate(const nn::Dataset& data) {
    return nn::evaluate(net_, data, info_.preprocessing, 500, loss_options(config_));
  }

  bool after_batch(const nn::BatchProgress& batch) {
    outcome_.last = batch;
    progress_.batch(batch);
    if (config_.log_every > 0 && steps_ % config_.log_every == 0) log(steps_);
    ++steps_;
    const std::int64_t looks = std::max<std::int64_t>(batch.batches / 10, 1);
    if (config_.until > 0 && batch.batch % looks == 0 && batch.batch < batch.batches) {
      const nn::UseAverage averaged(trainer_.average());
      stopped_ = evaluate(*data_.validation).accuracy >= config_.until;
      if (stopped_) return false;
    }
    return interrupt_.signal() == 0 || batch.batch == batch.batches;
  }

  void log(std::int64_t step) {
    const nn::UseAverage averaged(trainer_.average());
    const LogEntry entry = {.step = step,
                            .train_accuracy = evaluate(data_.train).accuracy,
                            .test_accuracy = evaluate(data_.test).accuracy};
    outcome_.log.push_back(entry);
    progress_.note("step " + right(std::to_string(step), 6) + "  train accuracy " +
                   percent(entry.train_accuracy) + "  test accuracy " +
                   percent(entry.test_accuracy));
  }

  bool after_epoch(const nn::EpochResult& epoch) {
    const nn::UseAverage averaged(trainer_.average());
    const nn::Evaluation judged = save_and_judge();
    if (!std::isfinite(judged.loss) && outcome_.epoch_seconds.empty()) run_.discard();
    require_finite(std::isfinite(judged.loss));
    outcome_.epoch_seconds.push_back(epoch.epoch_seconds);
    run_.append_metrics(
        metrics_json(epoch, optimizer_->learning_rate(), judged, data_.validation.has_value()));
    progress_.epoch(epoch, judged, data_.validation ? "validation" : "test");
    if (judges_better(judged)) {
      best_ = judged;
      outcome_.best_epoch = epoch.epoch;
      interrupt_.undisturbed([&] { run_.save_best(net_, info_); });
    }
    stopped_ = enough(epoch.epoch);
    return interrupt_.signal() == 0 && !stopped_;
  }

  bool judges_better(const nn::Evaluation& judged) const {
    return data_.validation && (!best_ || judged.accuracy > best_->accuracy);
  }

  bool enough(std::int64_t epoch) const {
    if (!best_) return false;
    const bool stuck = config_.patience > 0 && epoch - outcome_.best_epoch >= config_.patience;
    return stuck || (config_.until > 0 && best_->accuracy >= config_.until);
  }

  /// Saves the network and measures it. When training has been interrupted, the run takes its final
  /// place at once: who is in a hurry will send a second signal.
  nn::Evaluation save_and_judge() {
    require_finite(finite(net_));
    if (interrupt_.signal() != 0) progress_.clear();
    interrupt_.undisturbed([&] {
      run_.save(net_, info_);
      if (interrupt_.signal() != 0) finish(run_);
    });
    nn::Evaluation& judged = data_.validation ? outcome_.validation.emplace() : outcome_.test;
    judged = evaluate(data_.validation ? *data_.validation : data_.test);
    return judged;
  }

  /// The update of the last batch can spoil weights that no training loss shows any more.
  void require_finite(bool is_finite) const {
    if (is_finite) return;
    throw nn::Diverged(outcome_.last.epoch, outcome_.last.batch, std::nan(""), config_.lr);
  }

  /// Goes back to the best network, if the last one is not as good, and reads the test set.
  void judge_best() {
    const bool last_is_best = !best_ || outcome_.validation->accuracy > best_->accuracy;
    if (last_is_best) {
      interrupt_.undisturbed([&] { run_.save_best(net_, info_); });
      outcome_.best_epoch = outcome_.last.epoch;
    } else {
      net_ = nn::load_model(model_file_of(run_.path()).string()).net;
      outcome_.validation = best_;
    }
    outcome_.test = evaluate(data_.test);
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
  std::optional<nn::Evaluation> best_;  // on the validation set
  std::int64_t steps_ = 0;
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
    throw UsageError("the network does not fit images of " + size_text(data) + ": " + error.what());
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
            nn::Sequential<float>& net, const InterruptGuard& interrupt, RunFolder& run,
            Progress& progress) {
  return Fit(config, data, info, net, interrupt, run, progress).run();
}

}  // namespace nnkernels::cli
