// The moving average of a network's weights.
#ifndef NNKERNELS_NN_WEIGHT_AVERAGE_H_
#define NNKERNELS_NN_WEIGHT_AVERAGE_H_

#include <cstdint>
#include <vector>

#include "nn/sequential.h"

namespace nnkernels::nn {

/// The exponential moving average a of all parameters and buffers w of a network (B. Polyak and A.
/// Juditsky, 1992, in the form that TensorFlow's ExponentialMovingAverage made common). After step
/// t = 1, 2, ...:
///     a += (1 - d) (w - a),  d = min(decay, (t - 1) / (t + 9)),
/// so that the first average is the weights themselves and early ones forget the start quickly.
/// It is less noisy than the weights of any one step, hence often more accurate.
template <class T>
class WeightAverage {
 public:
  /// Takes a copy of the weights. `net` is borrowed. Throws std::invalid_argument unless 0 <= decay
  /// < 1.
  WeightAverage(Sequential<T>& net, double decay);

  /// To be called after each update of the weights. Allocates nothing; parallel where it pays, same
  /// bits for any number of threads.
  void update();

  /// The weights of the network and their average change places: call it once to evaluate or save
  /// the average, and again to go on training.
  void swap();

  /// Updates so far, and what a checkpoint sets it back to.
  std::int64_t steps() const { return steps_; }
  void set_steps(std::int64_t steps) { steps_ = steps; }

  /// The averages of all parameters, then of all buffers, in the network's order: what a checkpoint
  /// has to save and restore. While swap() is in effect, the weights themselves.
  std::vector<Tensor<T>>& values() { return averages_; }

 private:
  double decay_;
  std::int64_t steps_ = 0;
  std::vector<Tensor<T>*> weights_;
  std::vector<Tensor<T>> averages_;
};

/// Puts the average in the place of the weights as long as it lives; does nothing if there is none
/// (null).
template <class T>
class UseAverage {
 public:
  explicit UseAverage(WeightAverage<T>* average) : average_(average) {
    if (average_ != nullptr) average_->swap();
  }
  ~UseAverage() {
    if (average_ != nullptr) average_->swap();
  }
  UseAverage(const UseAverage&) = delete;
  UseAverage& operator=(const UseAverage&) = delete;

 private:
  WeightAverage<T>* average_;
};

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_WEIGHT_AVERAGE_H_
