#include "tests/project/custom_layer/leaky_relu.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

#include "nn/affine.h"
#include "nn/data/file.h"
#include "nn/gradient_check.h"
#include "nn/initialize.h"
#include "nn/loss.h"
#include "nn/named_tensor.h"
#include "nn/sequential.h"
#include "nn/tensor_file.h"

namespace nn = nnkernels::nn;

TEST(LeakyReLU, KeepsPositiveAndScalesNegative) {
  nn::Sequential<float> net({4});
  net.add<LeakyReLU<float>>(0.25F);
  nn::Tensor<float> x({1, 4});
  x[0] = 3;
  x[1] = -2;
  x[2] = 0;
  x[3] = -8;
  const auto y = net.forward(x.view());
  EXPECT_EQ(y.data[0], 3);
  EXPECT_EQ(y.data[1], -0.5);
  EXPECT_EQ(y.data[2], 0);
  EXPECT_EQ(y.data[3], -2);
}

TEST(LeakyReLU, HasTheGradientOfItsForwardPass) {
  nn::Sequential<double> net({5});
  net.add<nn::Affine<double>>(5, 7);
  net.add<LeakyReLU<double>>(0.1);
  net.add<nn::Affine<double>>(7, 3);
  nn::initialize(net, nn::Initialization::he, /*seed=*/1);

  nn::Tensor<double> x({4, 5});
  for (std::int64_t i = 0; i < x.size(); ++i) x[i] = std::sin(1.0 + static_cast<double>(i));
  const nn::Tensor<double> target({4, 3});
  const nn::MeanSquaredError<double> loss;
  const auto checked_loss = [&](nn::TensorView<const double> y, nn::TensorView<double> dy) {
    return dy.empty() ? loss.value(y, target.view())
                      : loss.value_and_gradient(y, target.view(), dy);
  };
  for (const nn::GradientCheckResult& tensor : nn::check_gradients(net, x.view(), checked_loss)) {
    EXPECT_LE(tensor.scaled_error, 1e-7) << tensor.name;
    EXPECT_GT(tensor.checked, 0) << tensor.name;
  }
}

TEST(LeakyReLU, RefusesASlopeThatIsNone) {
  EXPECT_THROW(LeakyReLU<float>(0), std::invalid_argument);
  EXPECT_THROW(LeakyReLU<float>(1), std::invalid_argument);
}

TEST(LeakyReLU, IsInANetworkThatIsSaved) {
  const auto make = [](std::uint64_t seed) {
    nn::Sequential<float> net({5});
    net.add<nn::Affine<float>>(5, 7);
    net.add<LeakyReLU<float>>(0.1F);
    nn::initialize(net, nn::Initialization::he, seed);
    return net;
  };
  nn::Sequential<float> net = make(1), other = make(2);
  const std::string path =
      testing::TempDir() + "leaky_relu_" + std::to_string(getpid()) + ".safetensors";
  nn::save_tensors(path, "my network 1", {}, nn::named_tensors(net));

  const std::vector<std::uint8_t> file = nn::read_file(path, /*max_bytes=*/1 << 20);
  const nn::Tensor<float>& weights = net.parameters()[0]->value;
  const nn::Tensor<float>& read = other.parameters()[0]->value;
  EXPECT_NE(read[0], weights[0]);
  nn::TensorFile(path, file, "my network 1").read(nn::named_tensors(other));
  for (std::int64_t i = 0; i < weights.size(); ++i) EXPECT_EQ(read[i], weights[i]);
  std::remove(path.c_str());
}
