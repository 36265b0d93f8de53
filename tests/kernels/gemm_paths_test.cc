// The ways to compute a product that only some shapes and layouts take.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

#include "kernels/gemm.h"
#include "kernels/gemm_tile.h"
#include "tests/support/each_simd.h"
#include "tests/support/guard_page.h"
#include "tests/support/matrices.h"

namespace nnkernels {
namespace {

using View = MatrixView<float>;

class GemmPathsTest : public EachSimd {};
NNKERNELS_EACH_SIMD(GemmPathsTest);

/// Every tile there is, also those that products on this CPU have no use for: half a vector.
template <class T>
void check_tiles() {
  const detail::TileKernels<T>& kernels = detail::tile_kernels<T>();
  constexpr std::int64_t kK = 35, kStride = 200;
  std::vector<T> a(detail::kMaxTileRows * kK), b(kK * kStride), bias(kStride);
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = static_cast<T>(i * 7 % 11) - T{5};
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = static_cast<T>(i * 5 % 13) - T{6};
  for (std::size_t i = 0; i < bias.size(); ++i) bias[i] = static_cast<T>(i % 3);
  for (std::size_t width = 0; width < detail::kTileWidths; ++width) {
    for (std::int64_t rows = 1; rows <= kernels.max_rows[width]; ++rows) {
      for (const bool masked : {false, true}) {
        const auto run = kernels.matrix_tile[width][static_cast<std::size_t>(rows)][masked];
        ASSERT_EQ(run == nullptr, masked && !kernels.masked) << width << " " << rows;
        if (run == nullptr) continue;
        detail::MatrixTile<T> tile;
        tile.b = b.data();
        tile.b_step = kStride;
        tile.cols = kernels.columns[width] - (masked ? 1 : 0);
        tile.bias = bias.data();
        tile.a = tile.next_a = a.data();
        tile.a_row_stride = kK;
        tile.k = kK;
        std::vector<T> c(static_cast<std::size_t>(rows * kStride), T{-9});
        tile.c = c.data();
        tile.next_c = c.data();
        tile.c_row_stride = kStride;
        run(tile);
        for (std::int64_t i = 0; i < rows; ++i) {
          for (std::int64_t j = 0; j < kStride; ++j) {
            T expected = j < tile.cols ? bias[static_cast<std::size_t>(j)] : T{-9};
            for (std::int64_t p = 0; j < tile.cols && p < kK; ++p) {
              expected += a[static_cast<std::size_t>(i * kK + p)] *
                          b[static_cast<std::size_t>(p * kStride + j)];
            }
            ASSERT_EQ(c[static_cast<std::size_t>(i * kStride + j)], expected)
                << rows << " rows, width " << width << ", C[" << i << "][" << j << "]";
          }
        }
      }
    }
  }
}

TEST_P(GemmPathsTest, EveryTileIsExact) {
  check_tiles<float>();
  check_tiles<double>();
}

/// How columns are shared out among tiles, for units as wide as vectors and half as wide, whichever
/// this CPU has.
TEST_P(GemmPathsTest, TilesCoverAllColumns) {
  detail::TileKernels<float> kernels = detail::tile_kernels<float>();
  const std::int64_t lanes = kernels.lanes;
  for (const bool half : {false, true}) {
    if (half && kernels.max_rows[0] == 0) continue;
    kernels.granule = static_cast<int>(half ? lanes / 2 : lanes);
    for (const std::size_t widest : {std::size_t{1}, detail::kTwoVectors, std::size_t{3},
                                     std::size_t{4}, detail::kTileWidths - 1}) {
      if (kernels.max_rows[widest] == 0) continue;
      for (std::int64_t cols = 1; cols <= 20 * lanes; ++cols) {
        std::int64_t left = cols, narrowest = cols;
        while (left > 0) {
          const std::size_t width = kernels.unpacked_width_for(left, widest);
          ASSERT_LT(width, detail::kTileWidths);
          ASSERT_GT(kernels.max_rows[width], 0);
          const std::int64_t columns = kernels.columns[width];
          ASSERT_LT(columns - left, std::max<std::int64_t>(lanes, 2)) << "a vector without columns";
          narrowest = std::min(narrowest, columns);
          left -= columns;
        }
        if (widest > detail::kTwoVectors && !half && cols > kernels.columns[widest]) {
          EXPECT_GT(narrowest, lanes) << cols << " columns, widest tile " << widest;
        }
      }
    }
  }
}

/// One vector of columns, or less, beyond tiles of 2, 3, 4 and 8 vectors.
TEST_P(GemmPathsTest, ExactForOneVectorBeyondTiles) {
  std::uint32_t seed = 0;
  const std::int64_t lanes = detail::tile_kernels<float>().lanes;
  for (const std::int64_t m : {2, 6, 7, 9, 10, 13, 14, 15, 29, 120}) {
    for (const std::int64_t vectors : {2, 3, 4, 8, 16}) {
      for (const std::int64_t more : {std::int64_t{1}, lanes / 2, lanes / 2 + 1, lanes}) {
        const std::int64_t n = vectors * lanes + more;
        check_exactly<float>({.m = m, .n = n, .k = 40}, ++seed);
        check_exactly<float>(
            {.m = m, .n = n, .k = 70, .a = Layout::column_major, .beta = 2, .bias = true}, ++seed);
        check_exactly<double>({.m = m, .n = n, .k = 11, .gap = 3}, ++seed);
      }
    }
  }
}

/// Few rows times a transposed B: sums along k.
TEST_P(GemmPathsTest, ExactForFewRowsAndColumnsOfB) {
  std::uint32_t seed = 0;
  for (std::int64_t m = 1; m <= 18; ++m) {
    for (const std::int64_t n : {1, 2, 3, 4, 5, 8, 12, 17, 33}) {
      for (const std::int64_t k : {15, 16, 17, 31, 64, 65, 130}) {
        check_exactly<float>({.m = m, .n = n, .k = k, .b = Layout::column_major}, ++seed);
      }
      check_exactly<double>({.m = m, .n = n, .k = 67, .b = Layout::column_major}, ++seed);
      // x itself must be copied, C is neither plain nor row-major.
      check_exactly<float>({.m = m,
                            .n = n,
                            .k = 70,
                            .a = Layout::scattered,
                            .b = Layout::column_major,
                            .c = Layout::scattered,
                            .alpha = 2,
                            .beta = -1,
                            .bias = true,
                            .activation = Activation::relu},
                           ++seed);
    }
  }
}

/// Few columns under rows of A: sums along k.
TEST_P(GemmPathsTest, ExactForFewColumnsAndRowsOfA) {
  std::uint32_t seed = 0;
  for (std::int64_t n = 1; n <= 13; ++n) {
    for (const std::int64_t m : {3, 4, 14, 15, 50}) {
      for (const std::int64_t k : {255, 256, 257, 300}) {
        check_exactly<float>({.m = m, .n = n, .k = k}, ++seed);
      }
      check_exactly<double>({.m = m, .n = n, .k = 131}, ++seed);
      check_exactly<float>(
          {.m = m, .n = n, .k = 260, .alpha = -1, .beta = 2, .bias = true, .gap = 0}, ++seed);
    }
  }
}

/// Few columns under columns of A: vectors along m.
TEST_P(GemmPathsTest, ExactForFewColumnsAndColumnsOfA) {
  std::uint32_t seed = 0;
  for (std::int64_t n = 1; n <= 17; ++n) {
    for (const std::int64_t m : {8, 31, 32, 33, 65, 100, 2100}) {
      for (const std::int64_t gap : {0, 3}) {
        Case t{.m = m, .n = n, .k = 5, .a = Layout::column_major, .gap = gap};
        check_exactly<float>(t, ++seed);
        if (m < 2100) check_exactly<double>(t, ++seed);
        t.b = Layout::column_major;
        t.alpha = 2;
        t.beta = -1;
        t.bias = true;
        t.activation = Activation::relu;
        check_exactly<float>(t, ++seed);
      }
    }
  }
}

/// One to three vectors and more, up to the widest tile, over one to six rows.
TEST_P(GemmPathsTest, ExactForTilesOfFewRows) {
  std::uint32_t seed = 0;
  for (const std::int64_t m : {1, 2, 3, 6}) {
    for (std::int64_t n = 1; n <= 300; n += n < 140 ? 1 : 13) {
      check_exactly<float>({.m = m, .n = n, .k = 18}, ++seed);
      check_exactly<double>({.m = m, .n = n, .k = 9}, ++seed);
    }
  }
}

/// Columns of A that are contiguous: columns of C that would leave lanes of a tile idle are
/// computed with vectors along m, all of them or those behind whole vectors.
TEST_P(GemmPathsTest, ExactForColumnsBeyondWholeVectors) {
  std::uint32_t seed = 0;
  for (const std::int64_t n : {2, 3, 5, 6, 9, 10, 11, 13, 17, 20, 25, 33, 35, 49, 65, 66, 67}) {
    for (const std::int64_t m : {33, 70}) {
      for (const std::int64_t k : {1, 2, 3, 20, 130}) {
        Case t{.m = m, .n = n, .k = k, .a = Layout::column_major, .gap = 2};
        check_exactly<float>(t, ++seed);
        check_exactly<double>(t, ++seed);
        t.alpha = 2;
        t.beta = -1;
        t.bias = true;
        check_exactly<float>(t, ++seed);
        t.c = Layout::scattered;
        check_exactly<double>(t, ++seed);
      }
    }
  }
}

/// A with contiguous columns and the same numbers with contiguous rows, which only tiles compute:
/// the way must not show in the bits.
template <class T>
void check_bits_of_columns(std::int64_t n) {
  const std::int64_t m = 70, k = 50;
  std::mt19937 random(static_cast<std::uint32_t>(n));
  std::normal_distribution<double> normal;
  const auto draw = [&] { return normal(random); };
  Matrix<T> a(m, k, Layout::row_major, 0, 0), turned(m, k, Layout::column_major, 0, 0),
      b(k, n, Layout::row_major, 0, 0), tiled(m, n, Layout::row_major, 0, 0),
      columns(m, n, Layout::row_major, 0, 0);
  a.fill(draw);
  b.fill(draw);
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t p = 0; p < k; ++p) turned.view()(i, p) = a.view()(i, p);
  }
  gemm<T>(T{1}, a.view(), b.view(), T{0}, tiled.view());
  gemm<T>(T{1}, turned.view(), b.view(), T{0}, columns.view());
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      ASSERT_EQ(columns.view()(i, j), tiled.view()(i, j)) << i << ", " << j << " of " << n;
    }
  }
}

