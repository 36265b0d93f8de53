// A training step as Trainer takes it, whole or in parts.
#ifndef NNKERNELS_BENCH_TRAINING_STEP_H_
#define NNKERNELS_BENCH_TRAINING_STEP_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/network_source.h"
#include "bench/options.h"
#include "nn/classifier_loss.h"
#include "nn/data/dataset.h"
#include "nn/optimizer.h"
#include "nn/sequential.h"

namespace nnkernels::bench {

/// A network and how it is trained.
struct TrainingSetup {
  NetworkSource network = {.name = "cnn", .architecture = "", .file = ""};
  std::string optimizer;
  std::int64_t batch_size = 0;

  /// The flags --model, --batch-size and --optimizer, for commands that take one network.
  void add_to(Options& flags);
  /// After parsing: finds the network by its name, and what the flags left open. Throws UsageError
  /// that names `command`, and what network_source() does.
  void settle(const std::string& command);
};

/// Everything that a training step needs, and its parts in the order in which Trainer runs them.
class TrainingStep {
 public:
  /// On random_images(images, one batch). Takes one step, so that each part can then run alone.
  TrainingStep(const TrainingSetup& setup, std::int64_t images);

  const nn::Sequential<float>& net() const { return net_; }

  /// Collects the next batch.
  void gather();
  void forward();
  void take_loss();
  /// The gradients alone.
  void backward();
  /// The optimizer alone, on gradients that are there.
  void update();
  /// Both in one pass, as in training.
  void backward_and_update();

 private:
  std::int64_t batch_size_;
  nn::Sequential<float> net_;
  std::unique_ptr<nn::Optimizer<float>> optimizer_;
  nn::ClassifierLoss<float> loss_;
  nn::Tensor<float> x_, dy_;
  nn::TensorView<const float> y_;
  std::vector<std::int32_t> labels_;
  nn::Dataset data_;
  std::vector<std::int64_t> order_;
  std::size_t next_ = 0;
  std::uint64_t step_ = 0;
};

}  // namespace nnkernels::bench

#endif  // NNKERNELS_BENCH_TRAINING_STEP_H_
