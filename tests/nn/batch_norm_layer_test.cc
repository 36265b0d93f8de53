#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>

#include "nn/batch_norm.h"
#include "tests/nn/fixtures.h"
#include "tests/support/each_simd.h"

namespace nnkernels::nn {
namespace {

TEST(BatchNorm, NormalizesEachChannelOfTheBatch) {
  auto net = random_net<double>({3, 2, 5}, "batchnorm");
  const auto x = random_tensor<double>({4, 3, 2, 5}, 1);
  const TensorView<const double> y = net.forward(x.view(), {.training = true});
  constexpr std::int64_t kRows = 24;
  for (std::int64_t c = 0; c < 5; ++c) {
    double mean = 0, variance = 0;
    for (std::int64_t i = 0; i < kRows; ++i) mean += x[i * 5 + c] / kRows;
    for (std::int64_t i = 0; i < kRows; ++i) variance += std::pow(x[i * 5 + c] - mean, 2) / kRows;
    const double gamma = net.parameters()[0]->value[c], beta = net.parameters()[1]->value[c];
    for (std::int64_t i = 0; i < kRows; ++i) {
      const double expected = gamma * (x[i * 5 + c] - mean) / std::sqrt(variance + 1e-5) + beta;
      EXPECT_NEAR(y.data[i * 5 + c], expected, 1e-13);
    }
    EXPECT_NEAR(net.buffers()[0]->value[c], 0.1 * mean, 1e-15);
    EXPECT_NEAR(net.buffers()[1]->value[c], 0.9 + 0.1 * variance * kRows / (kRows - 1), 1e-14);
  }
}

TEST(BatchNorm, MovesTheRunningMomentsByTheMomentum) {
  auto net = random_net<double>({2}, "batchnorm");
  double mean = 0, variance = 1;
  for (int step = 0; step < 3; ++step) {
    // Both channels hold step, step + 2: mean step + 1, unbiased variance 2.
    Tensor<double> x({2, 2});
    for (std::int64_t i = 0; i < 4; ++i) x[i] = step + 2 * static_cast<double>(i / 2);
    net.forward(x.view(), {.training = true});
    mean = 0.9 * mean + 0.1 * (step + 1);
    variance = 0.9 * variance + 0.1 * 2;
    for (std::int64_t c = 0; c < 2; ++c) {
      EXPECT_NEAR(net.buffers()[0]->value[c], mean, 1e-14);
      EXPECT_NEAR(net.buffers()[1]->value[c], variance, 1e-14);
    }
  }
}

TEST(BatchNorm, UsesTheRunningMomentsInInference) {
  auto net = random_net<double>({3}, "batchnorm, relu");
  for (std::int64_t c = 0; c < 3; ++c) {
    net.buffers()[0]->value[c] = static_cast<double>(c) - 1;
    net.buffers()[1]->value[c] = static_cast<double>(c) + 0.5;
  }
  const auto x = random_tensor<double>({6, 3}, 1);
  const TensorView<const double> y = net.forward(x.view());
  for (std::int64_t i = 0; i < 18; ++i) {
    const std::int64_t c = i % 3;
    const double scale =
        net.parameters()[0]->value[c] / std::sqrt(static_cast<double>(c) + 0.5 + 1e-5);
    const double expected =
        scale * (x[i] - static_cast<double>(c) + 1) + net.parameters()[1]->value[c];
    EXPECT_NEAR(y.data[i], std::max(0.0, expected), 1e-14);
  }
  EXPECT_EQ(net.buffers()[0]->value[0], -1);
  // Each sample by itself gives what it gives in a batch.
  const double first = y.data[0];
  EXPECT_EQ(net.forward(x.view().samples(0, 1)).data[0], first);
}

TEST(BatchNorm, HasTheGradientOfItsForwardPass) {
  const std::pair<Shape, const char*> cases[] = {
      {{7}, "affine 6 nobias, batchnorm, relu, affine 3"},
      {{7}, "batchnorm, sigmoid, affine 3"},
      {{7, 6, 2}, "conv 4 3x3 nobias, batchnorm, relu, maxpool 2, flatten, affine 3"},
      {{5, 5, 2},
       "conv 3 3x3, relu, batchnorm, tanh, conv 2 3x3 nobias, batchnorm, flatten, affine 3"}};
  for (const auto& [shape, text] : cases) {
    auto net = random_net<double>(shape, text);
    const auto x = random_tensor<double>(shape.batch(5), 1);
    const Tensor<double> before = net.buffers()[0]->value.clone();
    for (const GradientCheckResult& result : check_gradients(net, x.view(), linear_loss())) {
      EXPECT_LE(result.scaled_error, 1e-7) << text << " " << result.name;
      EXPECT_GT(result.checked, 0) << text << " " << result.name;
    }
    EXPECT_TRUE(same_bits<double>(net.buffers()[0]->value.view(), before.view()));
  }
}

TEST(BatchNorm, TakesASingleRow) {
  auto net = random_net<float>({3}, "batchnorm");
  const auto x = random_tensor<float>({1, 3}, 1);
  const TensorView<const float> y = net.forward(x.view(), {.training = true});
  for (std::int64_t c = 0; c < 3; ++c) {
    EXPECT_NEAR(y.data[c], net.parameters()[1]->value[c], 1e-5);
    EXPECT_EQ(net.buffers()[1]->value[c], 1);
  }
}

TEST(BatchNorm, BackwardNeedsATrainingPass) {
  auto net = random_net<float>({3}, "batchnorm");
  const auto x = random_tensor<float>({4, 3}, 1);
  net.forward(x.view());
  EXPECT_THROW(net.backward(x.view(), x.view()), std::invalid_argument);
  net.forward(x.view(), {.training = true});
  EXPECT_NO_THROW(net.backward(x.view(), x.view()));
}

TEST(BatchNorm, SameBitsForAnyNumberOfThreads) {
  std::vector<Tensor<float>> expected;
  for (const int count : {1, 2, 3, 8}) {
    const ForceThreads force(count);
    auto net = random_net<float>({20, 20, 30}, "batchnorm, relu");
    const auto x = random_tensor<float>({40, 20, 20, 30}, 1),
               dy = random_tensor<float>(x.shape(), 2);
    Tensor<float> dx(x.shape());
    std::vector<Tensor<float>> results(2);
    const TensorView<const float> y = net.forward(x.view(), {.training = true});
    results[0] = Tensor<float>(y.shape);
    std::copy_n(y.data, y.size(), results[0].data());
    net.backward(x.view(), dy.view(), dx.view());
    results[1] = dx.clone();
    for (const Parameter<float>* p : net.parameters()) results.push_back(p->grad.clone());
    if (expected.empty()) expected = std::move(results);
    for (std::size_t i = 0; i < results.size(); ++i) {
      if (results[i].size() == 0) continue;
      EXPECT_TRUE(same_bits<float>(results[i].view(), expected[i].view())) << count << " " << i;
    }
  }
}

TEST(BatchNorm, RefusesWhatDoesNotFit) {
  EXPECT_THROW(BatchNorm<float>(0), std::invalid_argument);
  EXPECT_THROW(BatchNorm<float>(3, 1.5), std::invalid_argument);
  EXPECT_THROW(BatchNorm<float>(3, 0.1, 0.0), std::invalid_argument);
  EXPECT_THROW(BatchNorm<float>(3).output_shape({4}), std::invalid_argument);
}

}  // namespace
}  // namespace nnkernels::nn
