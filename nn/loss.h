// Loss functions: from the network's output and what it should have been to one number, and the
// gradient that backward() starts from. A loss is not a layer: it takes labels.
#ifndef NNKERNELS_NN_LOSS_H_
#define NNKERNELS_NN_LOSS_H_

#include <cstdint>
#include <span>

#include "nn/tensor.h"

namespace nnkernels::nn {

// All of them: x is [n, ...], losses are means over n, summed in double and in order (NaN for n =
// 0), and value_and_gradient() returns what value() does and, unless dx is empty, sets dx = dL/dx,
// where dx may be x's memory. They throw std::invalid_argument if shapes or the number of labels do
// not fit, or if a label is out of range. Result bits do not depend on the number of threads.

/// Softmax and cross-entropy in one: L = 1/n * sum over i and j of -t[i,j] log softmax(x_i)[j], for
/// logits x of [n][classes].
///
/// The targets t are given as labels, t_i = (1 - s) onehot(labels[i]) + s / classes, where s is the
/// label smoothing (C. Szegedy et al., arXiv:1512.00567), 0 unless given; or as probabilities,
/// [n][classes], whose rows should have the sum 1, one-hot or not.
///
/// Also known as CrossEntropyLoss (PyTorch), SparseCategoricalCrossentropy and
/// CategoricalCrossentropy (from_logits=True, Keras). Stable for logits of any size, as long as the
/// differences within a row are finite in T (3.4e38 for float). Parallel where it pays.
template <class T>
class SoftmaxWithLoss {
 public:
  /// Throws std::invalid_argument unless 0 <= label_smoothing < 1.
  explicit SoftmaxWithLoss(double label_smoothing = 0);

  /// Makes room for n rows, so that batches of up to n allocate nothing.
  void plan(std::int64_t n) { losses_.reserve(n); }

  double value(TensorView<const T> x, std::span<const std::int32_t> labels);
  /// dx = (softmax(x) - t) / n.
  double value_and_gradient(TensorView<const T> x, std::span<const std::int32_t> labels,
                            TensorView<T> dx);

  /// For target probabilities. Allocates in the first call of a size. dx may be the memory of x,
  /// not of target.
  double value(TensorView<const T> x, TensorView<const T> target);
  double value_and_gradient(TensorView<const T> x, TensorView<const T> target, TensorView<T> dx);

 private:
  /// What smoothing adds to the loss, divided by its strength: the mean of how far the logit of the
  /// label is above the mean of its row; 0 without smoothing.
  double mean_lead(TensorView<const T> x, std::span<const std::int32_t> labels) const;

  double label_smoothing_;
  AlignedBuffer<T> losses_;     // [n]
  AlignedBuffer<T> log_probs_;  // [n][classes], for target probabilities
};

/// The targets of a loss that compares each output with a number: `high` for the output of the
/// label, `low` for all others.
struct ClassTargets {
  double low = 0;
  double high = 1;
};

/// Half the squared distance, averaged over the batch: L = 1/(2n) * sum over i and all elements j
/// of (x[i,j] - t[i,j])^2, for x and t of one shape [n, ...].
///
/// This is C. Bishop's sum-of-squares error a sample (PyTorch's MSELoss and Keras's
/// MeanSquaredError, which divide by the number of elements, are 2 / (elements a sample) times it);
/// its gradient is plainly (x - t) / n. Allocates nothing.
template <class T>
class MeanSquaredError {
 public:
  double value(TensorView<const T> x, TensorView<const T> target) const;
  /// dx = (x - target) / n. dx may be the memory of x or of target.
  double value_and_gradient(TensorView<const T> x, TensorView<const T> target,
                            TensorView<T> dx) const;

  /// For labels: x is [n][classes].
  double value(TensorView<const T> x, std::span<const std::int32_t> labels,
               const ClassTargets& targets) const;
  double value_and_gradient(TensorView<const T> x, std::span<const std::int32_t> labels,
                            const ClassTargets& targets, TensorView<T> dx) const;
};

/// Logistic function and cross-entropy in one, each output a yes or no of its own:
///     L = 1/n * sum over i and j of max(x, 0) - x t + log(1 + exp(-|x|)),  x = x[i,j], t = t[i,j]
/// which is -t log p - (1 - t) log(1 - p) for p = 1 / (1 + exp(-x)), stable for x of any finite
/// size. t in [0, 1].
///
/// Also known as BCEWithLogitsLoss (PyTorch) and BinaryCrossentropy (from_logits=True, Keras),
/// which divide by the number of elements. Allocates nothing.
template <class T>
class SigmoidWithLoss {
 public:
  double value(TensorView<const T> x, TensorView<const T> target) const;
  /// dx = (p - t) / n. dx may be the memory of x or of target.
  double value_and_gradient(TensorView<const T> x, TensorView<const T> target,
                            TensorView<T> dx) const;

  /// For labels: x is [n][classes].
  double value(TensorView<const T> x, std::span<const std::int32_t> labels,
               const ClassTargets& targets) const;
  double value_and_gradient(TensorView<const T> x, std::span<const std::int32_t> labels,
                            const ClassTargets& targets, TensorView<T> dx) const;
};

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_LOSS_H_
