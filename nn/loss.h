// Loss functions: from the network's output and what it should have been to one number, and the
// gradient that backward() starts from. A loss is not a layer: it takes labels.
#ifndef NNKERNELS_NN_LOSS_H_
#define NNKERNELS_NN_LOSS_H_

#include <cstdint>
#include <span>

#include "nn/tensor.h"

namespace nnkernels::nn {

/// Softmax and cross-entropy in one: L = 1/n * sum over i of -log softmax(x_i)[labels[i]], for
/// logits x of [n][classes] and n labels in [0, classes).
///
/// Also known as CrossEntropyLoss (PyTorch), SparseCategoricalCrossentropy(from_logits=True)
/// (Keras). Stable for logits of any finite size. Rows are computed in T and summed in double, in
/// order. NaN for n = 0. Parallel where it pays, same bits for any number of threads.
///
/// Both functions throw std::invalid_argument if x is not [n][classes] with n = labels.size(), if
/// dx has another shape, or if a label is out of range.
template <class T>
class SoftmaxWithLoss {
 public:
  /// Makes room for n rows, so that batches of up to n allocate nothing.
  void plan(std::int64_t n) { losses_.reserve(n); }

  double value(TensorView<const T> x, std::span<const std::int32_t> labels);

  /// Returns the same number and sets dx = dL/dx = (softmax(x) - onehot(labels)) / n.
  /// dx may be x's memory.
  double value_and_gradient(TensorView<const T> x, std::span<const std::int32_t> labels,
                            TensorView<T> dx);

 private:
  AlignedBuffer<T> losses_;  // [n]
};

/// Half the squared distance, averaged over the batch: L = 1/(2n) * sum over i and all elements j
/// of (x[i,j] - target[i,j])^2, for x and target of one shape [n, ...].
///
/// This is C. Bishop's sum-of-squares error a sample (PyTorch's MSELoss and Keras's
/// MeanSquaredError, which divide by the number of elements, are 2 / (elements a sample) times it);
/// its gradient is plainly (x - target) / n. Summed in double, in order. NaN for n = 0. Allocates
/// nothing. Throws std::invalid_argument unless all shapes are equal and of rank 1 at least.
template <class T>
class MeanSquaredError {
 public:
  double value(TensorView<const T> x, TensorView<const T> target) const;

  /// Returns the same number and, unless dx is empty, sets dx = dL/dx. dx may be the memory of x or
  /// of target.
  double value_and_gradient(TensorView<const T> x, TensorView<const T> target,
                            TensorView<T> dx) const;
};

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_LOSS_H_
