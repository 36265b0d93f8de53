// Training: epochs of batches, each forward, loss, backward, step.
#ifndef NNKERNELS_NN_TRAINER_H_
#define NNKERNELS_NN_TRAINER_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "nn/augment.h"
#include "nn/classifier_loss.h"
#include "nn/data/dataset.h"
#include "nn/learning_rate.h"
#include "nn/named_tensor.h"
#include "nn/optimizer.h"
#include "nn/sequential.h"
#include "nn/weight_average.h"

namespace nnkernels::nn {

/// Which samples an epoch visits: each once, in the order permutation(seed, epoch); or as many
/// batches of samples drawn with replacement, draws(seed, epoch).
enum class Sampling { permutation, with_replacement };

struct TrainerOptions {
  std::int64_t epochs = 10;
  std::int64_t batch_size = 100;
  std::uint64_t seed = 1;  // of the order of the samples, and of what layers draw
  Preprocessing preprocessing = {};
  LearningRateSchedule schedule = {};
  LossOptions loss = {};
  Sampling sampling = Sampling::permutation;
  std::int64_t steps = 0;          // where greater than 0, ends training, and not epochs
  Augmentation augmentation = {};  // of the training images
  double average_decay = 0;        // of a WeightAverage; 0: none
};

/// The end of a training step: net.backward(x, dy), and a step of `optimizer`, which is bound to
/// `net`: inside the backward pass, while weights and gradients are in the cache, where it can
/// (Optimizer::updates_in_backward), else behind it. Throws what backward() does.
template <class T>
void backward_and_update(Sequential<T>& net, Optimizer<T>& optimizer,
                         std::type_identity_t<TensorView<const T>> x,
                         std::type_identity_t<TensorView<const T>> dy);

/// Where training stands, after a batch. Counts start from 1.
struct BatchProgress {
  std::int64_t epoch = 0, epochs = 0;
  std::int64_t batch = 0, batches = 0;  // in this epoch
  std::int64_t samples = 0;             // trained on in this epoch, this batch included
  double loss = 0;                      // of this batch, before its update
  double epoch_seconds = 0;             // training time of this epoch so far
};

/// What an epoch came to.
struct EpochResult {
  std::int64_t epoch = 0, epochs = 0;  // from 1
  std::int64_t samples = 0;
  double loss = 0;           // mean over the epoch's samples, each before its batch's update
  double epoch_seconds = 0;  // training alone: the time spent in callbacks is not counted
};

/// Where a run stands between two batches. Which samples come next and what layers draw depends on
/// the seed and on this alone: there is no generator with a state of its own.
struct TrainerPosition {
  std::int64_t epoch = 1;    // from 1; when all are finished, one more than the run has
  std::int64_t batches = 0;  // of this epoch that are done; all of them until on_epoch is through
  std::int64_t samples = 0;  // that these had
  double loss = 0;           // mean over these samples
  double epoch_seconds = 0;  // that these took
  bool operator==(const TrainerPosition&) const = default;
};

/// The loss is not a finite number any more: the learning rate is too high, as a rule. The message
/// says where and what to do. The batch that showed it has not changed the parameters; the one
/// before it has, and may have spoilt them.
class Diverged : public std::runtime_error {
 public:
  Diverged(std::int64_t epoch, std::int64_t batch, double loss, double learning_rate);
  /// Of the first batch of all, before any update: the learning rate has no part in it.
  explicit Diverged(double loss);
  std::int64_t epoch() const { return epoch_; }
  std::int64_t batch() const { return batch_; }

 private:
  std::int64_t epoch_;
  std::int64_t batch_;
};

/// Trains a classifier.
///
///     Trainer<float> trainer(net, adam, dataset, {.epochs = 3});
///     trainer.on_epoch = [](const EpochResult& e) { ...; return true; };
///     trainer.run();
///
/// An epoch is as many batches as it takes to visit every sample once. When batch_size does not
/// divide the number of samples, the last batch is smaller (not with replacement); its gradient is
/// the mean over its own size. `steps` may end training within an epoch, which is then shorter. The
/// optimizer's learning rate when the trainer is made is that of the first step; the schedule sets
/// the others. Nothing is printed. Once every batch size (an epoch's last one may differ) and every
/// thread has had its turn, nothing is allocated (the callbacks aside). The result bits depend on
/// seed, data, options and the instruction set alone.
template <class T>
class Trainer {
 public:
  /// Called after each batch or epoch, if set. Returning false ends training there.
  std::function<bool(const BatchProgress&)> on_batch;
  std::function<bool(const EpochResult&)> on_epoch;

