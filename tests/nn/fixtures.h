// What the tests of networks share: random tensors, losses for the gradient check, a data set.
#ifndef NNKERNELS_TESTS_NN_FIXTURES_H_
#define NNKERNELS_TESTS_NN_FIXTURES_H_

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "nn/architecture.h"
#include "nn/data/dataset.h"
#include "nn/gradient_check.h"
#include "nn/initialize.h"
#include "nn/loss.h"
#include "nn/random.h"
#include "nn/sequential.h"

namespace nnkernels::nn {

/// Normally distributed numbers.
template <class T>
Tensor<T> random_tensor(const Shape& shape, std::uint64_t seed) {
  Tensor<T> tensor(shape);
  const Random random(seed, Purpose::test);
  for (std::int64_t i = 0; i < tensor.size(); ++i) {
    tensor[i] = static_cast<T>(random.gaussian(0, static_cast<std::uint64_t>(i)));
  }
  return tensor;
}

inline std::vector<std::int32_t> random_labels(std::int64_t n, std::int32_t classes,
                                               std::uint64_t seed) {
  std::vector<std::int32_t> labels;
  const Random random(seed, Purpose::test);
  for (std::int64_t i = 0; i < n; ++i) {
    labels.push_back(static_cast<std::int32_t>(
        random.below(static_cast<std::uint64_t>(classes), 1, static_cast<std::uint64_t>(i))));
  }
  return labels;
}

/// The network of `text`, every parameter random, biases too: a bias of zero would hide a missing
/// one.
template <class T>
Sequential<T> random_net(const Shape& input, const std::string& text, std::uint64_t seed = 3) {
  Sequential<T> net = build<T>(input, text);
  initialize(net, Initialization::he, seed);
  std::uint64_t index = 100;
  for (Parameter<T>* parameter : net.parameters()) {
    if (parameter->fan_in > 0) continue;
    const Tensor<T> values = random_tensor<T>(parameter->value.shape(), seed + ++index);
    for (std::int64_t i = 0; i < values.size(); ++i) parameter->value[i] = values[i] / 4;
  }
  return net;
}

/// L(y) = the sum of all y[i] c[i]: the simplest loss that gives every output a weight of its own.
inline CheckedLoss linear_loss(std::uint64_t seed = 17) {
  return [seed](TensorView<const double> y, TensorView<double> dy) {
    const Tensor<double> c = random_tensor<double>(y.shape, seed);
    double sum = 0;
    for (std::int64_t i = 0; i < y.size(); ++i) {
      sum += y.data[i] * c[i];
      if (!dy.empty()) dy.data[i] = c[i];
    }
    return sum;
  };
}

template <class T>
bool same_bits(TensorView<const T> a, TensorView<const T> b) {
  return a.shape == b.shape &&
         (a.size() == 0 ||
          std::memcmp(a.data, b.data, static_cast<std::size_t>(a.size()) * sizeof(T)) == 0);
}

/// Noisy pictures of `classes` blobs at different places: easy to tell apart.
inline Dataset blobs(std::int64_t n, std::int64_t size, std::int32_t classes,
                     std::uint64_t seed = 5) {
  Dataset data{.name = "blobs",
               .n = n,
               .h = size,
               .w = size,
               .c = 1,
               .pixels = {},
               .labels = {},
               .classes = classes};
  data.labels = random_labels(n, classes, seed);
  const Random random(seed, Purpose::test);
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t centre =
        (data.labels[static_cast<std::size_t>(i)] + 1) * size / (classes + 1);
    for (std::int64_t p = 0; p < size * size; ++p) {
      const std::int64_t dh = p / size - centre;
      const std::int64_t dw = p % size - centre;
      const auto noise = random.below(60, 2, static_cast<std::uint64_t>(i * size * size + p));
      data.pixels.push_back(
          static_cast<std::uint8_t>(noise + (dh * dh + dw * dw <= 4 ? 180U : 0U)));
    }
  }
  return data;
}

}  // namespace nnkernels::nn

#endif  // NNKERNELS_TESTS_NN_FIXTURES_H_
