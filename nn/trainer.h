// Training: epochs of batches, each forward, loss, backward, step.
#ifndef NNKERNELS_NN_TRAINER_H_
#define NNKERNELS_NN_TRAINER_H_

#include <cstdint>
#include <functional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "nn/data/dataset.h"
#include "nn/learning_rate.h"
#include "nn/loss.h"
#include "nn/optimizer.h"
#include "nn/sequential.h"

namespace nnkernels::nn {

struct TrainerOptions {
  std::int64_t epochs = 10;
  std::int64_t batch_size = 100;
  std::uint64_t seed = 1;  // of the order of the samples
  Preprocessing preprocessing = {};
  LearningRateSchedule schedule = {};
};

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

/// The loss is not a finite number any more: the learning rate is too high, as a rule. The message
/// says where and what to do. The batch that showed it has not changed the parameters; the one
/// before it has, and may have spoilt them.
class Diverged : public std::runtime_error {
 public:
  Diverged(std::int64_t epoch, std::int64_t batch, double loss, double learning_rate);
  std::int64_t epoch() const { return epoch_; }
  std::int64_t batch() const { return batch_; }

 private:
  std::int64_t epoch_;
  std::int64_t batch_;
};

/// Trains a classifier with SoftmaxWithLoss.
///
///     Trainer<float> trainer(net, adam, dataset, {.epochs = 3});
///     trainer.on_epoch = [](const EpochResult& e) { ...; return true; };
///     trainer.run();
///
/// Each epoch visits every sample once, in the order permutation(seed, epoch). When batch_size does
/// not divide the number of samples, the last batch is smaller; its gradient is the mean over its
/// own size. The optimizer's learning rate when the trainer is made is that of the first step; the
/// schedule sets the others. Nothing is printed. Once every batch size (an epoch's last one may
/// differ) and every thread has had its turn, nothing is allocated (the
/// callbacks aside). The result bits depend on seed, data, options and the instruction set alone.
template <class T>
class Trainer {
 public:
  /// Called after each batch or epoch, if set. Returning false ends training there.
  std::function<bool(const BatchProgress&)> on_batch;
  std::function<bool(const EpochResult&)> on_epoch;

  /// Binds `optimizer` to `net` and allocates every buffer. All three are borrowed. Throws
  /// std::invalid_argument if the data set is empty or damaged, its samples do not fit the net's
  /// input, the net's output is not [data.classes], or batch_size < 1 or epochs < 0.
  Trainer(Sequential<T>& net, Optimizer<T>& optimizer, const Dataset& data,
          const TrainerOptions& options);

  /// Trains for options.epochs epochs, or until a callback returns false. Returns true if all
  /// epochs were finished. Throws Diverged.
  bool run();

 private:
  /// Trains on the epoch result.epoch and fills in the rest; false if on_batch ended it.
  bool run_epoch(EpochResult& result);
  /// One step on samples order_[first, first + count). Returns the loss before it; where that is no
  /// finite number, nothing is changed.
  double train_step(std::int64_t first, std::int64_t count);

  Sequential<T>& net_;
  Optimizer<T>& optimizer_;
  const Dataset& data_;
  TrainerOptions options_;
  double base_learning_rate_;
  SoftmaxWithLoss<T> loss_;
  std::vector<std::int64_t> order_;   // [data.n]
  Tensor<T> x_;                       // [batch_size][h][w][c]
  Tensor<T> dy_;                      // [batch_size][classes]
  std::vector<std::int32_t> labels_;  // [batch_size]
};

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_TRAINER_H_
