#include "nn/initialize.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "tests/nn/fixtures.h"

namespace nnkernels::nn {
namespace {

double deviation(const Tensor<float>& tensor) {
  double squares = 0;
  for (const float value : tensor) squares += static_cast<double>(value) * value;
  return std::sqrt(squares / static_cast<double>(tensor.size()));
}

TEST(Initialize, HasTheDeviationsOfItsSources) {
  auto net = build<float>({16, 16, 3}, "conv 40 5x5, flatten, affine 200");
  const auto parameters = net.parameters();
  for (Parameter<float>* parameter : parameters) parameter->value[0] = 9;
  // 3000 and 1152000 weights: five standard errors are 6.5 % and 0.4 %.
  initialize(net, Initialization::he, 1);
  EXPECT_NEAR(deviation(parameters[0]->value), std::sqrt(2.0 / 75), 0.065 * std::sqrt(2.0 / 75));
  EXPECT_NEAR(deviation(parameters[2]->value), std::sqrt(2.0 / 5760),
              0.004 * std::sqrt(2.0 / 5760));
  initialize(net, Initialization::xavier, 1);
  EXPECT_NEAR(deviation(parameters[2]->value), std::sqrt(2.0 / 5960),
              0.004 * std::sqrt(2.0 / 5960));
  initialize(net, Initialization::lecun, 1);
  EXPECT_NEAR(deviation(parameters[2]->value), std::sqrt(1.0 / 5760),
              0.004 * std::sqrt(1.0 / 5760));
  initialize(net, Initialization::fan_out, 1);
  EXPECT_NEAR(deviation(parameters[2]->value), std::sqrt(1.0 / 200), 0.004 * std::sqrt(1.0 / 200));
  initialize(net, Initialization::fan_in, 1);
  EXPECT_NEAR(deviation(parameters[2]->value), std::sqrt(1.0 / 3 / 5760),
              0.004 * std::sqrt(1.0 / 3 / 5760));
  initialize(net, Initialization::uniform, 1, 0.5);
  EXPECT_NEAR(deviation(parameters[2]->value), 0.5 / std::sqrt(3.0), 0.002);
  const auto [low, high] =
      std::minmax_element(parameters[2]->value.begin(), parameters[2]->value.end());
  EXPECT_NEAR(*low, -0.5, 1e-4);
  EXPECT_NEAR(*high, 0.5, 1e-4);
  EXPECT_LE(*high, 0.5);
  initialize(net, Initialization::gaussian, 1, 0.5);
  EXPECT_NEAR(deviation(parameters[2]->value), 0.5, 0.002);
  EXPECT_EQ(deviation(parameters[1]->value), 0);
  EXPECT_EQ(deviation(parameters[3]->value), 0);
  initialize(net, Initialization::gaussian, 1, 0);
  EXPECT_EQ(deviation(parameters[2]->value), 0);
}

TEST(Initialize, DependsOnSeedAndParameter) {
  auto a = build<float>({50}, "affine 50, affine 50");
  auto b = build<float>({50}, "affine 50, affine 50");
  auto exact = build<double>({50}, "affine 50, affine 50");
  initialize(a, Initialization::he, 1);
  initialize(b, Initialization::he, 1);
  initialize(exact, Initialization::he, 1);
  EXPECT_TRUE(same_bits<float>(a.parameters()[2]->value.view(), b.parameters()[2]->value.view()));
  EXPECT_EQ(a.parameters()[0]->value[7], static_cast<float>(exact.parameters()[0]->value[7]));
  EXPECT_NE(a.parameters()[0]->value[0], a.parameters()[2]->value[0]);
  initialize(b, Initialization::he, 2);
  EXPECT_NE(a.parameters()[0]->value[0], b.parameters()[0]->value[0]);
}

TEST(Initialize, RefusesBadArguments) {
  auto net = build<float>({5}, "affine 5");
  EXPECT_THROW(initialize(net, Initialization::gaussian, 1, -1), std::invalid_argument);
  EXPECT_THROW(
      initialize(net, Initialization::gaussian, 1, std::numeric_limits<double>::infinity()),
      std::invalid_argument);
  EXPECT_EQ(initialization_from_name("xavier"), Initialization::xavier);
  EXPECT_EQ(initialization_from_name("fan-out"), Initialization::fan_out);
  for (const std::string& name : initialization_names()) {
    EXPECT_NO_THROW(initialization_from_name(name)) << name;
  }
  EXPECT_THROW(initialization_from_name("glorot"), std::invalid_argument);
}

}  // namespace
}  // namespace nnkernels::nn
