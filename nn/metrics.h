// How good a classifier is: accuracy, loss, confusion matrix, the worst mistakes.
#ifndef NNKERNELS_NN_METRICS_H_
#define NNKERNELS_NN_METRICS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "nn/classifier_loss.h"
#include "nn/data/dataset.h"
#include "nn/sequential.h"

namespace nnkernels::nn {

/// Counts how often class `truth` was taken for class `predicted`.
class ConfusionMatrix {
 public:
  ConfusionMatrix() = default;
  /// All counts zero. Throws std::invalid_argument on a negative number of classes.
  explicit ConfusionMatrix(std::int32_t classes);

  /// Counts one sample. Throws std::invalid_argument if a class is out of range.
  void add(std::int32_t truth, std::int32_t predicted);

  std::int32_t classes() const { return classes_; }
  /// Row: the true class; column: the predicted one. Throws std::invalid_argument if out of range.
  std::int64_t at(std::int32_t truth, std::int32_t predicted) const;
  std::int64_t total() const;
  std::int64_t correct() const;
  /// correct() / total(); NaN if nothing was counted.
  double accuracy() const;

 private:
  std::size_t index(std::int32_t truth, std::int32_t predicted) const;

  std::int32_t classes_ = 0;
  std::vector<std::int64_t> counts_;  // [truth][predicted]
};

/// predicted[i] = where row i of y, [n][classes], is largest (the first of several). Allocates
/// nothing. Throws std::invalid_argument unless y is [predicted.size()][at least 1 class].
template <class T>
void predict_classes(TensorView<const T> y, std::span<std::int32_t> predicted);

/// What a classifier does on a data set. `loss` is the chosen one over all samples.
struct Evaluation {
  double accuracy = 0;
  double loss = 0;
  ConfusionMatrix confusion;
};

/// The most numbers that inputs and outputs of all layers may take in evaluate() and
/// worst_mistakes(), unless those of a single sample are more: 2^28, a GiB of floats. Model files
/// that are not to be trusted ask for layers of any size up to kMaxActivation (nn/architecture.h).
inline constexpr std::int64_t kMaxEvaluated = std::int64_t{1} << 28;

/// How many samples these run at a time when they are asked for `batch_size`: as many as
/// kMaxEvaluated has room for, and at least one.
template <class T>
std::int64_t evaluated_at_once(const Sequential<T>& net, std::int64_t batch_size);

/// Runs `net` on every sample of `data`, in order, evaluated_at_once() at a time. Overwrites net's
/// activations, not its gradients. Throws std::invalid_argument if the data set is empty, its
/// samples do not fit the net's input, the net's output is not [data.classes], a label is not in
/// [0, data.classes), `preprocessing` is not finite, or batch_size < 1.
/// `after_batch`, if set, is called after each batch and may throw to end it there.
template <class T>
Evaluation evaluate(Sequential<T>& net, const Dataset& data, const Preprocessing& preprocessing,
                    std::int64_t batch_size = 500, const LossOptions& loss = {},
                    const std::function<void()>& after_batch = {});

/// A sample that was taken for another class.
struct Mistake {
  std::int64_t index = 0;  // of the sample in the data set
  std::int32_t truth = 0;
  std::int32_t predicted = 0;
  double loss = 0;                    // -log of the probability of `truth`
  std::vector<double> probabilities;  // class_probabilities(), [classes]
};

/// The wrong samples with the largest losses, where the network was most sure of something else: at
/// most `k`, the worst first, of equal losses the one that comes first in `data`. Probabilities and
/// losses are computed in double; a loss that is NaN counts as infinite. Runs `net` on all of
/// `data` and throws as evaluate() does.
template <class T>
std::vector<Mistake> worst_mistakes(Sequential<T>& net, const Dataset& data,
                                    const Preprocessing& preprocessing, std::size_t k,
                                    std::int64_t batch_size = 500,
                                    LossKind kind = LossKind::softmax);

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_METRICS_H_
