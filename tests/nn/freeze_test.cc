// Networks that are frozen compute what they computed before, and can be thawed.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "nn/batch_norm.h"
#include "nn/conv2d.h"
#include "nn/flatten.h"
#include "nn/max_pool2d.h"
#include "nn/sequential.h"
#include "tests/nn/fixtures.h"
#include "tests/support/each_simd.h"

namespace nnkernels::nn {
namespace {

/// After some training passes on shifted data: no running moment is 0 or 1.
template <class T>
Sequential<T> used_net(const std::string& text) {
  auto net = random_net<T>({14, 14, 3}, text);
  for (std::uint64_t step = 0; step < 3; ++step) {
    auto x = random_tensor<T>(net.input_shape().batch(20), 40 + step);
    for (T& value : x) value = T(0.5) + 2 * value;
    net.forward(x.view(), {.training = true, .seed = 1, .step = step});
  }
  return net;
}

template <class T>
Tensor<T> copy_of(TensorView<const T> view) {
  Tensor<T> copy(view.shape);
  std::copy_n(view.data, view.size(), copy.data());
  return copy;
}

class Freeze : public testing::TestWithParam<const char*> {};
class FreezeExactly : public testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(
    Networks, Freeze,
    testing::Values(
        "conv 6 3x3, batchnorm, relu, maxpool 2, flatten, affine 10",
        "conv 6 3x3 nobias, batchnorm, relu, maxpool 2, conv 5 3x3, batchnorm, relu, maxpool 2, "
        "flatten, affine 20, batchnorm, relu, dropout 0.5, affine 10",
        "conv 6 3x3, batchnorm, batchnorm, sigmoid, maxpool 2",
        "conv 6 3x3, dropout 0.3, batchnorm, tanh, avgpool 2, batchnorm, relu",
        "conv 6 3x3 groups 3, batchnorm, maxpool 2, leakyrelu 0.1",
        "batchnorm, conv 4 1x1, batchnorm, flatten, batchnorm, affine 5",
        "conv 6 3x3, relu, batchnorm, conv 6 3x3 pad 1, batchnorm, globalavgpool, softmax",
        "conv 6 3x3, maxpool 2, batchnorm, relu", "conv 6 3x3, flatten, batchnorm, relu, affine 4",
        "conv 4 3x3, batchnorm, relu, relu, maxpool 3 stride 2, batchnorm"));
INSTANTIATE_TEST_SUITE_P(
    Networks, FreezeExactly,
    testing::Values(
        "conv 6 3x3, relu, maxpool 2, flatten, affine 100, relu, affine 10",
        "conv 6 3x3 pad 1, tanh, sigmoid, conv 5 3x3, relu, maxpool 2, tanh, flatten, affine 20, "
        "relu, sigmoid, affine 10",
        "conv 6 3x3, maxpool 2, relu, tanh",
        "conv 6 3x3, dropout 0.5, relu, dropout 0.1, maxpool 2",
        "flatten, relu, dropout 0.5, affine 5, dropout 0.2",
        "relu, avgpool 2, maxpool 2, leakyrelu",
        "maxpool 2, relu, maxpool 2, flatten, relu, affine 5", "flatten", "dropout 0.5",
        "batchnorm, relu, batchnorm", "conv 100 3x3, conv 2 1x1"));

/// Calls check(n, expected, got) for batches that grow and shrink.
template <class T, class Check>
void compare_frozen(const char* text, const Check& check) {
  auto net = used_net<T>(text), frozen = used_net<T>(text);
  frozen.freeze();
  EXPECT_TRUE(frozen.frozen());
  for (const std::int64_t n : {2, 1, 150, 0, 7, 64}) {
    const auto x = random_tensor<T>(net.input_shape().batch(n), 1);
    const auto before = x.clone();
    const auto expected = copy_of(net.forward(x.view()));
    check(n, expected.view(), frozen.forward(x.view()));
    EXPECT_TRUE(same_bits<T>(x.view(), before.view())) << n;
  }
}

TEST_P(Freeze, ChangesNothingButRounding) {
  compare_frozen<double>(GetParam(), [](std::int64_t n, TensorView<const double> expected,
                                        TensorView<const double> got) {
    ASSERT_EQ(got.shape, expected.shape);
    double scale = 1e-30, difference = 0;
    for (std::int64_t i = 0; i < got.size(); ++i) {
      scale = std::max(scale, std::abs(expected.data[i]));
      difference = std::max(difference, std::abs(expected.data[i] - got.data[i]));
    }
    EXPECT_LE(difference / scale, 1e-13) << n;
  });
}

TEST_P(FreezeExactly, ChangesNoBitWithoutABatchNormBehindAConvolution) {
  compare_frozen<float>(GetParam(), [](std::int64_t n, TensorView<const float> expected,
                                       TensorView<const float> got) {
    EXPECT_TRUE(same_bits<float>(expected, got)) << n;
  });
}

TEST_P(Freeze, GivesTheSameBitsForAnyNumberOfThreads) {
  Tensor<float> expected;
  for (const int count : {1, 2, 3, 8}) {
    const ForceThreads force(count);
    auto net = used_net<float>(GetParam());
    net.freeze();
    const auto x = random_tensor<float>(net.input_shape().batch(50), 1);
    const auto y = net.forward(x.view());
    if (count == 1) expected = copy_of(y);
    EXPECT_TRUE(same_bits<float>(expected.view(), y)) << count;
  }
}

TEST_P(Freeze, IsForgottenByThaw) {
  auto never = used_net<double>(GetParam()), net = used_net<double>(GetParam());
  const auto x = random_tensor<double>(net.input_shape().batch(12), 1);
  const auto dy = random_tensor<double>(net.output_shape().batch(12), 2);
  net.freeze();
  net.forward(x.view());
  net.thaw();
  EXPECT_FALSE(net.frozen());
  Tensor<double> dx(x.shape()), expected_dx(x.shape());
  const Pass pass{.training = true, .seed = 1, .step = 9};
  EXPECT_TRUE(same_bits<double>(never.forward(x.view(), pass), net.forward(x.view(), pass)));
  never.backward(x.view(), dy.view(), expected_dx.view());
  net.backward(x.view(), dy.view(), dx.view());
  EXPECT_TRUE(same_bits<double>(expected_dx.view(), dx.view()));
  for (std::size_t i = 0; i < net.parameters().size(); ++i) {
    const Parameter<double>& p = *net.parameters()[i];
    const Parameter<double>& wanted = *never.parameters()[i];
    EXPECT_TRUE(same_bits<double>(p.value.view(), wanted.value.view())) << p.name;
    EXPECT_TRUE(same_bits<double>(p.grad.view(), wanted.grad.view())) << p.name;
  }
  for (std::size_t i = 0; i < net.buffers().size(); ++i) {
    EXPECT_TRUE(
        same_bits<double>(net.buffers()[i]->value.view(), never.buffers()[i]->value.view()));
  }
}

TEST(FreezeOnce, TakesTheParametersAsTheyAreThen) {
  auto net = used_net<double>("conv 6 3x3, batchnorm, relu, maxpool 2");
  const auto x = random_tensor<double>(net.input_shape().batch(3), 1);
  net.freeze();
  const auto first = copy_of(net.forward(x.view()));
  for (double& value : net.parameters()[2]->value) value *= 2;  // gamma
  net.freeze();
  EXPECT_FALSE(same_bits<double>(first.view(), net.forward(x.view())));
  const auto frozen = copy_of(net.forward(x.view()));
  net.thaw();
  const auto y = net.forward(x.view());
  for (std::int64_t i = 0; i < y.size(); ++i) EXPECT_NEAR(y.data[i], frozen[i], 1e-12);
}

TEST(FreezeOnce, CanBeAddedTo) {
  Sequential<double> net({14, 14, 3});
  net.add<Conv2d<double>>(Conv2dOptions{.ic = 3, .oc = 4, .kh = 3, .kw = 3});
  initialize(net, Initialization::he, 1);
  net.freeze();
  BatchNorm<double>& norm = net.add<BatchNorm<double>>(4);
  initialize(net, Initialization::he, 1);
  norm.buffers()[1].value[2] = 9;
  net.freeze();
  const auto x = random_tensor<double>({2, 14, 14, 3}, 1);
  const auto frozen = copy_of(net.forward(x.view()));
  EXPECT_TRUE(net.output(0).empty());  // nobody computes it
  EXPECT_EQ(net.output(1).data, net.forward(x.view()).data);
  net.thaw();
  const auto y = net.forward(x.view());
  for (std::int64_t i = 0; i < y.size(); ++i) EXPECT_NEAR(y.data[i], frozen[i], 1e-13);
}

TEST(FreezeOnce, RefusesToTrain) {
  auto net = used_net<float>("conv 6 3x3, batchnorm, relu, maxpool 2");
  const auto x = random_tensor<float>(net.input_shape().batch(3), 1);
  const auto dy = random_tensor<float>(net.output_shape().batch(3), 2);
  net.forward(x.view(), {.training = true});
  net.freeze();
  EXPECT_THROW(net.backward(x.view(), dy.view()), std::invalid_argument);
  EXPECT_THROW(net.forward(x.view(), {.training = true}), std::invalid_argument);
  net.forward(x.view());
  EXPECT_THROW(net.backward(x.view(), dy.view()), std::invalid_argument);
  net.thaw();
  EXPECT_THROW(net.backward(x.view(), dy.view()), std::invalid_argument);
}

}  // namespace
}  // namespace nnkernels::nn
