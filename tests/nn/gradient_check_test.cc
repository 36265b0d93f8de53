#include "nn/gradient_check.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "nn/affine.h"
#include "tests/nn/fixtures.h"

namespace nnkernels::nn {
namespace {

void expect_right(const std::vector<GradientCheckResult>& results) {
  for (const GradientCheckResult& r : results) {
    EXPECT_LE(r.scaled_error, 1e-7) << r.name << "[" << r.worst_index << "]: analytic "
                                    << r.analytic << ", numeric " << r.numeric;
    EXPECT_GE(r.checked, r.skipped) << r.name;
  }
}

CheckedLoss softmax_loss(const std::vector<std::int32_t>& labels) {
  return [labels](TensorView<const double> y, TensorView<double> dy) {
    SoftmaxWithLoss<double> loss;
    return dy.empty() ? loss.value(y, labels) : loss.value_and_gradient(y, labels, dy);
  };
}

struct LayerCase {
  const char* text;
  Shape input;
};

class EveryLayer : public testing::TestWithParam<LayerCase> {};

TEST_P(EveryLayer, HasTheGradientOfItsForwardPass) {
  auto net = random_net<double>(GetParam().input, GetParam().text);
  const auto x = random_tensor<double>(GetParam().input.batch(3), 11);
  expect_right(check_gradients(net, x.view(), linear_loss()));
}

INSTANTIATE_TEST_SUITE_P(
    Layers, EveryLayer,
    testing::Values(
        LayerCase{"affine 7", {5}}, LayerCase{"affine 1", {1}},
        LayerCase{"affine 40, affine 3", {33}}, LayerCase{"conv 4 3x3", {6, 7, 2}},
        LayerCase{"conv 3 1x1", {4, 4, 5}}, LayerCase{"conv 3 2x4 stride 2x3", {9, 11, 2}},
        LayerCase{"conv 2 3x3 pad 1x2", {5, 4, 3}}, LayerCase{"conv 2 3x2 dilation 2x3", {8, 9, 2}},
        LayerCase{"conv 6 3x3 pad 1 groups 2", {5, 6, 4}},
        LayerCase{"conv 4 3x2 stride 2 pad 1 groups 4", {7, 6, 4}},
        LayerCase{"conv 4 3 groups 2, maxpool 2", {8, 8, 2}},
        LayerCase{"conv 5 3x3 stride 2x1 pad 2x1 dilation 1x2", {8, 8, 3}},
        LayerCase{"maxpool 2", {6, 4, 3}}, LayerCase{"maxpool 3 stride 1x2 pad 1", {7, 6, 2}},
        LayerCase{"maxpool 2x3 stride 2x1", {5, 6, 4}}, LayerCase{"avgpool 2", {6, 4, 3}},
        LayerCase{"avgpool 3 stride 2 pad 1", {6, 7, 2}},
        LayerCase{"avgpool 3 stride 2 pad 1 divisor window", {6, 7, 2}}, LayerCase{"relu", {4, 5}},
        LayerCase{"sigmoid", {4, 5}}, LayerCase{"tanh", {4, 5}}, LayerCase{"flatten", {3, 2, 2}},
        LayerCase{"tanh, sigmoid, relu, tanh", {9}},
        LayerCase{"flatten, tanh, affine 4, flatten, sigmoid", {2, 3, 1}},
        LayerCase{"affine 6, tanh, sigmoid, affine 4, relu", {5}},
        LayerCase{"conv 3 3x3, flatten, relu, affine 4", {5, 5, 1}},
        LayerCase{"conv 3 2x2 pad 1, tanh, conv 2 3x3, sigmoid, maxpool 2, tanh, conv 3 2x2, "
                  "relu, avgpool 2, flatten, affine 5, sigmoid, affine 4",
                  {11, 11, 2}}));

TEST(BothLosses, HaveTheirGradients) {
  auto net = random_net<double>({6}, "affine 8, tanh, affine 5");
  const auto x = random_tensor<double>({4, 6}, 1);
  expect_right(check_gradients(net, x.view(), softmax_loss(random_labels(4, 5, 2))));
  const auto target = random_tensor<double>({4, 5}, 3);
  expect_right(check_gradients(net, x.view(), [&](auto y, auto dy) {
    return MeanSquaredError<double>().value_and_gradient(y, target.view(), dy);
  }));
}

/// Pictures as a network gets them: between 0 and 1, most of them dark.
Tensor<double> pictures(std::int64_t n) {
  Tensor<double> x(model_input().batch(n));
  const Random random(4, Purpose::test);
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const double u = random.uniform(0, static_cast<std::uint64_t>(i));
    x[i] = u < 0.7 ? 0 : (u - 0.7) / 0.3;
  }
  return x;
}

TEST(WholeModels, MlpHasTheGradientsOfEveryElement) {
  auto net = random_net<double>(model_input(), model_architecture("mlp"));
  const auto x = pictures(1);
  expect_right(check_gradients(net, x.view(), softmax_loss({3})));
}

TEST(WholeModels, CnnHasTheGradientsOfSampledElements) {
  auto net = random_net<double>(model_input(), model_architecture("cnn"));
  const auto x = pictures(2);
  expect_right(check_gradients(net, x.view(), softmax_loss({3, 8}), {.max_elements = 60}));
}

/// An Affine whose backward pass forgets a factor, for one tensor.
class Wrong : public Affine<double> {
 public:
  Wrong(std::size_t tensor, double factor) : Affine(4, 3), tensor_(tensor), factor_(factor) {}
  bool fuse(Activation) override { return false; }
  void backward(TensorView<const double> x, TensorView<const double> y, TensorView<const double> dy,
                TensorView<double> dx, Gradients<double>& grads, std::int64_t first) override {
    Affine::backward(x, y, dy, dx, grads, first);
    const TensorView<double> wrong = tensor_ == 0 ? dx : grads[tensor_ - 1];
    for (std::int64_t i = 0; i < wrong.size(); ++i) wrong.data[i] *= factor_;
  }

