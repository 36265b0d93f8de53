#include "kernels/vector.h"

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

class VectorTest : public EachSimd {};
NNKERNELS_EACH_SIMD(VectorTest);

template <class T>
void check_move_towards(std::int64_t size, std::int64_t misalignment) {
  Values values(static_cast<std::uint64_t>(size) + 7);
  const std::vector<T> start = values.uniforms<T>(size, -1, 1);
  const GuardedArray<T> x(values.uniforms<T>(size, -1, 1), misalignment), y(start, 1);
  const T alpha = T{0.25};
  move_towards(size, alpha, x.data(), y.data());
  ASSERT_TRUE(x.intact() && y.intact());
  for (std::int64_t i = 0; i < size; ++i) {
    const long double from = start[static_cast<std::size_t>(i)];
    ASSERT_NEAR(y[i], from + 0.25L * (x[i] - from), gamma<T>(3) * 2);
  }
}

template <class T>
void check_axpy_and_scale(std::int64_t size, std::int64_t misalignment) {
  SCOPED_TRACE(testing::Message() << "size " << size << " misalignment " << misalignment);
  Values values(static_cast<std::uint64_t>(size));
  const GuardedArray<T> x(values.uniforms<T>(size, -1, 1), misalignment);
  const std::vector<T> old = values.uniforms<T>(size, -1, 1);
  const GuardedArray<T> y(old, 2 * misalignment);
  const T alpha = T{0.7};
  axpy(size, alpha, x.data(), y.data());
  ASSERT_TRUE(x.intact() && y.intact());
  for (std::int64_t i = 0; i < size; ++i) {
    const long double before = old[static_cast<std::size_t>(i)];
    const long double product = static_cast<long double>(alpha) * x[i];
    ASSERT_NEAR(y[i], before + product, gamma<T>(2) * (std::abs(before) + std::abs(product)));
    T alone = old[static_cast<std::size_t>(i)];
    axpy(1, alpha, &x[i], &alone);
    ASSERT_EQ(y[i], alone);
  }
  const std::vector<T> x_values = x.values();
  scale(size, alpha, x.data());
  ASSERT_TRUE(x.intact());
  for (std::int64_t i = 0; i < size; ++i) {
    ASSERT_EQ(x[i], alpha * x_values[static_cast<std::size_t>(i)]);
  }
  // x may be y.
  const std::vector<T> halves = values.integers<T>(size, -100, 100);
  const GuardedArray<T> twice(halves, misalignment);
  axpy(size, T{1}, twice.data(), twice.data());
  for (std::int64_t i = 0; i < size; ++i) {
    ASSERT_EQ(twice[i], 2 * halves[static_cast<std::size_t>(i)]);
  }
}

TEST_P(VectorTest, AxpyAndScale) {
  for (std::int64_t size = 0; size <= 67; ++size) {
    for (const std::int64_t misalignment : {0, 1, 3}) {
      check_axpy_and_scale<float>(size, misalignment);
      check_axpy_and_scale<double>(size, misalignment);
      check_move_towards<float>(size, misalignment);
      check_move_towards<double>(size, misalignment);
    }
  }
  check_axpy_and_scale<float>(40001, 1);
  check_axpy_and_scale<double>(40001, 1);
}

TEST_P(VectorTest, ScaleByZeroKeepsNanAndInfinity) {
  std::vector<float> x(20, std::numeric_limits<float>::infinity());
  x[3] = std::numeric_limits<float>::quiet_NaN();
  scale(20, 0.0f, x.data());
  for (const float v : x) EXPECT_TRUE(std::isnan(v));
}

/// Exact for small integers, whatever the order of the sum.
template <class T>
void check_rows_and_columns(std::int64_t rows, std::int64_t cols, std::int64_t misalignment) {
  SCOPED_TRACE(testing::Message() << rows << " x " << cols << " + " << misalignment);
  Values values(static_cast<std::uint64_t>(rows * 100 + cols));
  const std::vector<T> old = values.integers<T>(rows * cols, -50, 50);
  const GuardedArray<T> x(old, misalignment);
  const GuardedArray<T> bias(values.integers<T>(cols, -50, 50), misalignment + 1);
  const GuardedArray<T> sum(cols, misalignment);
  const GuardedArray<T> pieces(cols, misalignment + 1);
  column_sums(rows, cols, x.data(), sum.data());
  sum_pieces(rows, cols, x.data(), pieces.data());
  add_bias(rows, cols, bias.data(), x.data());
  ASSERT_TRUE(x.intact() && bias.intact() && sum.intact() && pieces.intact());
  for (std::int64_t j = 0; j < cols; ++j) {
    T expected = 0;
    for (std::int64_t i = 0; i < rows; ++i) {
      const T before = old[static_cast<std::size_t>(i * cols + j)];
      expected += before;
      ASSERT_EQ(x[i * cols + j], before + bias[j]);
    }
    ASSERT_EQ(sum[j], expected);
    ASSERT_EQ(pieces[j], expected);
  }
}

TEST_P(VectorTest, BiasAndSumsAreExactOnIntegers) {
  for (std::int64_t cols = 0; cols <= 67; ++cols) {
    for (const std::int64_t rows : {0, 1, 2, 5}) {
      check_rows_and_columns<float>(rows, cols, cols % 4);
      check_rows_and_columns<double>(rows, cols, cols % 4);
    }
  }
  for (const std::int64_t rows : {255, 256, 257, 513}) {
    check_rows_and_columns<float>(rows, 10, 1);
    check_rows_and_columns<double>(rows, 70, 1);
  }
  check_rows_and_columns<float>(30, 1000, 1);
}

