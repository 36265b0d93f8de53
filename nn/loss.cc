#include "nn/loss.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "kernels/softmax.h"

namespace nnkernels::nn {
namespace {

void check_logits(const char* function, const Shape& x, std::size_t labels) {
  if (x.rank() != 2 || x[0] != static_cast<std::int64_t>(labels) || x[1] < 1) {
    throw std::invalid_argument(std::string(function) +
                                ": x must be [n, classes] with n labels, got " + x.str() + " and " +
                                std::to_string(labels) + " labels");
  }
}

void check_labels(const char* function, std::int64_t classes,
                  std::span<const std::int32_t> labels) {
  for (const std::int32_t label : labels) {
    if (label >= 0 && label < classes) continue;
    throw std::invalid_argument(std::string(function) + ": no class " + std::to_string(label) +
                                " of " + std::to_string(classes));
  }
}

void check_equal(const char* function, const char* names, const Shape& a, const Shape& b) {
  if (a != b) {
    throw std::invalid_argument(std::string(function) + ": " + names +
                                " must have the same shape, got " + a.str() + " and " + b.str());
  }
}

template <class T>
double mean(std::int64_t n, const T* losses) {
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += static_cast<double>(losses[i]);
  return sum / static_cast<double>(n);
}

/// The loss of one element, and its derivative.
struct Element {
  double loss;
  double derivative;
};

Element squared(double x, double target) {
  const double difference = x - target;
  return {difference * difference / 2, difference};
}

Element sigmoid_cross_entropy(double x, double target) {
  const double small = std::exp(-std::abs(x));  // cannot overflow
  const double probability = (x >= 0 ? 1 : small) / (1 + small);
  return {std::max(x, 0.0) - x * target + std::log1p(small), probability - target};
}

/// L = 1/n sum of element(x[i], target(i)).loss, and dx, unless that is empty.
template <class T, class Function, class Target>
double mean_over_elements(TensorView<const T> x, TensorView<T> dx, const Function& element,
                          const Target& target) {
  const auto n = static_cast<double>(x.shape[0]);
  double sum = 0;
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const Element at = element(static_cast<double>(x.data[i]), target(i));
    sum += at.loss;
    if (!dx.empty()) dx.data[i] = static_cast<T>(at.derivative / n);
  }
  return sum / n;
}

}  // namespace

template <class T>
SoftmaxWithLoss<T>::SoftmaxWithLoss(double label_smoothing) : label_smoothing_(label_smoothing) {
  if (!(label_smoothing >= 0 && label_smoothing < 1)) {
    throw std::invalid_argument(
        "SoftmaxWithLoss: label_smoothing must be at least 0 and less than 1, got " +
        std::to_string(label_smoothing));
  }
}

template <class T>
double SoftmaxWithLoss<T>::value(TensorView<const T> x, std::span<const std::int32_t> labels) {
  check_logits("SoftmaxWithLoss", x.shape, labels.size());
  check_labels("SoftmaxWithLoss", x.shape[1], labels);
  const std::int64_t n = x.shape[0];
  losses_.reserve(n);
  softmax_cross_entropy_forward(n, x.shape[1], x.data, labels.data(), losses_.data());
  return mean(n, losses_.data()) + label_smoothing_ * mean_lead(x, labels);
}

template <class T>
double SoftmaxWithLoss<T>::value_and_gradient(TensorView<const T> x,
                                              std::span<const std::int32_t> labels,
                                              TensorView<T> dx) {
  if (dx.empty()) return value(x, labels);
  check_logits("SoftmaxWithLoss", x.shape, labels.size());
  check_equal("SoftmaxWithLoss", "x and dx", x.shape, dx.shape);
  const std::int64_t n = x.shape[0];
  const std::int64_t classes = x.shape[1];
  losses_.reserve(n);
  check_labels("SoftmaxWithLoss", classes, labels);
  // Before dx overwrites x.
  const double smoothing_loss = label_smoothing_ * mean_lead(x, labels);
  // L = 1/n sum -log softmax(x_i)[label_i]  =>  dx = 1/n (softmax(x) - onehot(label))
  const T scale = T(1) / static_cast<T>(n);
  softmax_cross_entropy_backward(n, classes, x.data, labels.data(), scale, losses_.data(), dx.data);
  if (label_smoothing_ > 0) {
    // t = onehot + s (1 / classes - onehot)
    const auto s = static_cast<T>(label_smoothing_ / static_cast<double>(n));
    const T each = s / static_cast<T>(classes);
    for (std::int64_t i = 0; i < n; ++i) {
      T* const row = dx.data + i * classes;
      for (std::int64_t j = 0; j < classes; ++j) row[j] -= each;
      row[labels[static_cast<std::size_t>(i)]] += s;
    }
  }
  return mean(n, losses_.data()) + smoothing_loss;
}

// -sum of t_j log p_j = sum of t_j (log sum exp(x) - x_j); with t = onehot + s (1 / classes -
// onehot) and a sum of t of 1 that is the loss without smoothing plus s times this.
template <class T>
double SoftmaxWithLoss<T>::mean_lead(TensorView<const T> x,
                                     std::span<const std::int32_t> labels) const {
  if (label_smoothing_ == 0) return 0;
  const std::int64_t classes = x.shape[1];
  double sum = 0;
  for (std::int64_t i = 0; i < x.shape[0]; ++i) {
    const T* const row = x.data + i * classes;
    double total = 0;
    for (std::int64_t j = 0; j < classes; ++j) total += static_cast<double>(row[j]);
    sum += static_cast<double>(row[labels[static_cast<std::size_t>(i)]]) -
           total / static_cast<double>(classes);
  }
  return sum / static_cast<double>(x.shape[0]);
}

