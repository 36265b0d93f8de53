// A loss for classifiers that is chosen when the program runs.
#ifndef NNKERNELS_NN_CLASSIFIER_LOSS_H_
#define NNKERNELS_NN_CLASSIFIER_LOSS_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "nn/loss.h"

namespace nnkernels::nn {

enum class LossKind { softmax, squared, sigmoid };

struct LossOptions {
  LossKind kind = LossKind::softmax;
  double label_smoothing = 0;  // softmax
  ClassTargets targets = {};   // squared, sigmoid
};

/// One of SoftmaxWithLoss (softmax), MeanSquaredError (squared) and SigmoidWithLoss (sigmoid), for
/// outputs of [n][classes] and labels. Where the network ends with a Sigmoid layer, `squared` is
/// the one that fits: the other two take logits.
template <class T>
class ClassifierLoss {
 public:
  /// Throws std::invalid_argument unless 0 <= label_smoothing < 1, and 0 for others than softmax,
  /// and unless the targets are finite, low < high, and for sigmoid in [0, 1].
  explicit ClassifierLoss(const LossOptions& options = {});

  /// So that batches of up to n allocate nothing.
  void plan(std::int64_t n) { softmax_.plan(n); }

  double value(TensorView<const T> x, std::span<const std::int32_t> labels);
  double value_and_gradient(TensorView<const T> x, std::span<const std::int32_t> labels,
                            TensorView<T> dx);

 private:
  LossOptions options_;
  SoftmaxWithLoss<T> softmax_;
};

/// What the outputs y, [classes], of a network that was trained with this loss say of each class:
/// softmax(y), 1 / (1 + exp(-y)), or y itself held to [0, 1]. Computed in double.
template <class T>
std::vector<double> class_probabilities(TensorView<const T> y, LossKind kind);
/// The same for a view of mutable elements.
template <class T>
requires(!std::is_const_v<T>) std::vector<double> class_probabilities(TensorView<T> y,
                                                                      LossKind kind) {
  return class_probabilities(TensorView<const T>(y), kind);
}

/// The loss called "softmax", "squared" or "sigmoid"; throws std::invalid_argument, listing these,
/// for any other name.
LossKind loss_from_name(std::string_view name);

/// The names that loss_from_name() knows.
std::vector<std::string> loss_names();

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_CLASSIFIER_LOSS_H_
