#include "kernels/moments.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "tests/support/each_simd.h"
#include "tests/support/expect.h"
#include "tests/support/guarded_array.h"
#include "tests/support/precision.h"
#include "tests/support/values.h"

namespace nnkernels {
namespace {

class MomentsTest : public EachSimd {};
NNKERNELS_EACH_SIMD(MomentsTest);

/// Columns with means up to `offset` away from zero, against two passes in long double.
template <class T>
void check_moments(std::int64_t rows, std::int64_t cols, double offset, std::int64_t misalignment) {
  SCOPED_TRACE(testing::Message() << rows << " x " << cols << " offset " << offset);
  Values values(static_cast<std::uint64_t>(rows * 1000 + cols));
  std::vector<T> numbers = values.uniforms<T>(rows * cols, -1, 1);
  for (std::int64_t i = 0; i < rows * cols; ++i) {
    numbers[static_cast<std::size_t>(i)] += static_cast<T>(offset * std::cos(i % cols));
  }
  const GuardedArray<T> x(numbers, misalignment);
  const GuardedArray<T> mean(cols, misalignment + 1), variance(cols, misalignment);
  column_moments(rows, cols, x.data(), mean.data(), variance.data());
  ASSERT_TRUE(x.intact() && mean.intact() && variance.intact());
  // Within a piece a sum has 32 roundings; as many pieces as there are are merged, with a few each.
  const double roundings = 40 + 4 * (static_cast<double>(rows) / 32 + 1);
  for (std::int64_t j = 0; j < cols; ++j) {
    long double sum = 0, size = 0, squares = 0;
    for (std::int64_t i = 0; i < rows; ++i) {
      sum += x[i * cols + j];
      size += std::abs(x[i * cols + j]);
    }
    const long double exact = sum / static_cast<long double>(rows);
    for (std::int64_t i = 0; i < rows; ++i) {
      squares += (x[i * cols + j] - exact) * (x[i * cols + j] - exact);
    }
    squares /= static_cast<long double>(rows);
    const double mean_error = gamma<T>(roundings) * static_cast<double>(size) / rows;
    ASSERT_NEAR(mean[j], exact, mean_error) << "column " << j;
    // A mean that is off by e adds e^2 to the squares, and 2 e |x - mean| / sqrt(rows) at worst.
    const double spread = std::sqrt(static_cast<double>(squares));
    ASSERT_NEAR(
        variance[j], squares,
        gamma<T>(roundings) * static_cast<double>(squares) + mean_error * (mean_error + 2 * spread))
        << "column " << j;
  }
}

TEST_P(MomentsTest, AgreeWithTwoPassesInLongDouble) {
  for (std::int64_t cols = 1; cols <= 67; ++cols) {
    for (const std::int64_t rows : {1, 2, 33}) {
      check_moments<float>(rows, cols, 1, cols % 4);
      check_moments<double>(rows, cols, 1, cols % 4);
    }
  }
  for (const std::int64_t rows : {31, 32, 64, 255, 256, 257, 2000}) {
    check_moments<float>(rows, 10, 1, 1);
    check_moments<double>(rows, 70, 1, 1);
  }
}

TEST_P(MomentsTest, KeepTheirDigitsFarFromZero) {
  // The mean of the squares less the square of the mean would have no digit left.
  const std::int64_t rows = 3000;
  std::vector<float> x(static_cast<std::size_t>(rows));
  for (std::int64_t i = 0; i < rows; ++i) {
    x[static_cast<std::size_t>(i)] = 4096 + static_cast<float>(i % 2);
  }
  float mean = 0, variance = 0;
  column_moments<float>(rows, 1, x.data(), &mean, &variance);
  EXPECT_EQ(mean, 4096.5f);
  EXPECT_NEAR(variance, 0.25f, 1e-5f);
  check_moments<float>(3000, 20, 1000, 0);
  check_moments<double>(3000, 20, 1e8, 0);
}

TEST_P(MomentsTest, ConstantColumnsHaveNoVariance) {
  const std::int64_t rows = 512, cols = 5;
  const std::vector<float> x(static_cast<std::size_t>(rows * cols), 3.0f);
  std::vector<float> mean(cols), variance(cols, 1.0f);
  column_moments(rows, cols, x.data(), mean.data(), variance.data());
  EXPECT_EQ(mean, std::vector<float>(cols, 3.0f));
  EXPECT_EQ(variance, std::vector<float>(cols, 0.0f));
}

TEST_P(MomentsTest, NanAndInfinityStayInTheirColumn) {
  constexpr std::int64_t kRows = 300, kCols = 19;
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    std::vector<float> x = Values(3).uniforms<float>(kRows * kCols, -1, 1);
    x[280 * kCols + 17] = bad;
    std::vector<float> mean(kCols), variance(kCols);
    column_moments(kRows, kCols, x.data(), mean.data(), variance.data());
    for (std::int64_t j = 0; j < kCols; ++j) {
      EXPECT_EQ(std::isnan(variance[static_cast<std::size_t>(j)]), j == 17) << "column " << j;
      EXPECT_EQ(std::isfinite(mean[static_cast<std::size_t>(j)]), j != 17) << "column " << j;
    }
  }
}

TEST_P(MomentsTest, SameBitsForAnyNumberOfThreads) {
  constexpr std::int64_t kRows = 1003, kCols = 131;
  const std::vector<float> x = Values(4).uniforms<float>(kRows * kCols, -1, 1);
  expect_same_bits_for_threads([&] {
    std::vector<float> moments(2 * kCols);
    column_moments(kRows, kCols, x.data(), moments.data(), moments.data() + kCols);
    return moments;
  });
}

TEST(MomentsArgumentsTest, BadOnesAreRefused) {
  float one = 1;
  expect_invalid_argument([&] { column_moments(-1, 2, &one, &one, &one); },
                          {"column_moments", "rows", "-1"});
  expect_invalid_argument([&] { column_moments(1, -2, &one, &one, &one); },
                          {"column_moments", "cols", "-2"});
  expect_invalid_argument([&] { column_moments(0, 2, &one, &one, &one); },
                          {"column_moments", "at least one row", "rows = 0"});
  expect_invalid_argument([&] { column_moments<float>(1, 1, nullptr, &one, &one); },
                          {"column_moments", "x is null"});
  expect_invalid_argument([&] { column_moments<float>(1, 1, &one, nullptr, &one); },
                          {"column_moments", "mean is null"});
  expect_invalid_argument([&] { column_moments<float>(1, 1, &one, &one, nullptr); },
                          {"column_moments", "variance is null"});
  column_moments<float>(0, 0, nullptr, nullptr, nullptr);
}

}  // namespace
}  // namespace nnkernels