TEST_P(GemmPathsTest, ColumnsBeyondWholeVectorsHaveTheBitsOfTiles) {
  for (const std::int64_t n : {13, 17, 20, 33, 34, 65, 66}) {
    check_bits_of_columns<float>(n);
    check_bits_of_columns<double>(n);
  }
}

/// The last two steps of a tile's sums are done for two rows at a time; of one step they are not.
TEST_P(GemmPathsTest, ExactForFewSteps) {
  std::uint32_t seed = 0;
  for (std::int64_t m = 1; m <= 17; ++m) {
    for (const std::int64_t n : {16, 17, 30, 32, 40, 48, 61, 64}) {
      for (const std::int64_t k : {1, 2, 3, 4}) {
        Case t{.m = m, .n = n, .k = k};
        check_exactly<float>(t, ++seed);
        t.bias = true;
        check_exactly<float>(t, ++seed);
        check_exactly<double>(t, ++seed);
      }
    }
  }
}

/// Rows, or columns, of A a multiple of 4096 bytes apart are packed, tile by tile or as a block;
/// many rows have B packed.
TEST_P(GemmPathsTest, ExactWithPackedOperands) {
  std::uint32_t seed = 0;
  for (const std::int64_t m : {29, 100, 300}) {
    for (const std::int64_t n : {130, 200, 290}) {
      for (const std::int64_t k : {20, 1000}) {
        Case t{.m = m, .n = n, .k = k, .gap = 1024 - k};
        check_exactly<float>(t, ++seed);
        t.a = Layout::column_major;
        t.gap = 1024 - m;
        check_exactly<float>(t, ++seed);
        t.gap = 512 - m;
        check_exactly<double>(t, ++seed);
        t.gap = 3;  // packed for narrow tiles, if there are many panels
        check_exactly<float>(t, ++seed);
      }
    }
  }
  // So deep and wide that B is no operand for the L2 cache on any instruction set: groups of
  // panels share a packed A, of one or two blocks of rows.
  constexpr auto kColumns = Layout::column_major;
  check_exactly<float>({.m = 100, .n = 520, .k = 512, .gap = 512}, ++seed);
  check_exactly<float>({.m = 100, .n = 520, .k = 512, .a = kColumns, .gap = 1024 - 100}, ++seed);
  // Columns of more steps than the L1 cache has lines, in one block of rows and in several.
  for (const std::int64_t m : {100, 400, 700}) {
    for (const std::int64_t k : {520, 1030}) {
      check_exactly<float>({.m = m, .n = 390, .k = k, .a = kColumns}, ++seed);
    }
    // Around 1024 bytes, from where on units of whole vectors have them packed.
    for (const std::int64_t more : {0, 1}) {
      check_exactly<float>({.m = m, .n = 520, .k = 256 + more, .a = kColumns, .gap = 3}, ++seed);
      check_exactly<double>({.m = m, .n = 520, .k = 128 + more, .a = kColumns}, ++seed);
    }
  }
  check_exactly<float>({.m = 1030, .n = 520, .k = 512, .gap = 512}, ++seed);
  // Rows of B a multiple of 4096 bytes apart, from fewer tiles on: where depth and rows begin to
  // count, and in two blocks of k.
  for (const std::int64_t m : {111, 112, 125}) {
    for (const std::int64_t k : {383, 384, 1100}) {
      check_exactly<float>(
          {.m = m, .n = 100, .k = k, .a = m == 112 ? kColumns : Layout::row_major, .gap = 924},
          ++seed);
    }
  }
}

