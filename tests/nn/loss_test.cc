#include "nn/loss.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stdexcept>

#include "tests/nn/fixtures.h"

namespace nnkernels::nn {
namespace {

TEST(SoftmaxWithLoss, IsTheMeanCrossEntropy) {
  const Tensor<double> x = random_tensor<double>({7, 5}, 1);
  const auto labels = random_labels(7, 5, 2);
  double expected = 0;
  Tensor<double> gradient({7, 5});
  for (std::int64_t i = 0; i < 7; ++i) {
    double sum = 0;
    for (std::int64_t j = 0; j < 5; ++j) sum += std::exp(x[i * 5 + j]);
    const std::int64_t label = labels[static_cast<std::size_t>(i)];
    expected -= std::log(std::exp(x[i * 5 + label]) / sum) / 7;
    for (std::int64_t j = 0; j < 5; ++j) {
      gradient[i * 5 + j] = (std::exp(x[i * 5 + j]) / sum - (j == label ? 1 : 0)) / 7;
    }
  }
  SoftmaxWithLoss<double> loss;
  Tensor<double> dx({7, 5});
  EXPECT_NEAR(loss.value(x.view(), labels), expected, 1e-14);
  EXPECT_EQ(loss.value(x.view(), labels), loss.value_and_gradient(x.view(), labels, dx.view()));
  for (std::int64_t i = 0; i < dx.size(); ++i) EXPECT_NEAR(dx[i], gradient[i], 1e-15);
}

TEST(SoftmaxWithLoss, RefusesWhatDoesNotFit) {
  SoftmaxWithLoss<float> loss;
  const Tensor<float> x({2, 3});
  Tensor<float> dx({3, 2});
  const std::vector<std::int32_t> labels{0, 2};
  EXPECT_THROW(loss.value_and_gradient(x.view(), labels, dx.view()), std::invalid_argument);
  EXPECT_THROW(loss.value(x.view(), std::vector<std::int32_t>{0, 1, 2}), std::invalid_argument);
  EXPECT_THROW(loss.value(x.view(), std::vector<std::int32_t>{0, 3}), std::invalid_argument);
  EXPECT_THROW(loss.value(x.view(), std::vector<std::int32_t>{-1, 0}), std::invalid_argument);
  EXPECT_TRUE(std::isnan(loss.value(Tensor<float>({0, 3}).view(), {})));
}

TEST(MeanSquaredError, IsHalfTheSquaredDistanceASample) {
  Tensor<float> x({2, 2});
  Tensor<float> target({2, 2});
  x[0] = 3;
  x[3] = -1;
  target[3] = 1;
  Tensor<float> dx({2, 2});
  const MeanSquaredError<float> loss;
  EXPECT_EQ(loss.value(x.view(), target.view()), (9.0 + 4.0) / 4);
  EXPECT_EQ(loss.value_and_gradient(x.view(), target.view(), dx.view()), (9.0 + 4.0) / 4);
  EXPECT_EQ(dx[0], 1.5F);
  EXPECT_EQ(dx[1], 0.0F);
  EXPECT_EQ(dx[3], -1.0F);
  loss.value_and_gradient(x.view(), target.view(), x.view());
  EXPECT_TRUE(same_bits<float>(x.view(), dx.view()));
}

TEST(MeanSquaredError, RefusesWhatDoesNotFit) {
  const MeanSquaredError<float> loss;
  const Tensor<float> x({2, 2});
  Tensor<float> dx({4});
  EXPECT_THROW(loss.value(x.view(), Tensor<float>({2, 3}).view()), std::invalid_argument);
  EXPECT_THROW(loss.value_and_gradient(x.view(), x.view(), dx.view()), std::invalid_argument);
  EXPECT_THROW(loss.value({x.data(), Shape()}, {x.data(), Shape()}), std::invalid_argument);
}

}  // namespace
}  // namespace nnkernels::nn
