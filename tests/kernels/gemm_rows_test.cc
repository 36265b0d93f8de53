// Few rows of A times a large B, of which whole rows are read.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

#include "kernels/gemm.h"
#include "kernels/gemm_tile.h"
#include "tests/support/each_simd.h"
#include "tests/support/guard_page.h"
#include "tests/support/matrices.h"

namespace nnkernels {
namespace {

using View = MatrixView<float>;

class GemmRowsTest : public EachSimd {};
NNKERNELS_EACH_SIMD(GemmRowsTest);

/// One to three rows times a B beyond the L1 cache: one tile as wide as C, or whole rows of B added
/// to sums in a cache. k lets each number of rows in one pass occur, and more than one block of k.
TEST_P(GemmRowsTest, ExactForFewRowsOfALargeB) {
  std::uint32_t seed = 0;
  for (const std::int64_t m : {1, 2, 3}) {
    for (std::int64_t n = 1; n <= 1100; n += n < 131 ? 1 : 97) {
      const std::int64_t k = 9000 / n + 1;
      check_exactly<float>({.m = m, .n = n, .k = k}, ++seed);
      check_exactly<double>({.m = m, .n = n, .k = k}, ++seed);
    }
    for (const std::int64_t n : {5, 100, 128, 130, 333}) {
      for (const std::int64_t k : {1023, 2060}) {
        Case t{.m = m, .n = n, .k = k, .alpha = 2, .beta = -1, .bias = true};
        check_exactly<float>(t, ++seed);
        t.a = Layout::scattered;
        t.activation = Activation::relu;
        check_exactly<float>(t, ++seed);
        check_exactly<double>(t, ++seed);
        t.c = Layout::scattered;
        check_exactly<float>(t, ++seed);
      }
    }
  }
  check_exactly<float>({.m = 2, .n = 9001, .k = 5, .gap = 0}, ++seed);
}

/// B with rows 4096 bytes apart, and large enough to be read in whole rows.
template <class T>
Case rows_that_share_a_set(std::int64_t m) {
  constexpr auto kSize = static_cast<std::int64_t>(sizeof(T));
  constexpr std::int64_t kGap = 3, kCols = 4096 / kSize - kGap;
  const std::int64_t k = detail::tile_kernels<T>().streamed_bytes[1] / (kCols * kSize) + 1;
  return {.m = m, .n = kCols, .k = k, .beta = 1, .bias = true, .gap = kGap};
}

/// More rows take the same way if B is large and its rows share a set of the L1 cache.
TEST_P(GemmRowsTest, ExactForRowsOfBThatShareASet) {
  std::uint32_t seed = 0;
  for (const std::int64_t m : {4, 5, 6, 7, 16, 17}) {
    Case t = rows_that_share_a_set<float>(m);
    check_exactly<float>(t, ++seed);
    if (m != 4 && m != 7) continue;
    t.a = Layout::column_major;
    check_exactly<float>(t, ++seed);
    check_exactly<double>(rows_that_share_a_set<double>(m), ++seed);
  }
}

/// Whether few rows of A or many: the way must not show in the bits, nor the cut into blocks of k.
TEST_P(GemmRowsTest, FewRowsHaveTheBitsOfTiles) {
  std::mt19937 random(7);
  std::normal_distribution<double> normal;
  const auto draw = [&] { return normal(random); };
  constexpr std::int64_t kRows = 40;
  for (const std::int64_t n : {20, 100, 300}) {
    for (const std::int64_t k : {100, 1500}) {
      Matrix<float> a(kRows, k, Layout::row_major, 0, 0), b(k, n, Layout::row_major, 0, 0),
          tiled(kRows, n, Layout::row_major, 0, 0), few(kRows, n, Layout::row_major, 0, 0);
      std::vector<float> bias(static_cast<std::size_t>(n));
      a.fill(draw);
      b.fill(draw);
      tiled.fill(draw);
      for (float& x : bias) x = static_cast<float>(draw());
      for (std::int64_t i = 0; i < kRows; ++i) {
        for (std::int64_t j = 0; j < n; ++j) few.view()(i, j) = tiled.view()(i, j);
      }
      const Epilogue<float> epilogue{bias.data(), Activation::tanh};
      gemm<float>(1.5f, a.view(), b.view(), 0.7f, tiled.view(), epilogue);
      for (std::int64_t i = 0, m = 1; i < kRows; i += m, m = m % 3 + 1) {
        m = std::min(m, kRows - i);
        gemm<float>(1.5f, a.view().row_block(i, m), b.view(), 0.7f, few.view().row_block(i, m),
                    epilogue);
      }
      for (std::int64_t i = 0; i < kRows; ++i) {
        for (std::int64_t j = 0; j < n; ++j) {
          ASSERT_EQ(few.view()(i, j), tiled.view()(i, j))
              << i << ", " << j << " of " << n << ", " << k;
        }
      }
    }
  }
}

/// Whole rows of a large B, for so many rows of A that these take turns.
TEST_P(GemmRowsTest, RowsOfALargeBAreReadToTheirEndsOnly) {
  constexpr std::int64_t kRows = 5, kCols = 1001;
  const std::int64_t depth =
      detail::tile_kernels<float>().streamed_bytes[0] / (kCols * std::int64_t{sizeof(float)}) + 1;
  const GuardPage<float> a(kRows * depth), b(depth * kCols), c(kRows * kCols);
  std::fill_n(a.data(), kRows * depth, 2.0f);
  std::fill_n(b.data(), depth * kCols, 3.0f);
  gemm(1.0f, View(a.data(), kRows, depth), View(b.data(), depth, kCols), 0.0f,
       View(c.data(), kRows, kCols));
  EXPECT_EQ(std::vector<float>(c.data(), c.data() + kRows * kCols),
            std::vector<float>(kRows * kCols, 6.0f * static_cast<float>(depth)));
}

/// B read in whole rows for few rows of A, in tiles for many; 4096 bytes apart, and not.
TEST_P(GemmRowsTest, RowsOfALargeBHaveTheBitsOfTiles) {
  std::mt19937 random(11);
  std::uniform_real_distribution<float> uniform(-1, 1);
  constexpr std::int64_t kMany = 17, kFew = 7;
  for (const std::int64_t n : {1024, 1030}) {
    const std::int64_t k =
        detail::tile_kernels<float>().streamed_bytes[n == 1024 ? 1 : 0] / (n * 4) + 1;
    Matrix<float> a(kMany, k, Layout::row_major, 0, 0), b(k, n, Layout::row_major, 0, 0);
    a.fill([&] { return uniform(random); });
    b.fill([&] { return uniform(random); });
    std::vector<float> many(static_cast<std::size_t>(kMany * n)), few(many.size());
    gemm(1.0f, a.view(), b.view(), 0.0f, MatrixView<float>(many.data(), kMany, n));
    for (std::int64_t i = 0; i < kMany; i += kFew) {
      const std::int64_t rows = std::min(kFew, kMany - i);
      gemm(1.0f, a.view().row_block(i, rows), b.view(), 0.0f,
           MatrixView<float>(few.data() + i * n, rows, n));
    }
    EXPECT_EQ(few, many) << n;
  }
}

}  // namespace
}  // namespace nnkernels
