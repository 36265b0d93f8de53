// Cases of the losses: the value, which is a double, and the gradient.
#include "nn/loss.h"
#include "tests/oracle/campaign.h"
#include "tests/oracle/torch_cases.h"

namespace nnkernels::oracle {
namespace {

using nn::Shape;
using nn::Tensor;

/// Logits, and a place for the gradient.
template <class T>
struct Batch {
  Tensor<T> x, dx;

  explicit Batch(Values& values) {
    const std::int64_t classes = draw_size(values, 200);
    const Shape shape{values.integer(1, 1 + 2'000 / classes), classes};
    x = Tensor<T>(shape);
    dx = Tensor<T>(shape);
    const double size = values.uniform(0.1, 30);
    for (T& each : x) each = static_cast<T>(values.uniform(-size, size));
  }

  void write(double loss, CaseArrays& out) const {
    out.add("x", x);
    out.add("our_loss", {}, &loss);
    out.add("our_dx", dx);
  }
};

template <class T>
void labels(Values& values, CaseArrays& out) {
  Batch<T> batch(values);
  const auto chosen = values.integers<std::int32_t>(batch.x.shape()[0], 0, batch.x.shape()[1] - 1);
  const double smoothing = values.integer(0, 1) == 0 ? 0 : values.uniform(0, 0.9);
  out.settings({smoothing});
  out.add("labels", {batch.x.shape()[0]}, chosen);
  nn::SoftmaxWithLoss<T> loss(smoothing);
  batch.write(loss.value_and_gradient(batch.x.view(), chosen, batch.dx.view()), out);
}

/// Between 0 and 1.
template <class T>
Tensor<T> draw_targets(const Shape& shape, Values& values) {
  Tensor<T> targets(shape);
  for (T& each : targets) each = static_cast<T>(values.uniform(0, 1));
  return targets;
}

template <class T>
void probabilities(Values& values, CaseArrays& out) {
  Batch<T> batch(values);
  Tensor<T> targets = draw_targets<T>(batch.x.shape(), values);
  const std::int64_t rows = targets.shape()[0], classes = targets.shape()[1];
  for (std::int64_t i = 0; i < rows; ++i) {
    double sum = 0;
    for (std::int64_t j = 0; j < classes; ++j) sum += static_cast<double>(targets[i * classes + j]);
    for (std::int64_t j = 0; j < classes; ++j) {
      T& each = targets[i * classes + j];
      each = static_cast<T>(static_cast<double>(each) / sum);
    }
  }
  out.add("targets", targets);
  nn::SoftmaxWithLoss<T> loss;
  batch.write(
      loss.value_and_gradient(batch.x.view(), std::as_const(targets).view(), batch.dx.view()), out);
}

template <class T, class Loss>
void with_targets(Values& values, CaseArrays& out) {
  Batch<T> batch(values);
  const Tensor<T> targets = draw_targets<T>(batch.x.shape(), values);
  out.add("targets", targets);
  batch.write(Loss().value_and_gradient(batch.x.view(), targets.view(), batch.dx.view()), out);
}

template <class T>
void sigmoid(Values& values, CaseArrays& out) {
  with_targets<T, nn::SigmoidWithLoss<T>>(values, out);
}

template <class T>
void squares(Values& values, CaseArrays& out) {
  with_targets<T, nn::MeanSquaredError<T>>(values, out);
}

}  // namespace

std::span<const Kind> loss_kinds() {
  static constexpr Kind kKinds[] = {
      {"softmax_with_loss", labels<float>, labels<double>},
      {"softmax_with_probabilities", probabilities<float>, probabilities<double>},
      {"sigmoid_with_loss", sigmoid<float>, sigmoid<double>},
      {"mean_squared_error", squares<float>, squares<double>},
  };
  return kKinds;
}

}  // namespace nnkernels::oracle
