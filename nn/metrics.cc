#include "nn/metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>

#include "nn/batch.h"

namespace nnkernels::nn {
namespace {

/// Calls `use(first, labels, y)` for each batch of `data`, from the first sample to the last.
template <class T, class Use>
void run_in_order(Sequential<T>& net, const Dataset& data, const Preprocessing& preprocessing,
                  std::int64_t batch_size, const char* function, const Use& use) {
  check_classifier(net, data, preprocessing, function);
  if (batch_size < 1) {
    throw std::invalid_argument(std::string(function) + ": batch_size must be at least 1, got " +
                                std::to_string(batch_size));
  }
  batch_size = std::min(evaluated_at_once(net, batch_size), data.n);
  Tensor<T> x(net.input_shape().batch(batch_size));
  std::vector<std::int64_t> indices(static_cast<std::size_t>(batch_size));
  std::vector<std::int32_t> labels(indices.size());
  for (std::int64_t first = 0; first < data.n; first += batch_size) {
    const std::int64_t count = std::min(batch_size, data.n - first);
    const auto size = static_cast<std::size_t>(count);
    std::iota(indices.begin(), indices.end(), first);
    const auto batch = x.view().samples(0, count);
    const std::span batch_labels(labels.data(), size);
    gather_batch(data, preprocessing, std::span<const std::int64_t>(indices.data(), size), batch,
                 batch_labels);
    use(first, std::span<const std::int32_t>(batch_labels), net.forward(batch));
  }
}

template <class T>
Mistake mistake(std::int64_t index, std::int32_t truth, std::int32_t predicted,
                TensorView<const T> y, LossKind kind) {
  Mistake result{.index = index,
                 .truth = truth,
                 .predicted = predicted,
                 .loss = 0,
                 .probabilities = class_probabilities(y, kind)};
  // Not by log(probability), which ends at 745.
  const auto largest = static_cast<double>(y.data[predicted]);
  const double lead = largest - static_cast<double>(y.data[truth]);
  result.loss = kind == LossKind::softmax
                    ? lead - std::log(result.probabilities[static_cast<std::size_t>(predicted)])
                    : -std::log(result.probabilities[static_cast<std::size_t>(truth)]);
  if (std::isnan(result.loss)) result.loss = std::numeric_limits<double>::infinity();
  return result;
}

}  // namespace

ConfusionMatrix::ConfusionMatrix(std::int32_t classes) : classes_(classes) {
  if (classes < 0) {
    throw std::invalid_argument("ConfusionMatrix: classes must not be negative, got " +
                                std::to_string(classes));
  }
  counts_.resize(static_cast<std::size_t>(classes) * static_cast<std::size_t>(classes));
}

std::size_t ConfusionMatrix::index(std::int32_t truth, std::int32_t predicted) const {
  if (truth < 0 || truth >= classes_ || predicted < 0 || predicted >= classes_) {
    throw std::invalid_argument("ConfusionMatrix: expected classes from 0 to " +
                                std::to_string(classes_ - 1) + ", got true class " +
                                std::to_string(truth) + " and predicted class " +
                                std::to_string(predicted));
  }
  return static_cast<std::size_t>(truth) * static_cast<std::size_t>(classes_) +
         static_cast<std::size_t>(predicted);
}

void ConfusionMatrix::add(std::int32_t truth, std::int32_t predicted) {
  ++counts_[index(truth, predicted)];
}

std::int64_t ConfusionMatrix::at(std::int32_t truth, std::int32_t predicted) const {
  return counts_[index(truth, predicted)];
}

std::int64_t ConfusionMatrix::total() const {
  return std::accumulate(counts_.begin(), counts_.end(), std::int64_t{0});
}

std::int64_t ConfusionMatrix::correct() const {
  std::int64_t sum = 0;
  for (std::int32_t i = 0; i < classes_; ++i) sum += at(i, i);
  return sum;
}

double ConfusionMatrix::accuracy() const {
  return static_cast<double>(correct()) / static_cast<double>(total());
}

template <class T>
std::int64_t evaluated_at_once(const Sequential<T>& net, std::int64_t batch_size) {
  std::int64_t numbers = net.output_shape().size();
  for (std::int64_t i = 0; i < net.layer_count(); ++i) numbers += net.shape_before(i).size();
  return std::min(batch_size, std::max<std::int64_t>(1, kMaxEvaluated / numbers));
}

template <class T>
void predict_classes(TensorView<const T> y, std::span<std::int32_t> predicted) {
  if (y.shape.rank() != 2 || y.shape[0] != static_cast<std::int64_t>(predicted.size()) ||
      y.shape[1] < 1) {
    throw std::invalid_argument("predict_classes: y must be [" + std::to_string(predicted.size()) +
                                ", classes], got " + y.shape.str());
  }
  const std::int64_t classes = y.shape[1];
  for (std::size_t i = 0; i < predicted.size(); ++i) {
    const T* row = y.data + static_cast<std::int64_t>(i) * classes;
    predicted[i] = static_cast<std::int32_t>(std::max_element(row, row + classes) - row);
  }
}

template <class T>
Evaluation evaluate(Sequential<T>& net, const Dataset& data, const Preprocessing& preprocessing,
                    std::int64_t batch_size, const LossOptions& loss_options,
                    const std::function<void()>& after_batch) {
  ClassifierLoss<T> loss(loss_options);
  Evaluation result{.accuracy = 0, .loss = 0, .confusion = ConfusionMatrix(data.classes)};
  std::vector<std::int32_t> predicted;
  const auto count_batch = [&](std::int64_t /*first*/, std::span<const std::int32_t> labels,
                               TensorView<const T> y) {
    result.loss += loss.value(y, labels) * static_cast<double>(labels.size());
    predicted.resize(labels.size());
    predict_classes(y, std::span(predicted));
    for (std::size_t i = 0; i < labels.size(); ++i) result.confusion.add(labels[i], predicted[i]);
    if (after_batch) after_batch();
  };
  run_in_order(net, data, preprocessing, batch_size, "evaluate", count_batch);
  result.loss /= static_cast<double>(data.n);
  result.accuracy = result.confusion.accuracy();
  return result;
}

template <class T>
std::vector<Mistake> worst_mistakes(Sequential<T>& net, const Dataset& data,
                                    const Preprocessing& preprocessing, std::size_t k,
                                    std::int64_t batch_size, LossKind kind) {
  std::vector<Mistake> worst;
  std::vector<std::int32_t> predicted;
  const auto collect = [&](std::int64_t first, std::span<const std::int32_t> labels,
                           TensorView<const T> y) {
    predicted.resize(labels.size());
    predict_classes(y, std::span(predicted));
    for (std::size_t i = 0; i < labels.size(); ++i) {
      if (predicted[i] == labels[i]) continue;
      const auto at = static_cast<std::int64_t>(i);
      worst.push_back(mistake(first + at, labels[i], predicted[i], y.samples(at, 1), kind));
    }
    // Batch by batch, so that a data set full of mistakes needs no memory for all of them.
    std::stable_sort(worst.begin(), worst.end(),
                     [](const Mistake& a, const Mistake& b) { return a.loss > b.loss; });
    worst.resize(std::min(worst.size(), k));
  };
  run_in_order(net, data, preprocessing, batch_size, "worst_mistakes", collect);
  return worst;
}

template std::int64_t evaluated_at_once(const Sequential<float>&, std::int64_t);
template std::int64_t evaluated_at_once(const Sequential<double>&, std::int64_t);
template void predict_classes(TensorView<const float>, std::span<std::int32_t>);
template void predict_classes(TensorView<const double>, std::span<std::int32_t>);
template Evaluation evaluate(Sequential<float>&, const Dataset&, const Preprocessing&, std::int64_t,
                             const LossOptions&, const std::function<void()>&);
template Evaluation evaluate(Sequential<double>&, const Dataset&, const Preprocessing&,
                             std::int64_t, const LossOptions&, const std::function<void()>&);
template std::vector<Mistake> worst_mistakes(Sequential<float>&, const Dataset&,
                                             const Preprocessing&, std::size_t, std::int64_t,
                                             LossKind);
template std::vector<Mistake> worst_mistakes(Sequential<double>&, const Dataset&,
                                             const Preprocessing&, std::size_t, std::int64_t,
                                             LossKind);

}  // namespace nnkernels::nn
