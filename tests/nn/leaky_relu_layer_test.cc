#include <gtest/gtest.h>

#include <stdexcept>

#include "nn/leaky_relu.h"
#include "tests/nn/fixtures.h"

namespace nnkernels::nn {
namespace {

TEST(LeakyReLU, KeepsPositiveAndScalesNegative) {
  auto net = build<float>({4}, "leakyrelu 0.25");
  Tensor<float> x({1, 4});
  x[0] = 3;
  x[1] = -2;
  x[3] = -8;
  const TensorView<const float> y = net.forward(x.view());
  EXPECT_EQ(y.data[0], 3);
  EXPECT_EQ(y.data[1], -0.5);
  EXPECT_EQ(y.data[2], 0);
  EXPECT_EQ(y.data[3], -2);
}

TEST(LeakyReLU, HasTheGradientOfItsForwardPass) {
  auto net = random_net<double>({6}, "affine 9, leakyrelu, affine 8, leakyrelu 0.5, affine 3");
  const auto x = random_tensor<double>({5, 6}, 1);
  for (const GradientCheckResult& result : check_gradients(net, x.view(), linear_loss())) {
    EXPECT_LE(result.scaled_error, 1e-7) << result.name;
    EXPECT_GT(result.checked, 0) << result.name;
  }
}

TEST(LeakyReLU, RefusesASlopeThatIsNone) {
  EXPECT_THROW(LeakyReLU<float>(0), std::invalid_argument);
  EXPECT_THROW(LeakyReLU<float>(1), std::invalid_argument);
}

}  // namespace
}  // namespace nnkernels::nn
