#include "kernels/batch_norm.h"

#include <algorithm>
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

class BatchNormTest : public EachSimd {};
NNKERNELS_EACH_SIMD(BatchNormTest);

template <class T>
void check(std::int64_t rows, std::int64_t cols, std::int64_t misalignment) {
  SCOPED_TRACE(testing::Message() << rows << "x" << cols << " misalignment " << misalignment);
  Values values(static_cast<std::uint64_t>(rows * 1000 + cols));
  const GuardedArray<T> x(values.uniforms<T>(rows * cols, -1, 1), misalignment);
  const GuardedArray<T> dy(values.uniforms<T>(rows * cols, -1, 1), misalignment);
  const GuardedArray<T> a(values.uniforms<T>(cols, -1, 1)), b(values.uniforms<T>(cols, -1, 1));
  const GuardedArray<T> c(values.uniforms<T>(cols, -1, 1)), mean(values.uniforms<T>(cols, -1, 1));
  const std::vector<T> nothing(static_cast<std::size_t>(rows * cols));
  for (const bool relu : {false, true}) {
    const GuardedArray<T> y(nothing, misalignment);
    scale_shift(rows, cols, a.data(), b.data(), relu, x.data(), y.data());
    ASSERT_TRUE(x.intact() && y.intact());
    for (std::int64_t i = 0; i < rows * cols; ++i) {
      const long double exact = static_cast<long double>(a[i % cols]) * x[i] + b[i % cols];
      ASSERT_NEAR(y[i], relu ? std::max(exact, 0.0L) : exact, gamma<T>(2) * 2);
    }
  }
  const std::vector<T> columns(static_cast<std::size_t>(cols));
  const GuardedArray<T> sum(columns, misalignment), product(columns, misalignment);
  batch_norm_sums(rows, cols, x.data(), mean.data(), dy.data(), sum.data(), product.data());
  ASSERT_TRUE(sum.intact() && product.intact());
  for (std::int64_t j = 0; j < cols; ++j) {
    long double total = 0, products = 0, size = 0;
    for (std::int64_t i = 0; i < rows; ++i) {
      const long double gradient = dy[i * cols + j];
      total += gradient;
      products += gradient * (static_cast<long double>(x[i * cols + j]) - mean[j]);
      size += 2;
    }
    // 256 rows are summed in T.
    ASSERT_NEAR(sum[j], total, gamma<T>(260) * size);
    ASSERT_NEAR(product[j], products, gamma<T>(260) * size);
  }
  const GuardedArray<T> dx(nothing, misalignment);
  batch_norm_dx(rows, cols, x.data(), mean.data(), a.data(), b.data(), c.data(), dy.data(),
                dx.data());
  ASSERT_TRUE(dx.intact());
  for (std::int64_t i = 0; i < rows * cols; ++i) {
    const std::int64_t j = i % cols;
    const long double exact = static_cast<long double>(a[j]) * dy[i] +
                              b[j] * (static_cast<long double>(x[i]) - mean[j]) + c[j];
    ASSERT_NEAR(dx[i], exact, gamma<T>(5) * 4);
  }
}

TEST_P(BatchNormTest, AgreesWithReference) {
  for (const std::int64_t cols : {1, 2, 3, 7, 8, 15, 16, 17, 30, 33, 65}) {
    for (const std::int64_t rows : {1, 3, 4, 5, 9}) {
      check<float>(rows, cols, 0);
      check<float>(rows, cols, 1);
      check<double>(rows, cols, 3);
    }
  }
  check<float>(1031, 30, 1);
  check<double>(0, 4, 0);
}

TEST_P(BatchNormTest, NanStays) {
  std::vector<float> x(20, std::numeric_limits<float>::quiet_NaN()), one(20, 1.0F), y(20);
  scale_shift(1, 20, one.data(), one.data(), true, x.data(), y.data());
  for (const float value : y) EXPECT_TRUE(std::isnan(value));
}

TEST_P(BatchNormTest, SameBitsForAnyNumberOfThreads) {
  constexpr std::int64_t kRows = 20011, kCols = 30;
  Values values(1);
  const auto x = values.uniforms<float>(kRows * kCols, -1, 1);
  const auto dy = values.uniforms<float>(kRows * kCols, -1, 1);
  const auto mean = values.uniforms<float>(kCols, -1, 1);
  expect_same_bits_for_threads([&] {
    std::vector<float> sums(2 * kCols);
    batch_norm_sums(kRows, kCols, x.data(), mean.data(), dy.data(), sums.data(),
                    sums.data() + kCols);
    return sums;
  });
}

TEST(BatchNormArgumentsTest, BadOnesAreRefused) {
  float one = 1;
  expect_invalid_argument([&] { scale_shift(-1, 1, &one, &one, false, &one, &one); },
                          {"scale_shift", "rows", "-1"});
  expect_invalid_argument([&] { scale_shift<float>(1, 1, nullptr, &one, false, &one, &one); },
                          {"scale_shift", "scale is null"});
  expect_invalid_argument([&] { batch_norm_sums<float>(1, 1, &one, &one, nullptr, &one, &one); },
                          {"batch_norm_sums", "dy is null"});
  expect_invalid_argument(
      [&] { batch_norm_dx<float>(1, 1, &one, &one, &one, &one, &one, &one, nullptr); },
      {"batch_norm_dx", "dx is null"});
}

}  // namespace
}  // namespace nnkernels