  /// Binds `optimizer` to `net` and allocates every buffer. All three are borrowed. Throws
  /// std::invalid_argument if the data set is empty or damaged (also where a label is not in
  /// [0, data.classes)), its samples do not fit the net's input, the net's output is not
  /// [data.classes], or an option is out of range.
  Trainer(Sequential<T>& net, Optimizer<T>& optimizer, const Dataset& data,
          const TrainerOptions& options);

  /// Trains from position() on, for options.epochs epochs, or options.steps steps, in all, or until
  /// a callback returns false or throws; what position() then says is where another run() goes on.
  /// Returns true if all were finished. position() is then {.epoch = epochs() + 1}, from where
  /// run() does nothing, calls nothing and returns true; if on_epoch returned false for the last
  /// epoch, it stays there, and run() would call on_epoch again. Throws Diverged.
  bool run();

  /// Where training stands; in callbacks too.
  const TrainerPosition& position() const { return position_; }
  /// Steps taken up to there.
  std::int64_t step() const;
  /// Continues elsewhere: run() then does what it would have done had it come there itself, if
  /// state() holds what it held there. Sets the optimizer's steps and learning rate, and the
  /// average's steps, too.
  /// Throws std::invalid_argument if the run does not come to such a position; it does come to the
  /// one behind its end.
  void set_position(const TrainerPosition& position);

  /// The tensors that training changes: the network's ("0.w"), the optimizer's ("optimizer.m.0.w")
  /// and, if there is one, the average's ("average.0.w"). Borrowed; not while average() is swapped.
  std::vector<NamedTensor<T>> state();
  /// How many epochs the run has, the last of which may be a part.
  std::int64_t epochs() const {
    return (run_.steps + run_.steps_per_epoch - 1) / run_.steps_per_epoch;
  }
  /// 0 of what is behind the last one.
  std::int64_t batches_of(std::int64_t epoch) const;
  const Sequential<T>& net() const { return net_; }
  const Optimizer<T>& optimizer() const { return optimizer_; }
  const TrainerOptions& options() const { return options_; }

  /// The average of the weights, null if options.average_decay is 0. The network holds the weights
  /// that are trained, also when run() is through:
  ///     const UseAverage averaged(trainer.average());
  ///     evaluate(net, ...);
  WeightAverage<T>* average() { return average_ ? &*average_ : nullptr; }

 private:
  /// Trains on the rest of an epoch; false if on_batch ended it.
  bool run_epoch();
  /// Fills order_ for an epoch.
  void choose_samples(std::uint64_t epoch);
  /// Step `step` (from 0 in the run) on samples order_[first, first + count). Returns the loss
  /// before it; where that is no finite number, nothing is changed but the running moments of a
  /// BatchNorm, which forward() has taken.
  double train_step(std::int64_t step, std::int64_t first, std::int64_t count);

  Sequential<T>& net_;
  Optimizer<T>& optimizer_;
  const Dataset& data_;
  TrainerOptions options_;
  double base_learning_rate_;
  RunLength run_;
  TrainerPosition position_;
  ClassifierLoss<T> loss_;
  std::optional<WeightAverage<T>> average_;
  std::vector<std::int64_t> order_;  // [data.n], with replacement [batches][batch_size]
  Tensor<T> x_;                      // [batch_size][h][w][c]
  Tensor<T> plain_;                  // the same before augmentation, if there is one
  std::optional<Augmenter<T>> augmenter_;
  Tensor<T> dy_;                      // [batch_size][classes]
  std::vector<std::int32_t> labels_;  // [batch_size]
};

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_TRAINER_H_
