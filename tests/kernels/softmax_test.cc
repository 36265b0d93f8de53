#include "kernels/softmax.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "tests/support/each_simd.h"
#include "tests/support/expect.h"
#include "tests/support/guarded_array.h"
#include "tests/support/precision.h"
#include "tests/support/values.h"

namespace nnkernels {
namespace {

/// One row's softmax and its logarithm, in long double.
struct Reference {
  template <class T>
  explicit Reference(const std::vector<T>& x) {
    long double max = x[0];
    for (const T v : x) max = std::max<long double>(max, v);
    long double sum = 0;
    for (const T v : x) sum += std::exp(v - max);
    for (const T v : x) {
      p.push_back(std::exp(v - max) / sum);
      log_p.push_back(v - max - std::log(sum));
    }
  }
  std::vector<long double> p;
  std::vector<long double> log_p;
};

template <class T>
std::vector<T> row_of(const T* data, std::int64_t row, std::int64_t cols) {
  return std::vector<T>(data + row * cols, data + (row + 1) * cols);
}

/// A probability is a quotient of exponentials of rounded differences: its relative error grows
/// with the size of the differences (`spread`) and the length of the sum.
template <class T>
double relative_bound(std::int64_t cols, double spread) {
  return gamma<T>(static_cast<double>(cols) + spread + 8);
}

template <class T>
void check_rows(std::int64_t rows, std::int64_t cols, std::int64_t misalignment) {
  SCOPED_TRACE(testing::Message() << rows << " x " << cols << " + " << misalignment);
  constexpr double kSpread = 12;
  Values values(static_cast<std::uint64_t>(rows * 1000 + cols));
  const std::int64_t size = rows * cols;
  const GuardedArray<T> x(values.uniforms<T>(size, -kSpread / 2, kSpread / 2), misalignment);
  const GuardedArray<T> dy(values.uniforms<T>(size, -1, 1), misalignment + 2);
  const GuardedArray<std::int32_t> labels(values.integers<std::int32_t>(rows, 0, cols - 1));
  const T scale = T{0.125};
  const GuardedArray<T> y(size, misalignment + 1), log_y(size, misalignment);
  const GuardedArray<T> dx(size), log_dx(size, misalignment), ce_dx(size, misalignment);
  const GuardedArray<T> loss(rows, misalignment), ce_loss(rows);
  softmax_forward(rows, cols, x.data(), y.data());
  softmax_backward(rows, cols, y.data(), dy.data(), dx.data());
  log_softmax_forward(rows, cols, x.data(), log_y.data());
  log_softmax_backward(rows, cols, log_y.data(), dy.data(), log_dx.data());
  softmax_cross_entropy_forward(rows, cols, x.data(), labels.data(), loss.data());
  softmax_cross_entropy_backward(rows, cols, x.data(), labels.data(), scale, ce_loss.data(),
                                 ce_dx.data());
  for (const GuardedArray<T>* array : {&x, &dy, &y, &log_y, &dx, &log_dx, &ce_dx, &loss, &ce_loss})
    ASSERT_TRUE(array->intact());

  const double bound = relative_bound<T>(cols, kSpread);
  for (std::int64_t i = 0; i < rows; ++i) {
    const Reference exact(row_of(x.data(), i, cols));
    long double dot = 0, magnitude = 0, dy_sum = 0, dy_magnitude = 0;
    for (std::int64_t j = 0; j < cols; ++j) {
      const long double g = dy[i * cols + j];
      dot += g * exact.p[static_cast<std::size_t>(j)];
      magnitude += std::abs(g) * exact.p[static_cast<std::size_t>(j)];
      dy_sum += g;
      dy_magnitude += std::abs(g);
    }
    for (std::int64_t j = 0; j < cols; ++j) {
      const std::int64_t at = i * cols + j;
      const long double p = exact.p[static_cast<std::size_t>(j)];
      const long double log_p = exact.log_p[static_cast<std::size_t>(j)];
      ASSERT_NEAR(y[at], p, bound * p) << "row " << i << " column " << j;
      ASSERT_NEAR(log_y[at], log_p, bound * (1 + kSpread)) << "row " << i << " column " << j;
      const long double g = dy[at];
      ASSERT_NEAR(dx[at], p * (g - dot), 4 * bound * p * (std::abs(g) + magnitude));
      ASSERT_NEAR(log_dx[at], g - p * dy_sum,
                  4 * bound * (1 + kSpread) * (std::abs(g) + p * dy_magnitude));
      const long double one = labels[i] == j ? 1 : 0;
      ASSERT_NEAR(ce_dx[at], scale * (p - one), scale * 2 * bound * (p + one));
    }
    const long double exact_loss = -exact.log_p[static_cast<std::size_t>(labels[i])];
    ASSERT_NEAR(loss[i], exact_loss, bound * (1 + kSpread));
    ASSERT_EQ(loss[i], ce_loss[i]);
  }

  // In place.
  const std::vector<T> x_values = x.values();
  softmax_forward(rows, cols, x.data(), x.data());
  ASSERT_TRUE(same_bits(x.values(), y.values()));
  std::copy(x_values.begin(), x_values.end(), x.data());
  log_softmax_forward(rows, cols, x.data(), x.data());
  ASSERT_TRUE(same_bits(x.values(), log_y.values()));
  std::copy(x_values.begin(), x_values.end(), x.data());
  softmax_cross_entropy_backward(rows, cols, x.data(), labels.data(), scale, loss.data(), x.data());
  ASSERT_TRUE(same_bits(x.values(), ce_dx.values()));
  const std::vector<T> dy_values = dy.values();
  softmax_backward(rows, cols, y.data(), dy.data(), dy.data());
  ASSERT_TRUE(same_bits(dy.values(), dx.values()));
  std::copy(dy_values.begin(), dy_values.end(), dy.data());
  log_softmax_backward(rows, cols, log_y.data(), dy.data(), dy.data());
  ASSERT_TRUE(same_bits(dy.values(), log_dx.values()));
  ASSERT_TRUE(x.intact() && dy.intact());
}

class SoftmaxTest : public EachSimd {};
NNKERNELS_EACH_SIMD(SoftmaxTest);

TEST_P(SoftmaxTest, AgreesWithReferenceAtEveryWidthAndAlignment) {
  for (std::int64_t cols = 1; cols <= 67; ++cols) {
    for (const std::int64_t misalignment : {0, 1, 3}) {
      check_rows<float>(3, cols, misalignment);
      check_rows<double>(3, cols, misalignment);
    }
  }
  check_rows<float>(40, 10, 1);
  check_rows<float>(2, 1003, 1);
  check_rows<double>(2, 1003, 1);
}

template <class T>
void check_extremes() {
  constexpr T kLarge = 1e4;
  const T inf = std::numeric_limits<T>::infinity();
  for (const std::int64_t cols : {3, 10, 40}) {
    std::vector<T> x(static_cast<std::size_t>(cols), -kLarge);
    x[1] = kLarge;
    std::vector<T> y(x.size()), log_y(x.size()), dx(x.size());
    T loss = 0;
    const std::int32_t right = 1, wrong = 2;

    softmax_forward(1, cols, x.data(), y.data());
    log_softmax_forward(1, cols, x.data(), log_y.data());
    for (std::int64_t j = 0; j < cols; ++j) {
      EXPECT_EQ(y[static_cast<std::size_t>(j)], j == 1 ? 1 : 0);
      EXPECT_EQ(log_y[static_cast<std::size_t>(j)], j == 1 ? 0 : -2 * kLarge);
    }
    softmax_cross_entropy_backward(1, cols, x.data(), &right, T{1}, &loss, dx.data());
    EXPECT_EQ(loss, 0);
    EXPECT_EQ(dx, std::vector<T>(x.size(), 0));
    softmax_cross_entropy_backward(1, cols, x.data(), &wrong, T{1}, &loss, dx.data());
    EXPECT_EQ(loss, 2 * kLarge);
    EXPECT_EQ(dx[1], 1);
    EXPECT_EQ(dx[2], -1);

    // The largest finite numbers, and logits that exclude a class.
    x[0] = -std::numeric_limits<T>::max();
    x[1] = std::numeric_limits<T>::max();
    x[2] = -inf;
    softmax_forward(1, cols, x.data(), y.data());
    EXPECT_EQ(y[0], 0);
    EXPECT_EQ(y[1], 1);
    EXPECT_EQ(y[2], 0);
    softmax_cross_entropy_forward(1, cols, x.data(), &wrong, &loss);
    EXPECT_EQ(loss, inf);

    // Equal logits: exactly 1 / cols, whatever their size.
    std::fill(x.begin(), x.end(), kLarge);
    softmax_forward(1, cols, x.data(), y.data());
    for (const T v : y) EXPECT_EQ(v, T{1} / static_cast<T>(cols));
  }
}

TEST_P(SoftmaxTest, IsStable) {
  check_extremes<float>();
  check_extremes<double>();
}

template <class T>
void check_not_finite() {
  const T nan = std::numeric_limits<T>::quiet_NaN();
  const T inf = std::numeric_limits<T>::infinity();
  const auto is_nan = [](T v) { return std::isnan(v); };
  for (const std::int64_t cols : {1, 2, 7, 10, 40}) {
    for (std::int64_t at = 0; at < cols; ++at) {
      for (const T bad : {nan, inf}) {
        // The middle row of three is bad; the others must not notice.
        std::vector<T> x(static_cast<std::size_t>(3 * cols), T{0.5}), y(x.size()), z(x.size());
        x[static_cast<std::size_t>(cols + at)] = bad;
        std::vector<T> loss(3), dx(x.size());
        const std::vector<std::int32_t> labels(3, 0);
        softmax_forward(3, cols, x.data(), y.data());
        log_softmax_forward(3, cols, x.data(), z.data());
        softmax_cross_entropy_backward(3, cols, x.data(), labels.data(), T{1}, loss.data(),
                                       dx.data());
        for (const std::vector<T>* result : {&y, &z, &dx}) {
          EXPECT_TRUE(std::all_of(result->begin() + cols, result->begin() + 2 * cols, is_nan));
          EXPECT_TRUE(std::none_of(result->begin(), result->begin() + cols, is_nan));
          EXPECT_TRUE(std::none_of(result->begin() + 2 * cols, result->end(), is_nan));
        }
        if (at == 0) {
          // Nothing but -Inf: no largest element either.
          std::fill(x.begin(), x.end(), -inf);
          softmax_forward(3, cols, x.data(), y.data());
          EXPECT_TRUE(std::all_of(y.begin(), y.end(), is_nan));
        }
        EXPECT_FALSE(std::isnan(loss[0]));
        EXPECT_TRUE(std::isnan(loss[1]));
        EXPECT_FALSE(std::isnan(loss[2]));
      }
    }
  }
}

TEST_P(SoftmaxTest, NanAndInfinitySpoilTheirRowAndNoOther) {
  check_not_finite<float>();
  check_not_finite<double>();
}

/// The gradient of sum(weights * f(x)) by central differences.
template <class Forward>
std::vector<double> differences(std::vector<double> x, const std::vector<double>& weights,
                                const Forward& forward) {
  constexpr double kStep = 1e-5;
  const auto value = [&] {
    const std::vector<double> y = forward(x);
    double sum = 0;
    for (std::size_t i = 0; i < y.size(); ++i) sum += weights[i] * y[i];
    return sum;
  };
  std::vector<double> gradient;
  for (double& v : x) {
    const double before = v;
    v = before + kStep;
    const double above = value();
    v = before - kStep;
    gradient.push_back((above - value()) / (2 * kStep));
    v = before;
  }
  return gradient;
}

TEST_P(SoftmaxTest, BackwardIsTheDerivative) {
  constexpr std::int64_t kRows = 2;
  for (const std::int64_t cols : {1, 5, 10, 19}) {
    Values values(7);
    const std::vector<double> x = values.uniforms<double>(kRows * cols, -2, 2);
    const std::vector<double> dy = values.uniforms<double>(kRows * cols, -1, 1);
    const std::vector<std::int32_t> labels = {0, static_cast<std::int32_t>(cols - 1)};
    std::vector<double> y(x.size()), dx(x.size()), loss(kRows);
    const auto expect_near = [&](const std::vector<double>& expected) {
      for (std::size_t i = 0; i < dx.size(); ++i) EXPECT_NEAR(dx[i], expected[i], 1e-9);
    };
    const auto softmax = [&](const std::vector<double>& at) {
      softmax_forward(kRows, cols, at.data(), y.data());
      return y;
    };
    const auto log_softmax = [&](const std::vector<double>& at) {
      log_softmax_forward(kRows, cols, at.data(), y.data());
      return y;
    };
    const auto cross_entropy = [&](const std::vector<double>& at) {
      softmax_cross_entropy_forward(kRows, cols, at.data(), labels.data(), loss.data());
      return loss;
    };
    softmax_backward(kRows, cols, softmax(x).data(), dy.data(), dx.data());
    expect_near(differences(x, dy, softmax));
    log_softmax_backward(kRows, cols, log_softmax(x).data(), dy.data(), dx.data());
    expect_near(differences(x, dy, log_softmax));
    softmax_cross_entropy_backward(kRows, cols, x.data(), labels.data(), 0.5, loss.data(),
                                   dx.data());
    expect_near(differences(x, {0.5, 0.5}, cross_entropy));
  }
}

TEST_P(SoftmaxTest, SameBitsForAnyNumberOfThreads) {
  for (const std::int64_t cols : {10, 1003}) {
    const std::int64_t rows = 100030 / cols;
    Values values(8);
    const std::vector<float> x = values.uniforms<float>(rows * cols, -5, 5);
    const std::vector<std::int32_t> labels = values.integers<std::int32_t>(rows, 0, cols - 1);
    std::vector<float> y(x.size());
    expect_same_bits_for_threads([&] {
      softmax_forward(rows, cols, x.data(), y.data());
      return y;
    });
    expect_same_bits_for_threads([&] {
      softmax_backward(rows, cols, x.data(), x.data(), y.data());
      return y;
    });
    expect_same_bits_for_threads([&] {
      log_softmax_forward(rows, cols, x.data(), y.data());
      return y;
    });
    expect_same_bits_for_threads([&] {
      log_softmax_backward(rows, cols, x.data(), x.data(), y.data());
      return y;
    });
    std::vector<float> loss(static_cast<std::size_t>(rows));
    expect_same_bits_for_threads([&] {
      softmax_cross_entropy_forward(rows, cols, x.data(), labels.data(), loss.data());
      return loss;
    });
    expect_same_bits_for_threads([&] {
      softmax_cross_entropy_backward(rows, cols, x.data(), labels.data(), 1.0f, loss.data(),
                                     y.data());
      std::vector<float> both = loss;
      both.insert(both.end(), y.begin(), y.end());
      return both;
    });
  }
}

TEST(SoftmaxArgumentsTest, BadOnesAreRefused) {
  std::vector<float> x(6), y(6, 3.0f), loss(2);
  expect_invalid_argument([&] { softmax_forward(-2, 3, x.data(), y.data()); },
                          {"softmax_forward", "rows", "-2"});
  expect_invalid_argument([&] { softmax_forward(2, -3, x.data(), y.data()); },
                          {"softmax_forward", "cols", "-3"});
  expect_invalid_argument([&] { softmax_forward<float>(2, 3, nullptr, y.data()); },
                          {"softmax_forward", "x is null", "6"});
  expect_invalid_argument([&] { softmax_backward<float>(2, 3, x.data(), nullptr, y.data()); },
                          {"softmax_backward", "dy is null"});
  expect_invalid_argument([&] { log_softmax_forward<float>(2, 3, x.data(), nullptr); },
                          {"log_softmax_forward", "y is null"});
  expect_invalid_argument([&] { log_softmax_backward<float>(2, 3, nullptr, x.data(), y.data()); },
                          {"log_softmax_backward", "y is null"});
  for (const std::int32_t bad : {-1, 3}) {
    const std::vector<std::int32_t> labels = {0, bad};
    const std::vector<std::string> parts = {"[0, 3)", "labels[1] = " + std::to_string(bad)};
    expect_invalid_argument(
        [&] { softmax_cross_entropy_forward(2, 3, x.data(), labels.data(), loss.data()); }, parts);
    expect_invalid_argument(
        [&] {
          softmax_cross_entropy_backward(2, 3, x.data(), labels.data(), 1.0f, loss.data(),
                                         y.data());
        },
        parts);
  }
  EXPECT_EQ(y, std::vector<float>(6, 3.0f)) << "written before the check";
  expect_invalid_argument(
      [&] { softmax_cross_entropy_forward(2, 3, x.data(), nullptr, loss.data()); },
      {"labels is null"});
  softmax_forward<float>(0, 5, nullptr, nullptr);
  softmax_forward<float>(5, 0, nullptr, nullptr);
  softmax_cross_entropy_forward<float>(0, 5, nullptr, nullptr, nullptr);
}

}  // namespace
}  // namespace nnkernels