 private:
  std::size_t tensor_;
  double factor_;
};

TEST(GradientCheck, FindsAWrongGradientAndSaysWhere) {
  const auto x = random_tensor<double>({5, 4}, 1);
  for (std::size_t tensor = 0; tensor < 3; ++tensor) {
    // The loss is tiny: an error measured on an absolute scale would not be seen.
    for (const double loss_scale : {1.0, 1e-4}) {
      Sequential<double> net({4});
      net.add<Wrong>(tensor, 1.001);
      initialize(net, Initialization::he, 1);
      const auto loss = [&](TensorView<const double> y, TensorView<double> dy) {
        const double value = linear_loss()(y, dy);
        for (std::int64_t i = 0; !dy.empty() && i < dy.size(); ++i) dy.data[i] *= loss_scale;
        return loss_scale * value;
      };
      const auto results = check_gradients(net, x.view(), loss);
      ASSERT_EQ(results.size(), 3U);
      EXPECT_EQ(results[0].name, "x");
      EXPECT_EQ(results[1].name, "0.w");
      EXPECT_EQ(results[2].name, "0.b");
      for (std::size_t i = 0; i < 3; ++i) {
        if (i == tensor) {
          EXPECT_NEAR(results[i].scaled_error, 1e-3, 1e-4);
        } else {
          EXPECT_LE(results[i].scaled_error, 1e-7);
        }
      }
    }
  }
  Sequential<double> net({4});
  net.add<Wrong>(1U, std::nan(""));
  EXPECT_TRUE(std::isnan(check_gradients(net, x.view(), linear_loss())[1].scaled_error));
}

TEST(GradientCheck, StepsAroundKinks) {
  auto net = build<double>({6}, "relu");
  Tensor<double> x({1, 6});
  x[0] = 1;
  x[1] = 1e-6;
  x[2] = 0;
  x[3] = -9e-6;
  x[4] = -1;
  x[5] = 2e-5;
  const GradientCheckResult all = check_gradients(net, x.view(), linear_loss())[0];
  EXPECT_EQ(all.skipped, 3);
  EXPECT_EQ(all.checked, 3);
  EXPECT_LE(all.scaled_error, 1e-7);
  // Asked for three, it finds the three, whatever it meets first.
  for (std::uint64_t seed = 1; seed < 10; ++seed) {
    const auto some =
        check_gradients(net, x.view(), linear_loss(), {.max_elements = 3, .seed = seed});
    EXPECT_EQ(some[0].checked, 3);
  }

  auto pool = build<double>({2, 2, 1}, "maxpool 2");
  Tensor<double> tie({1, 2, 2, 1});
  tie[1] = 1;
  tie[2] = 1;
  const GradientCheckResult pooled = check_gradients(pool, tie.view(), linear_loss())[0];
  EXPECT_EQ(pooled.skipped, 2);
  EXPECT_EQ(pooled.checked, 2);
}

TEST(GradientCheck, RestoresParametersAndRefusesBadOptions) {
  auto net = random_net<double>({5}, "affine 4");
  const auto before = net.parameters()[0]->value.clone();
  const auto x = random_tensor<double>({2, 5}, 1);
  check_gradients(net, x.view(), linear_loss());
  EXPECT_TRUE(same_bits<double>(before.view(), net.parameters()[0]->value.view()));
  int calls = 0;
  const CheckedLoss throws = [&](TensorView<const double>, TensorView<double>) -> double {
    if (++calls > 4) throw std::runtime_error("of the loss");
    return 0;
  };
  EXPECT_THROW(check_gradients(net, x.view(), throws), std::runtime_error);
  EXPECT_TRUE(same_bits<double>(before.view(), net.parameters()[0]->value.view()));
  EXPECT_THROW(check_gradients(net, x.view(), linear_loss(), {.h = 0}), std::invalid_argument);
  EXPECT_THROW(check_gradients(net, x.view(), linear_loss(), {.max_elements = -1}),
               std::invalid_argument);
}

// The bias decides on which side of its kink each ReLU is, and moves no winner.
TEST(GradientCheck, SeesTheKinksOfAReluBelowAPool) {
  auto net = random_net<double>({4, 4, 1}, "conv 1 1x1, relu, maxpool 2, flatten, affine 2");
  net.parameters()[0]->value[0] = 0;
  net.parameters()[1]->value[0] = 0;
  const auto x = random_tensor<double>({3, 4, 4, 1}, 1);
  const auto results = check_gradients(net, x.view(), linear_loss());
  const auto bias = std::find_if(results.begin(), results.end(), [](const auto& result) {
    return result.name.ends_with("b") && result.skipped > 0;
  });
  ASSERT_NE(bias, results.end());
  EXPECT_EQ(bias->checked, 0);
  EXPECT_EQ(bias->skipped, 1);
}

}  // namespace
}  // namespace nnkernels::nn
