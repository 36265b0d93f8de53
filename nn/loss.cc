#include "nn/loss.h"

#include <stdexcept>
#include <string>

#include "kernels/softmax.h"

namespace nnkernels::nn {
namespace {

void check_logits(const Shape& x, std::size_t labels) {
  if (x.rank() != 2 || x[0] != static_cast<std::int64_t>(labels) || x[1] < 1) {
    throw std::invalid_argument("SoftmaxWithLoss: x must be [n, classes] with n labels, got " +
                                x.str() + " and " + std::to_string(labels) + " labels");
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

}  // namespace

template <class T>
double SoftmaxWithLoss<T>::value(TensorView<const T> x, std::span<const std::int32_t> labels) {
  check_logits(x.shape, labels.size());
  const std::int64_t n = x.shape[0];
  losses_.reserve(n);
  softmax_cross_entropy_forward(n, x.shape[1], x.data, labels.data(), losses_.data());
  return mean(n, losses_.data());
}

template <class T>
double SoftmaxWithLoss<T>::value_and_gradient(TensorView<const T> x,
                                              std::span<const std::int32_t> labels,
                                              TensorView<T> dx) {
  check_logits(x.shape, labels.size());
  check_equal("SoftmaxWithLoss", "x and dx", x.shape, dx.shape);
  const std::int64_t n = x.shape[0];
  losses_.reserve(n);
  // L = 1/n sum -log softmax(x_i)[label_i]  =>  dx = 1/n (softmax(x) - onehot(label))
  const T scale = T(1) / static_cast<T>(n);
  softmax_cross_entropy_backward(n, x.shape[1], x.data, labels.data(), scale, losses_.data(),
                                 dx.data);
  return mean(n, losses_.data());
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
  const auto n = static_cast<double>(x.shape[0]);
  double sum = 0;
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const double difference = static_cast<double>(x.data[i]) - static_cast<double>(target.data[i]);
    sum += difference * difference;
    // L = 1/(2n) sum (x - target)^2  =>  dx = 1/n (x - target)
    if (!dx.empty()) dx.data[i] = static_cast<T>(difference / n);
  }
  return sum / (2 * n);
}

template class SoftmaxWithLoss<float>;
template class SoftmaxWithLoss<double>;
template class MeanSquaredError<float>;
template class MeanSquaredError<double>;

}  // namespace nnkernels::nn