template <class T>
double SoftmaxWithLoss<T>::value(TensorView<const T> x, TensorView<const T> target) {
  return value_and_gradient(x, target, {});
}

template <class T>
double SoftmaxWithLoss<T>::value_and_gradient(TensorView<const T> x, TensorView<const T> target,
                                              TensorView<T> dx) {
  check_logits("SoftmaxWithLoss", x.shape,
               x.shape.rank() == 2 ? static_cast<std::size_t>(x.shape[0]) : 0);
  check_equal("SoftmaxWithLoss", "x and target", x.shape, target.shape);
  if (!dx.empty()) check_equal("SoftmaxWithLoss", "x and dx", x.shape, dx.shape);
  const std::int64_t n = x.shape[0];
  const std::int64_t classes = x.shape[1];
  log_probs_.reserve(n * classes);
  log_softmax_forward(n, classes, x.data, log_probs_.data());
  double loss = 0;
  for (std::int64_t i = 0; i < n * classes; ++i) {
    // 0 log 0 is 0, as for the entropy.
    if (target.data[i] != 0) {
      loss -= static_cast<double>(target.data[i]) * static_cast<double>(log_probs_.data()[i]);
    }
  }
  if (!dx.empty()) {
    softmax_forward(n, classes, x.data, dx.data);
    for (std::int64_t i = 0; i < n; ++i) {
      T weight = 0;  // of the row: 1, up to rounding
      for (std::int64_t j = 0; j < classes; ++j) weight += target.data[i * classes + j];
      for (std::int64_t j = i * classes; j < (i + 1) * classes; ++j) {
        dx.data[j] = (weight * dx.data[j] - target.data[j]) / static_cast<T>(n);
      }
    }
  }
  return loss / static_cast<double>(n);
}

template <class T>
double MeanSquaredError<T>::value(TensorView<const T> x, TensorView<const T> target) const {
  return value_and_gradient(x, target, {});
}

template <class T>
double MeanSquaredError<T>::value_and_gradient(TensorView<const T> x, TensorView<const T> target,
                                               TensorView<T> dx) const {
  check_equal("MeanSquaredError", "x and target", x.shape, target.shape);
  if (!dx.empty()) check_equal("MeanSquaredError", "x and dx", x.shape, dx.shape);
  return mean_over_elements(x, dx, squared,
                            [&](std::int64_t i) { return static_cast<double>(target.data[i]); });
}

template <class T>
double MeanSquaredError<T>::value(TensorView<const T> x, std::span<const std::int32_t> labels,
                                  const ClassTargets& targets) const {
  return value_and_gradient(x, labels, targets, {});
}

template <class T>
double MeanSquaredError<T>::value_and_gradient(TensorView<const T> x,
                                               std::span<const std::int32_t> labels,
                                               const ClassTargets& targets,
                                               TensorView<T> dx) const {
  check_logits("MeanSquaredError", x.shape, labels.size());
  check_labels("MeanSquaredError", x.shape[1], labels);
  if (!dx.empty()) check_equal("MeanSquaredError", "x and dx", x.shape, dx.shape);
  const std::int64_t classes = x.shape[1];
  return mean_over_elements(x, dx, squared, [&](std::int64_t i) {
    return labels[static_cast<std::size_t>(i / classes)] == i % classes ? targets.high
                                                                        : targets.low;
  });
}

template <class T>
double SigmoidWithLoss<T>::value(TensorView<const T> x, TensorView<const T> target) const {
  return value_and_gradient(x, target, {});
}

template <class T>
double SigmoidWithLoss<T>::value_and_gradient(TensorView<const T> x, TensorView<const T> target,
                                              TensorView<T> dx) const {
  check_equal("SigmoidWithLoss", "x and target", x.shape, target.shape);
  if (!dx.empty()) check_equal("SigmoidWithLoss", "x and dx", x.shape, dx.shape);
  return mean_over_elements(x, dx, sigmoid_cross_entropy,
                            [&](std::int64_t i) { return static_cast<double>(target.data[i]); });
}

template <class T>
double SigmoidWithLoss<T>::value(TensorView<const T> x, std::span<const std::int32_t> labels,
                                 const ClassTargets& targets) const {
  return value_and_gradient(x, labels, targets, {});
}

template <class T>
double SigmoidWithLoss<T>::value_and_gradient(TensorView<const T> x,
                                              std::span<const std::int32_t> labels,
                                              const ClassTargets& targets, TensorView<T> dx) const {
  check_logits("SigmoidWithLoss", x.shape, labels.size());
  check_labels("SigmoidWithLoss", x.shape[1], labels);
  if (!dx.empty()) check_equal("SigmoidWithLoss", "x and dx", x.shape, dx.shape);
  const std::int64_t classes = x.shape[1];
  return mean_over_elements(x, dx, sigmoid_cross_entropy, [&](std::int64_t i) {
    return labels[static_cast<std::size_t>(i / classes)] == i % classes ? targets.high
                                                                        : targets.low;
  });
}

template class SoftmaxWithLoss<float>;
template class SoftmaxWithLoss<double>;
template class MeanSquaredError<float>;
template class MeanSquaredError<double>;
template class SigmoidWithLoss<float>;
template class SigmoidWithLoss<double>;

}  // namespace nnkernels::nn
