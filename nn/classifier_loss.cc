#include "nn/classifier_loss.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace nnkernels::nn {

template <class T>
ClassifierLoss<T>::ClassifierLoss(const LossOptions& options)
    : options_(options), softmax_(options.label_smoothing) {
  if (options.label_smoothing != 0 && options.kind != LossKind::softmax) {
    throw std::invalid_argument(
        "ClassifierLoss: label_smoothing is for softmax; others have targets");
  }
  const auto& [low, high] = options.targets;
  const bool probabilities = low >= 0 && high <= 1;
  if (!std::isfinite(low) || !std::isfinite(high) || !(low < high) ||
      (options.kind == LossKind::sigmoid && !probabilities)) {
    throw std::invalid_argument(
        "ClassifierLoss: targets must be finite and ascending, for sigmoid in [0, 1], got " +
        std::to_string(low) + " and " + std::to_string(high));
  }
}

template <class T>
double ClassifierLoss<T>::value(TensorView<const T> x, std::span<const std::int32_t> labels) {
  switch (options_.kind) {
    case LossKind::softmax:
      break;
    case LossKind::squared:
      return MeanSquaredError<T>().value(x, labels, options_.targets);
    case LossKind::sigmoid:
      return SigmoidWithLoss<T>().value(x, labels, options_.targets);
  }
  return softmax_.value(x, labels);
}

template <class T>
double ClassifierLoss<T>::value_and_gradient(TensorView<const T> x,
                                             std::span<const std::int32_t> labels,
                                             TensorView<T> dx) {
  switch (options_.kind) {
    case LossKind::softmax:
      break;
    case LossKind::squared:
      return MeanSquaredError<T>().value_and_gradient(x, labels, options_.targets, dx);
    case LossKind::sigmoid:
      return SigmoidWithLoss<T>().value_and_gradient(x, labels, options_.targets, dx);
  }
  return softmax_.value_and_gradient(x, labels, dx);
}

template <class T>
std::vector<double> class_probabilities(TensorView<const T> y, LossKind kind) {
  std::vector<double> p(y.data, y.data + y.size());
  if (p.empty()) return p;
  const double largest = *std::max_element(p.begin(), p.end());
  double sum = 0;
  for (double& each : p) {
    if (kind == LossKind::squared) {
      each = std::clamp(each, 0.0, 1.0);
    } else if (kind == LossKind::sigmoid) {
      each = 1 / (1 + std::exp(-each));
    } else {
      each = std::exp(each - largest);
      sum += each;
    }
  }
  if (kind == LossKind::softmax) {
    for (double& each : p) each /= sum;
  }
  return p;
}

LossKind loss_from_name(std::string_view name) {
  if (name == "softmax") return LossKind::softmax;
  if (name == "squared") return LossKind::squared;
  if (name == "sigmoid") return LossKind::sigmoid;
  throw std::invalid_argument("loss_from_name: expected softmax, squared or sigmoid, got \"" +
                              std::string(name) + "\"");
}

std::vector<std::string> loss_names() { return {"softmax", "squared", "sigmoid"}; }

template class ClassifierLoss<float>;
template class ClassifierLoss<double>;
template std::vector<double> class_probabilities(TensorView<const float>, LossKind);
template std::vector<double> class_probabilities(TensorView<const double>, LossKind);

}  // namespace nnkernels::nn