template <class T>
void check_order_of_sums() {
  constexpr std::int64_t kRows = 600, kCols = 83;
  Values values(5);
  const std::vector<T> x = values.uniforms<T>(kRows * kCols, -1, 1);
  std::vector<T> sum(kCols), pieces(kCols);
  column_sums(kRows, kCols, x.data(), sum.data());
  sum_pieces(kRows, kCols, x.data(), pieces.data());
  for (std::int64_t j = 0; j < kCols; ++j) {
    T total = 0, in_order = 0;
    for (std::int64_t first = 0; first < kRows; first += 256) {
      T part = 0;
      for (std::int64_t i = first; i < std::min<std::int64_t>(kRows, first + 256); ++i) {
        part += x[static_cast<std::size_t>(i * kCols + j)];
        in_order += x[static_cast<std::size_t>(i * kCols + j)];
      }
      total += part;
    }
    EXPECT_EQ(sum[static_cast<std::size_t>(j)], total);
    EXPECT_EQ(pieces[static_cast<std::size_t>(j)], in_order);
  }
}

TEST_P(VectorTest, SumsRunInTheDocumentedOrder) {
  check_order_of_sums<float>();
  check_order_of_sums<double>();
}

template <class T>
void check_from_bytes() {
  std::vector<std::uint8_t> all(256);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint8_t>(i);
  const T scale = T{1} / 255, shift = T{-0.1307};
  std::vector<T> expected(all.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    from_bytes(1, scale, shift, &all[i], &expected[i]);
    const long double exact = static_cast<long double>(scale) * static_cast<long double>(i) + shift;
    ASSERT_NEAR(expected[i], exact, gamma<T>(2) * 1.14);
  }
  for (std::int64_t size = 0; size <= 256; ++size) {
    const GuardedArray<std::uint8_t> x(std::vector<std::uint8_t>(all.begin(), all.begin() + size),
                                       size % 5);
    const GuardedArray<T> y(size, size % 3);
    from_bytes(size, scale, shift, x.data(), y.data());
    ASSERT_TRUE(x.intact() && y.intact());
    ASSERT_TRUE(same_bits(y.values(), {expected.begin(), expected.begin() + size}));
  }
  std::vector<T> plain(all.size());
  from_bytes(256, T{1}, T{0}, all.data(), plain.data());
  for (std::size_t i = 0; i < all.size(); ++i) ASSERT_EQ(plain[i], static_cast<T>(i));
}

TEST_P(VectorTest, FromBytes) {
  check_from_bytes<float>();
  check_from_bytes<double>();
}

TEST_P(VectorTest, SameBitsForAnyNumberOfThreads) {
  constexpr std::int64_t kSize = 100003;
  constexpr std::int64_t kCols = 331;
  constexpr std::int64_t kRows = kSize / kCols;
  Values values(6);
  const std::vector<float> x = values.uniforms<float>(kSize, -1, 1);
  const std::vector<float> start = values.uniforms<float>(kSize, -1, 1);
  const std::vector<std::uint8_t> bytes = values.integers<std::uint8_t>(kSize, 0, 255);
  expect_same_bits_for_threads([&] {
    std::vector<float> y = start;
    axpy(kSize, 0.3f, x.data(), y.data());
    scale(kSize, 0.3f, y.data());
    add_bias(kRows, kCols, x.data(), y.data());
    return y;
  });
  expect_same_bits_for_threads([&] {
    std::vector<float> sums(2 * kCols);
    column_sums(kRows, kCols, x.data(), sums.data());
    sum_pieces(kRows, kCols, x.data(), sums.data() + kCols);
    return sums;
  });
  expect_same_bits_for_threads([&] {
    std::vector<float> y(kSize);
    from_bytes(kSize, 0.3f, 0.1f, bytes.data(), y.data());
    return y;
  });
}

TEST(VectorArgumentsTest, BadOnesAreRefused) {
  float one = 1;
  const std::uint8_t byte = 1;
  expect_invalid_argument([&] { axpy(-1, 1.0f, &one, &one); }, {"axpy", "size", "-1"});
  expect_invalid_argument([&] { axpy<float>(4, 1.0f, nullptr, &one); }, {"axpy", "x is null", "4"});
  expect_invalid_argument([&] { scale<float>(4, 1.0f, nullptr); }, {"scale", "x is null"});
  expect_invalid_argument([&] { add_bias(-1, 2, &one, &one); }, {"add_bias", "rows", "-1"});
  expect_invalid_argument([&] { add_bias(1, -2, &one, &one); }, {"add_bias", "cols", "-2"});
  expect_invalid_argument([&] { add_bias<float>(1, 1, nullptr, &one); },
                          {"add_bias", "bias is null"});
  expect_invalid_argument([&] { column_sums<float>(2, 3, nullptr, &one); },
                          {"column_sums", "x is null", "6"});
  expect_invalid_argument([&] { column_sums<float>(0, 3, nullptr, nullptr); },
                          {"column_sums", "sum is null"});
  expect_invalid_argument([&] { sum_pieces(-1, 3, &one, &one); }, {"sum_pieces", "count", "-1"});
  expect_invalid_argument([&] { from_bytes<float>(3, 1, 0, &byte, nullptr); },
                          {"from_bytes", "y is null"});
  expect_invalid_argument([&] { move_towards<float>(4, 1.0f, nullptr, &one); },
                          {"move_towards", "x is null", "4"});
  axpy<float>(0, 1, nullptr, nullptr);
  scale<float>(0, 1, nullptr);
  add_bias<float>(0, 3, nullptr, nullptr);
  column_sums<float>(3, 0, nullptr, nullptr);
  from_bytes<float>(0, 1, 0, nullptr, nullptr);
}

}  // namespace
}  // namespace nnkernels
