#include "nn/global_avg_pool.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "tests/nn/fixtures.h"

namespace nnkernels::nn {
namespace {

TEST(GlobalAvgPool2d, IsTheMeanOfEachChannel) {
  auto net = build<double>({3, 4, 5}, "globalavgpool");
  EXPECT_EQ(net.output_shape(), Shape{5});
  const auto x = random_tensor<double>({2, 3, 4, 5}, 1);
  const TensorView<const double> y = net.forward(x.view());
  for (std::int64_t n = 0; n < 2; ++n) {
    for (std::int64_t c = 0; c < 5; ++c) {
      double sum = 0;
      for (std::int64_t p = 0; p < 12; ++p) sum += x[(n * 12 + p) * 5 + c];
      EXPECT_NEAR(y.data[n * 5 + c], sum / 12, 1e-15);
    }
  }
}

TEST(GlobalAvgPool2d, HasTheGradientOfItsForwardPass) {
  auto net = random_net<double>({5, 6, 2}, "conv 4 3x3, relu, globalavgpool, affine 3");
  const auto x = random_tensor<double>({3, 5, 6, 2}, 1);
  for (const GradientCheckResult& result : check_gradients(net, x.view(), linear_loss())) {
    EXPECT_LE(result.scaled_error, 1e-7) << result.name;
  }
}

TEST(GlobalAvgPool2d, RefusesSamplesThatAreNoImages) {
  EXPECT_THROW(GlobalAvgPool2d<float>().output_shape({5}), std::invalid_argument);
}

}  // namespace
}  // namespace nnkernels::nn