/// Products that are not cut, and parts of ones that are: the way must not show in the bits.
TEST_P(GemmPathsTest, SmallProductsHaveTheBitsOfLargeOnes) {
  std::mt19937 random(3);
  std::normal_distribution<double> normal;
  const auto draw = [&] { return normal(random); };
  constexpr std::int64_t kRows = 600;
  for (const Layout b_layout : {Layout::row_major, Layout::column_major}) {
    for (const auto& [n, k] : {std::pair{65, 66}, {100, 40}, {14, 150}, {10, 260}}) {
      // As many rows as a small product has.
      const std::int64_t few = (detail::tile_kernels<float>().small_size - n * k) / (n + k);
      ASSERT_GT(few, 16);
      Matrix<float> a(kRows, k, Layout::row_major, 0, 0), b(k, n, b_layout, 0, 0);
      a.fill(draw);
      b.fill(draw);
      std::vector<float> whole(static_cast<std::size_t>(kRows * n)), parts(whole.size());
      gemm(1.0f, a.view(), b.view(), 0.0f, View(whole.data(), kRows, n));
      for (std::int64_t i = 0; i < kRows; i += few) {
        const std::int64_t rows = std::min(few, kRows - i);
        if (rows <= 16) break;  // which may be summed along k
        gemm(1.0f, a.view().row_block(i, rows), b.view(), 0.0f,
             View(parts.data() + i * n, rows, n));
        for (std::int64_t at = i * n; at < (i + rows) * n; ++at) {
          const auto j = static_cast<std::size_t>(at);
          ASSERT_EQ(parts[j], whole[j]) << n << ", " << k << " at " << at;
        }
      }
    }
  }
}

