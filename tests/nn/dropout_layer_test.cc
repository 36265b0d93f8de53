#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "nn/dropout.h"
#include "tests/nn/fixtures.h"
#include "tests/support/each_simd.h"

namespace nnkernels::nn {
namespace {

std::vector<float> dropped(const std::string& text, const Pass& pass, std::int64_t n = 100) {
  auto net = random_net<float>({100}, text);
  Tensor<float> x({n, 100});
  std::fill(x.begin(), x.end(), 1.0F);
  const TensorView<const float> y = net.forward(x.view(), pass);
  return {y.data, y.data + y.size()};
}

TEST(Dropout, DropsThatPartAndScalesTheRest) {
  for (const double p : {0.0, 0.25, 0.5, 0.9}) {
    const auto y = dropped("dropout " + std::to_string(p), {.training = true});
    const auto zeros = static_cast<double>(std::count(y.begin(), y.end(), 0.0F));
    EXPECT_NEAR(zeros / 10000, p, 4 * std::sqrt(p * (1 - p) / 10000) + 1e-4) << p;
    for (const float value : y) {
      if (value == 0) continue;
      ASSERT_NEAR(value, 1 / (1 - p), 2e-3 * p / (1 - p) + 1e-7);
    }
  }
}

TEST(Dropout, IsTheIdentityInInference) {
  for (const float value : dropped("dropout 0.5", {})) ASSERT_EQ(value, 1);
}

TEST(Dropout, DependsOnSeedStepAndPlaceAlone) {
  const Pass pass{.training = true, .seed = 3, .step = 7};
  const auto y = dropped("dropout 0.5", pass);
  EXPECT_EQ(dropped("dropout 0.5", pass), y);
  EXPECT_NE(dropped("dropout 0.5", {.training = true, .seed = 4, .step = 7}), y);
  EXPECT_NE(dropped("dropout 0.5", {.training = true, .seed = 3, .step = 8}), y);
  // Of two layers one behind the other, each has a mask of its own: a quarter is kept.
  const auto twice = dropped("dropout 0.5, dropout 0.5", pass);
  EXPECT_NEAR(static_cast<double>(std::count(twice.begin(), twice.end(), 4.0F)), 2500, 200);
  // Samples keep their masks in a batch of another size, which is cut into other blocks.
  const auto fewer = dropped("dropout 0.5", pass, 3);
  EXPECT_TRUE(std::equal(fewer.begin(), fewer.end(), y.begin()));
  for (const int count : {2, 3}) {
    const ForceThreads force(count);
    EXPECT_EQ(dropped("dropout 0.5", pass), y);
  }
}

TEST(Dropout, DropsTheSameGradients) {
  auto net = random_net<double>({6, 6, 2},
                                "conv 4 3x3, relu, dropout 0.3, flatten, affine 20, "
                                "dropout 0.5, relu, affine 3");
  const auto x = random_tensor<double>({5, 6, 6, 2}, 1);
  for (const GradientCheckResult& result : check_gradients(net, x.view(), linear_loss())) {
    EXPECT_LE(result.scaled_error, 1e-7) << result.name;
    EXPECT_GT(result.checked, 0) << result.name;
  }
  net.forward(x.view());
  EXPECT_THROW(net.backward(x.view(), Tensor<double>({5, 3}).view()), std::invalid_argument);
}

TEST(Dropout, RefusesAProbabilityThatIsNone) {
  EXPECT_THROW(Dropout<float>(1), std::invalid_argument);
  EXPECT_THROW(Dropout<float>(-0.1), std::invalid_argument);
}

}  // namespace
}  // namespace nnkernels::nn
