#include "nn/affine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/nn/fixtures.h"
#include "tests/support/expect.h"

namespace nnkernels::nn {
namespace {

/// Whole numbers from -4 to 4, of which sums of thousands of products are exact in float.
Tensor<float> integers(const Shape& shape, std::uint64_t seed) {
  Tensor<float> tensor(shape);
  const Random random(seed, Purpose::test);
  for (std::int64_t i = 0; i < tensor.size(); ++i) {
    tensor[i] = static_cast<float>(random.below(9, 0, static_cast<std::uint64_t>(i))) - 4;
  }
  return tensor;
}

struct AffineCase {
  std::int64_t n, in, out;
  bool bias;
};

// Around every size at which the work is cut otherwise: pieces of w, parts of the sum.
std::vector<AffineCase> cases() {
  std::vector<AffineCase> all;
  for (const std::int64_t in : {1, 17, 127, 128, 200, 575, 576, 577, 784, 1001, 1601}) {
    for (const std::int64_t n : {1, 31, 32, 50}) {
      for (const std::int64_t out : {1, 10, 100, 200})
        all.push_back({n, in, out, (in + n) % 2 > 0});
    }
  }
  return all;
}

TEST(Affine, IsExactOnIntegersForwardAndBackward) {
  for (const auto& [n, in, out, bias] : cases()) {
    SCOPED_TRACE(std::to_string(n) + " x " + std::to_string(in) + " -> " + std::to_string(out));
    auto net =
        build<float>({in}, "affine " + std::to_string(out) + (bias ? "" : " nobias") + ", relu");
    const auto w = integers({in, out}, 1), b = integers({out}, 2), x = integers({n, in}, 3);
    std::copy(w.begin(), w.end(), net.parameters()[0]->value.begin());
    if (bias) std::copy(b.begin(), b.end(), net.parameters()[1]->value.begin());
    const TensorView<const float> y = net.forward(x.view(), {.training = true});
    Tensor<float> dy = integers({n, out}, 4), dx({n, in});
    net.backward(x.view(), dy.view(), dx.view());
    std::int64_t wrong = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      for (std::int64_t j = 0; j < out; ++j) {
        float sum = bias ? b[j] : 0;
        for (std::int64_t p = 0; p < in; ++p) sum += x[i * in + p] * w[p * out + j];
        wrong += y.data[i * out + j] != std::max(sum, 0.0F);
        if (sum <= 0) dy[i * out + j] = 0;
      }
    }
    for (std::int64_t p = 0; p < in; ++p) {
      for (std::int64_t i = 0; i < n; ++i) {
        float sum = 0;
        for (std::int64_t j = 0; j < out; ++j) sum += dy[i * out + j] * w[p * out + j];
        wrong += dx[i * in + p] != sum;
      }
      for (std::int64_t j = 0; j < out; ++j) {
        float sum = 0;
        for (std::int64_t i = 0; i < n; ++i) sum += x[i * in + p] * dy[i * out + j];
        wrong += net.parameters()[0]->grad[p * out + j] != sum;
      }
    }
    EXPECT_EQ(wrong, 0);
  }
}

TEST(Affine, HasTheSameBitsForAnyNumberOfThreads) {
  for (const std::int64_t in : {577, 784, 4320}) {
    auto net = random_net<float>({in}, "affine 40, tanh");
    const auto x = random_tensor<float>({50, in}, 1), dy = random_tensor<float>({50, 40}, 2);
    expect_same_bits_for_threads([&] {
      const TensorView<const float> y = net.forward(x.view(), {.training = true});
      std::vector<float> all(y.data, y.data + y.size());
      net.backward(x.view(), dy.view());
      const Tensor<float>& dw = net.parameters()[0]->grad;
      all.insert(all.end(), dw.begin(), dw.end());
      return all;
    });
  }
}

TEST(Affine, HasTheGradientOfItsForwardPassInParts) {
  auto net = random_net<double>({600}, "affine 3, sigmoid");
  const auto x = random_tensor<double>({33, 600}, 1);
  for (const GradientCheckResult& result : check_gradients(net, x.view(), linear_loss())) {
    EXPECT_LE(result.scaled_error, 1e-7) << result.name;
    EXPECT_GT(result.checked, 0) << result.name;
  }
}

}  // namespace
}  // namespace nnkernels::nn
