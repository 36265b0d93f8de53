#include <gtest/gtest.h>

#include <cmath>

#include "nn/softmax.h"
#include "tests/nn/fixtures.h"

namespace nnkernels::nn {
namespace {

TEST(SoftmaxLayer, NormalizesExponentials) {
  auto net = build<double>({5}, "softmax");
  const auto x = random_tensor<double>({3, 5}, 1);
  const TensorView<const double> y = net.forward(x.view());
  for (std::int64_t i = 0; i < 3; ++i) {
    double sum = 0;
    for (std::int64_t j = 0; j < 5; ++j) sum += std::exp(x[i * 5 + j]);
    for (std::int64_t j = 0; j < 5; ++j) {
      EXPECT_NEAR(y.data[i * 5 + j], std::exp(x[i * 5 + j]) / sum, 1e-15);
    }
  }
}

TEST(SoftmaxLayer, HasTheWholeJacobian) {
  auto net = random_net<double>({6}, "affine 5, softmax, affine 4, softmax");
  const auto x = random_tensor<double>({5, 6}, 1);
  for (const GradientCheckResult& result : check_gradients(net, x.view(), linear_loss())) {
    EXPECT_LE(result.scaled_error, 1e-7) << result.name;
  }
}

}  // namespace
}  // namespace nnkernels::nn