/// Up to 16 rows by columns of B are summed along k, whether operands are few or not: of the first
/// 8 rows are small with whole AVX-512 units and 16 are not, of the second with units of 256 bits.
TEST_P(GemmPathsTest, FewRowsHaveTheSameBitsOnBothSidesOfSmall) {
  std::mt19937 random(4);
  std::normal_distribution<double> normal;
  constexpr std::int64_t kRows = 16;
  for (const auto& [n, k] : {std::pair{100, 128}, {250, 40}}) {
    Matrix<float> a(kRows, k, Layout::row_major, 0, 0), b(k, n, Layout::column_major, 0, 0);
    a.fill([&] { return normal(random); });
    b.fill([&] { return normal(random); });
    std::vector<float> sixteen(static_cast<std::size_t>(kRows * n)), eight(sixteen.size());
    gemm(1.0f, a.view(), b.view(), 0.0f, View(sixteen.data(), kRows, n));
    for (const std::int64_t i : {0, 8}) {
      gemm(1.0f, a.view().row_block(i, 8), b.view(), 0.0f, View(eight.data() + i * n, 8, n));
    }
    EXPECT_EQ(eight, sixteen) << n << ", " << k;
  }
}

/// Long sums of a small C: pieces of k.
TEST_P(GemmPathsTest, ExactForLongSums) {
  std::uint32_t seed = 0;
  for (const std::int64_t k : {4095, 4096, 9001}) {
    for (const auto layout : {Layout::row_major, Layout::column_major}) {
      check_exactly<float>({.m = 20, .n = 33, .k = k, .a = layout}, ++seed);
      check_exactly<float>({.m = 33, .n = 20, .k = k, .b = layout, .alpha = 2, .beta = -1}, ++seed);
    }
    check_exactly<float>({.m = 18,
                          .n = 19,
                          .k = k,
                          .a = Layout::scattered,
                          .b = Layout::scattered,
                          .c = Layout::scattered,
                          .beta = 1,
                          .bias = true,
                          .activation = Activation::relu},
                         ++seed);
    check_exactly<double>({.m = 17, .n = 18, .k = k, .c = Layout::column_major}, ++seed);
  }
  // The largest such C, and one that is too large.
  check_exactly<float>({.m = 64, .n = 256, .k = 4100}, ++seed);
  check_exactly<float>({.m = 65, .n = 256, .k = 4100}, ++seed);
}

