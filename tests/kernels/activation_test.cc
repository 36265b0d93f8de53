#include "kernels/activation.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

#include "kernels/batch_norm.h"
#include "kernels/gemm.h"
#include "tests/support/each_simd.h"
#include "tests/support/expect.h"
#include "tests/support/guarded_array.h"
#include "tests/support/precision.h"
#include "tests/support/values.h"

namespace nnkernels {
namespace {

constexpr Activation kKinds[] = {Activation::identity, Activation::relu, Activation::sigmoid,
                                 Activation::tanh};

long double reference(Activation kind, long double x) {
  switch (kind) {
    case Activation::identity:
      return x;
    case Activation::relu:
      return x > 0 || std::isnan(x) ? x : 0;
    case Activation::sigmoid:
      return 1 / (1 + std::exp(-x));
    case Activation::tanh:
      return std::tanh(x);
  }
  return 0;
}

template <class T>
std::vector<T> forward(Activation kind, const std::vector<T>& x) {
  std::vector<T> y(x.size());
  activation_forward(kind, static_cast<std::int64_t>(x.size()), x.data(), y.data());
  return y;
}

template <class T>
std::vector<T> backward(Activation kind, const std::vector<T>& y, const std::vector<T>& dy) {
  std::vector<T> dx(y.size());
  activation_backward(kind, static_cast<std::int64_t>(y.size()), y.data(), dy.data(), dx.data());
  return dx;
}

template <class T>
void check_lengths(Activation kind) {
  Values values(1);
  for (std::int64_t size = 0; size <= 67; ++size) {
    const std::vector<T> x_values = values.uniforms<T>(size, -6, 6);
    const std::vector<T> dy_values = values.uniforms<T>(size, -1, 1);
    for (const std::int64_t misalignment : {0, 1, 3}) {
      SCOPED_TRACE(testing::Message() << "size " << size << " misalignment " << misalignment);
      const GuardedArray<T> x(x_values, misalignment);
      const GuardedArray<T> y(size, 2 * misalignment);
      activation_forward(kind, size, x.data(), y.data());
      const GuardedArray<T> dy(dy_values, misalignment + 1);
      const GuardedArray<T> dx(size, misalignment);
      activation_backward(kind, size, y.data(), dy.data(), dx.data());
      ASSERT_TRUE(x.intact() && y.intact() && dy.intact() && dx.intact());
      for (std::int64_t i = 0; i < size; ++i) {
        ASSERT_LE(ulp_error(y[i], reference(kind, x[i])), 4) << "element " << i;
        // Neighbours and the place in the vector do not matter.
        ASSERT_EQ(y[i], forward<T>(kind, {x[i]})[0]) << "element " << i;
        ASSERT_EQ(dx[i], backward<T>(kind, {y[i]}, {dy[i]})[0]) << "element " << i;
      }
      // In place.
      const std::vector<T> y_values = y.values();
      activation_forward(kind, size, x.data(), x.data());
      activation_backward(kind, size, y.data(), dy.data(), dy.data());
      ASSERT_TRUE(same_bits(x.values(), y_values));
      ASSERT_TRUE(same_bits(dy.values(), dx.values()));
      ASSERT_TRUE(same_bits(y.values(), y_values));
    }
  }
}

class ActivationTest : public EachSimd {};
NNKERNELS_EACH_SIMD(ActivationTest);

TEST_P(ActivationTest, AgreesWithReferenceAtEveryLengthAndAlignment) {
  for (const Activation kind : kKinds) {
    check_lengths<float>(kind);
    check_lengths<double>(kind);
  }
}

/// The largest error in units in the last place, over all of x.
template <class T>
double worst_ulp(Activation kind, const std::vector<T>& x) {
  const std::vector<T> y = forward(kind, x);
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const T low = kind == Activation::sigmoid ? T{0} : T{-1};
    const bool in_range = std::isnan(x[i]) ? std::isnan(y[i]) : y[i] >= low && y[i] <= 1;
    if (!in_range) {
      ADD_FAILURE() << "f(" << x[i] << ") = " << y[i];
      return std::numeric_limits<double>::infinity();
    }
    // For float, the double functions are exact enough, and much faster.
    using Wide = std::conditional_t<std::is_same_v<T, float>, double, long double>;
    const Wide wide = x[i];
    const Wide exact = kind == Activation::sigmoid ? 1 / (1 + std::exp(-wide)) : std::tanh(wide);
    worst = std::max(worst, ulp_error(y[i], exact));
  }
  return worst;
}

TEST_P(ActivationTest, SigmoidAndTanhAreWithinFourUlpOverAllFloats) {
  std::vector<float> x;
  for (std::uint64_t bits = 0; bits < (std::uint64_t{1} << 32); bits += 8191) {
    x.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
  }
  Values values(2);
  for (const double limit : {0.7, 2.0, 20.0, 110.0}) {
    const std::vector<float> more = values.uniforms<float>(50000, -limit, limit);
    x.insert(x.end(), more.begin(), more.end());
  }
  EXPECT_LE(worst_ulp(Activation::sigmoid, x), 4);
  EXPECT_LE(worst_ulp(Activation::tanh, x), 4);
}

TEST_P(ActivationTest, SigmoidAndTanhAreWithinFourUlpOverManyDoubles) {
  Values values(3);
  std::vector<double> x;
  for (int i = 0; i < 50000; ++i) x.push_back(std::bit_cast<double>(values.bits()));
  for (const double limit : {0.7, 2.0, 40.0, 750.0}) {
    const std::vector<double> more = values.uniforms<double>(30000, -limit, limit);
    x.insert(x.end(), more.begin(), more.end());
  }
  EXPECT_LE(worst_ulp(Activation::sigmoid, x), 4);
  EXPECT_LE(worst_ulp(Activation::tanh, x), 4);
}

template <class T>
void check_special_values() {
  using Limits = std::numeric_limits<T>;
  const T inf = Limits::infinity();
  const T nan = Limits::quiet_NaN();
  const T tiny = Limits::denorm_min();
  const std::vector<T> x = {nan,  inf,   -inf,          T{0},          -T{0},
                            tiny, -tiny, Limits::min(), Limits::max(), -Limits::max()};
  const std::vector<T> relu = forward(Activation::relu, x);
  EXPECT_TRUE(std::isnan(relu[0]));
  EXPECT_TRUE(
      same_bits({relu.begin() + 1, relu.end()},
                std::vector<T>{inf, 0, 0, -T{0}, tiny, 0, Limits::min(), Limits::max(), 0}));
  const std::vector<T> sigmoid = forward(Activation::sigmoid, x);
  EXPECT_TRUE(std::isnan(sigmoid[0]));
  EXPECT_TRUE(same_bits({sigmoid.begin() + 1, sigmoid.end()},
                        std::vector<T>{1, 0, 0.5, 0.5, 0.5, 0.5, 0.5, 1, 0}));
  const std::vector<T> tanh = forward(Activation::tanh, x);
  EXPECT_TRUE(std::isnan(tanh[0]));
  EXPECT_EQ(std::vector<T>(tanh.begin() + 1, tanh.end()),
            (std::vector<T>{1, -1, 0, 0, tiny, -tiny, Limits::min(), 1, -1}));
}

TEST_P(ActivationTest, SpecialValues) {
  check_special_values<float>();
  check_special_values<double>();
}

/// One ReLU: alone, in the tiles of a product, behind one whose C has gaps, in batch normalization.
TEST_P(ActivationTest, EveryReluKeepsNegativeZero) {
  constexpr std::int64_t kSide = 5;
  const std::vector<float> zeros(kSide * kSide), ones(kSide * kSide, 1.0f);
  const std::vector<float> negative(kSide * kSide, -0.0f);
  const MatrixView<const float> a(zeros.data(), kSide, kSide), b(ones.data(), kSide, kSide);
  std::vector<float> dense(kSide * kSide), gaps(2 * kSide * kSide), normalized(kSide * kSide);
  const Epilogue<float> relu{.activation = Activation::relu};
  gemm(-1.0f, a, b, 0.0f, MatrixView<float>(dense.data(), kSide, kSide), relu);
  gemm(-1.0f, a, b, 0.0f, MatrixView<float>(gaps.data(), kSide, kSide, 2 * kSide, 2), relu);
  scale_shift<float>(kSide, kSide, ones.data(), negative.data(), true, negative.data(),
                     normalized.data());
  for (std::size_t i = 0; i < gaps.size(); i += 2) gaps[i / 2] = gaps[i];
  gaps.resize(dense.size());
  for (const auto& result : {dense, gaps, normalized, forward(Activation::relu, negative)}) {
    EXPECT_TRUE(same_bits(result, negative));
  }
}

template <class T>
void check_nan_backward() {
  const T nan = std::numeric_limits<T>::quiet_NaN();
  const T inf = std::numeric_limits<T>::infinity();
  for (const Activation kind : {Activation::relu, Activation::sigmoid, Activation::tanh}) {
    EXPECT_TRUE(std::isnan(backward<T>(kind, {nan}, {1})[0]));
    EXPECT_TRUE(std::isnan(backward<T>(kind, {T{0.5}}, {nan})[0]));
  }
  // The kink belongs to the flat side, and stops whatever comes.
  EXPECT_EQ(backward<T>(Activation::relu, {0, 0, 0, inf}, {1, nan, inf, 2}),
            (std::vector<T>{0, 0, 0, 2}));
}

TEST_P(ActivationTest, BackwardOfNanAndKink) {
  check_nan_backward<float>();
  check_nan_backward<double>();
}

TEST_P(ActivationTest, BackwardIsTheDerivative) {
  constexpr double kStep = 1e-5;
  for (const Activation kind : kKinds) {
    for (double x = -3.01; x < 3; x += 0.1) {
      const std::vector<double> y = forward<double>(kind, {x - kStep, x, x + kStep});
      const double difference = (y[2] - y[0]) / (2 * kStep);
      EXPECT_NEAR(backward<double>(kind, {y[1]}, {2.5})[0], 2.5 * difference, 1e-9) << "at " << x;
    }
  }
}

TEST_P(ActivationTest, BackwardOfABlock) {
  constexpr std::int64_t kRows = 3, kCols = 21, kStride = 40;
  Values values(5);
  std::vector<float> y = values.uniforms<float>(kRows * kStride, -1, 1);
  const std::vector<float> dy = values.uniforms<float>(kRows * kStride, -1, 1);
  for (const Activation kind : kKinds) {
    std::vector<float> dx = dy;
    activation_backward(kind, MatrixView<float>(y.data(), kRows, kCols, kStride),
                        MatrixView<float>(dx.data(), kRows, kCols, kStride));
    std::vector<float> expected = backward(kind, y, dy);
    for (std::size_t i = 0; i < dx.size(); ++i) {
      const bool inside = i % kStride < kCols;
      EXPECT_EQ(dx[i], inside ? expected[i] : dy[i]) << i;
    }
  }
}

TEST_P(ActivationTest, SameBitsForAnyNumberOfThreads) {
  Values values(4);
  const std::vector<float> x = values.uniforms<float>(100003, -6, 6);
  const std::vector<float> dy = values.uniforms<float>(100003, -1, 1);
  for (const Activation kind : kKinds) {
    expect_same_bits_for_threads([&] { return forward(kind, x); });
    expect_same_bits_for_threads([&] { return backward(kind, x, dy); });
  }
}

TEST(ActivationArgumentsTest, BadOnesAreRefused) {
  float one = 1;
  expect_invalid_argument([&] { activation_forward(Activation::relu, -1, &one, &one); },
                          {"activation_forward", "size", "-1"});
  expect_invalid_argument([&] { activation_forward<float>(Activation::relu, 5, nullptr, &one); },
                          {"activation_forward", "x is null", "5"});
  expect_invalid_argument([&] { activation_forward<float>(Activation::relu, 5, &one, nullptr); },
                          {"activation_forward", "y is null"});
  expect_invalid_argument([&] { activation_backward(Activation::relu, -7, &one, &one, &one); },
                          {"activation_backward", "size", "-7"});
  expect_invalid_argument(
      [&] { activation_backward<float>(Activation::relu, 5, &one, nullptr, &one); },
      {"activation_backward", "dy is null"});
  expect_invalid_argument(
      [&] {
        activation_backward<float>(Activation::relu, MatrixView<const float>(&one, 1, 1),
                                   MatrixView<float>(&one, 1, 2));
      },
      {"activation_backward", "1x1", "1x2"});
  using View = MatrixView<float>;
  const auto backward_of_block = [](const View& y, const View& dx) {
    return [=] { activation_backward<float>(Activation::relu, y, dx); };
  };
  expect_invalid_argument(backward_of_block(View(&one, 1, -1), View(&one, 1, -1)),
                          {"activation_backward", "cols = -1"});
  expect_invalid_argument(backward_of_block(View(&one, -1, 1), View(&one, -1, 1)),
                          {"activation_backward", "rows = -1"});
  expect_invalid_argument(backward_of_block(View(nullptr, 1, 4), View(&one, 1, 4)),
                          {"activation_backward", "y is null"});
  expect_invalid_argument(backward_of_block(View(&one, 1, 4), View(nullptr, 1, 4)),
                          {"activation_backward", "dx is null"});
  backward_of_block(View(nullptr, 0, 4), View(nullptr, 0, 4))();
  activation_forward<float>(Activation::tanh, 0, nullptr, nullptr);
  activation_backward<float>(Activation::tanh, 0, nullptr, nullptr, nullptr);
}

}  // namespace
}  // namespace nnkernels