/// Every path reads and writes up to the last element of its operands and not behind it.
TEST_P(GemmPathsTest, StaysWithinTheOperands) {
  std::mt19937 random(1);
  for (const std::int64_t m : {1, 2, 5, 15, 33, 240}) {
    for (const std::int64_t n : {1, 3, 10, 17, 39, 100, 150}) {
      for (const std::int64_t k : {1, 6, 70, 270}) {
        const GuardPage<float> a(m * k), b(k * n), c(m * n);
        for (std::int64_t i = 0; i < m * k; ++i) a.data()[i] = static_cast<float>(random() % 5);
        for (std::int64_t i = 0; i < k * n; ++i) b.data()[i] = static_cast<float>(random() % 5);
        for (const View& a_view : {View(a.data(), m, k), View(a.data(), k, m).transposed()}) {
          for (const View& b_view : {View(b.data(), k, n), View(b.data(), n, k).transposed()}) {
            const View c_view(c.data(), m, n);
            const Reference want = reference<float>(1, a_view, b_view, 0, c_view, nullptr);
            gemm(1.0f, a_view, b_view, 0.0f, c_view);
            const std::vector<double> got(c.data(), c.data() + m * n);
            ASSERT_EQ(got, want.value) << m << " x " << n << " x " << k;
          }
        }
      }
    }
  }
}

/// Columns of A are packed by whole vectors, of which the last may be only partly there.
TEST_P(GemmPathsTest, PackedColumnsOfAAreReadToTheirEndsOnly) {
  constexpr std::int64_t kCols = 800;
  for (const std::int64_t m : {12, 13, 35, 41}) {
    for (const std::int64_t k : {1, 2, 300}) {
      const GuardPage<float> a(m * k), b(k * kCols), c(m * kCols);
      for (std::int64_t i = 0; i < m * k; ++i) a.data()[i] = static_cast<float>(i % m);
      for (std::int64_t i = 0; i < k * kCols; ++i) {
        b.data()[i] = static_cast<float>(i / kCols % 7);
      }
      float sum = 0;
      for (std::int64_t p = 0; p < k; ++p) sum += static_cast<float>(p % 7);
      gemm(1.0f, View(a.data(), k, m).transposed(), View(b.data(), k, kCols), 0.0f,
           View(c.data(), m, kCols));
      for (std::int64_t i = 0; i < m * kCols; ++i) {
        ASSERT_EQ(c.data()[i], static_cast<float>(i / kCols) * sum)
            << m << " x " << k << " at " << i;
      }
    }
  }
}

TEST_P(GemmPathsTest, SameBitsForAnyNumberOfThreads) {
  std::mt19937 random(5);
  std::normal_distribution<double> normal;
  const auto draw = [&] { return normal(random); };
  constexpr auto kColumns = Layout::column_major;
  for (const Case& t :
       {Case{.m = 2, .n = 300, .k = 200, .b = kColumns}, Case{.m = 300, .n = 3, .k = 400},
        Case{.m = 3000, .n = 10, .k = 64, .a = kColumns}, Case{.m = 300, .n = 300, .k = 1024},
        Case{.m = 2, .n = 1000, .k = 300}, Case{.m = 1, .n = 9001, .k = 30},
        Case{.m = 300, .n = 100, .k = 300}, Case{.m = 700, .n = 600, .k = 300},
        Case{.m = 30, .n = 40, .k = 9000, .a = kColumns}, Case{.m = 16, .n = 1024, .k = 800},
        Case{.m = 6, .n = 2048, .k = 3072}, Case{.m = 1, .n = 900, .k = 200, .b = kColumns},
        Case{.m = 300, .n = 161, .k = 900}, Case{.m = 120, .n = 1024, .k = 400},
        Case{.m = 1040, .n = 1100, .k = 256}, Case{.m = 90, .n = 99, .k = 90, .a = kColumns}}) {
    SCOPED_TRACE(str(t));
    Matrix<float> a(t.m, t.k, t.a, 0, 0), b(t.k, t.n, t.b, 0, 0);
    a.fill(draw);
    b.fill(draw);
    std::vector<float> first;
    for (const int count : {1, 2, 3, 8}) {
      const ForceThreads force(count);
      std::vector<float> c(static_cast<std::size_t>(t.m * t.n));
      gemm(1.0f, a.view(), b.view(), 0.0f, MatrixView<float>(c.data(), t.m, t.n));
      if (first.empty()) first = c;
      EXPECT_EQ(c, first) << count << " threads";
    }
  }
}

}  // namespace
}  // namespace nnkernels
