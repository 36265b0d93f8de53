// The few columns of C beyond whole vectors, which some instruction sets compute with vectors that
// run down the rows (TileKernels::few_columns).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "kernels/gemm.h"
#include "kernels/gemm_block.h"
#include "kernels/gemm_packed.h"
#include "kernels/gemm_tile.h"
#include "tests/support/each_simd.h"
#include "tests/support/guard_page.h"
#include "tests/support/matrices.h"

namespace nnkernels {
namespace {

class GemmColumnsTest : public EachSimd {};
NNKERNELS_EACH_SIMD(GemmColumnsTest);

struct Ending {
  double alpha = 1, beta = 0;
  bool bias = false, relu = false;
};

/// The kernel by itself, between pages that may not be touched, with the bits of one chain of fused
/// multiply-adds an element.
template <class T>
void check_kernel(std::int64_t rows, std::int64_t cols, std::int64_t k, bool by_rows, Edge edge,
                  const Ending& ending) {
  constexpr std::int64_t kGap = 2;
  const std::int64_t lines = by_rows ? rows : k, length = by_rows ? k : rows;
  const std::int64_t stride = length + kGap, b_step = cols + kGap, c_stride = cols + kGap;
  const GuardPage<T> a(lines * stride - kGap, edge), b(k * b_step - kGap, edge),
      c(rows * c_stride - kGap, edge), bias(cols, edge);
  std::mt19937 random(static_cast<std::uint32_t>(rows * 100 + k));
  std::normal_distribution<double> normal;
  const auto fill = [&](T* to, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) to[i] = static_cast<T>(normal(random));
  };
  for (std::int64_t i = 0; i < lines; ++i) fill(a.data() + i * stride, length);
  for (std::int64_t p = 0; p < k; ++p) fill(b.data() + p * b_step, cols);
  for (std::int64_t i = 0; i < rows && ending.beta != 0; ++i) fill(c.data() + i * c_stride, cols);
  fill(bias.data(), cols);
  std::vector<T> before(c.data(), c.data() + rows * c_stride - kGap);

  detail::MatrixTile<T> tile;
  tile.a = a.data();
  tile.a_row_stride = by_rows ? stride : 1;
  tile.a_step = by_rows ? 1 : stride;
  tile.k = k;
  tile.b = b.data();
  tile.b_step = b_step;
  tile.cols = cols;
  tile.c = c.data();
  tile.c_row_stride = c_stride;
  tile.alpha = static_cast<T>(ending.alpha);
  tile.beta = static_cast<T>(ending.beta);
  tile.bias = ending.bias ? bias.data() : nullptr;
  tile.relu = ending.relu;
  detail::tile_kernels<T>().few_columns(tile, rows);

  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < c_stride && i * c_stride + j < rows * c_stride - kGap; ++j) {
      const T got = c.data()[i * c_stride + j];
      if (j >= cols) {
        ASSERT_TRUE(std::isnan(got)) << "a gap was written";
        continue;
      }
      T want = 0;
      for (std::int64_t p = 0; p < k; ++p) {
        want =
            std::fma(tile.a[i * tile.a_row_stride + p * tile.a_step], tile.b[p * b_step + j], want);
      }
      want *= tile.alpha;
      if (tile.beta != T{0}) {
        want = std::fma(tile.beta, before[static_cast<std::size_t>(i * c_stride + j)], want);
      }
      if (ending.bias) want += bias.data()[j];
      if (ending.relu) want = std::max(want, T{0});
      ASSERT_EQ(got, want) << "C(" << i << ", " << j << ") of " << rows << " x " << cols << " x "
                           << k << (by_rows ? " by rows" : " by columns");
    }
  }
}

template <class T>
void check_kernels() {
  const detail::TileKernels<T>& kernels = detail::tile_kernels<T>();
  const std::int64_t lanes = kernels.lanes;
  ASSERT_EQ(kernels.few_columns == nullptr, kernels.most_few_columns == 0);
  for (std::int64_t cols = 1; cols <= kernels.most_few_columns; ++cols) {
    for (std::int64_t rows = lanes / 2; rows <= 3 * lanes + 1; ++rows) {
      for (const std::int64_t k : {1, 2, 3, 4, 5, 7, 8, 9, 16, 29}) {
        for (const bool by_rows : {true, false}) {
          const Edge edge = (rows + k) % 2 == 0 ? Edge::front : Edge::back;
          check_kernel<T>(rows, cols, k, by_rows, edge, {});
        }
      }
      const Ending endings[] = {{.alpha = 2},
                                {.beta = 1},
                                {.bias = true},
                                {.relu = true},
                                {.alpha = 0.5, .beta = -2, .bias = true, .relu = true}};
      for (const Ending& ending : endings) {
        check_kernel<T>(rows, cols, 11, rows % 2 == 0, Edge::back, ending);
      }
    }
  }
}

TEST_P(GemmColumnsTest, KernelHasTheBitsOfOneChainAnElement) {
  check_kernels<float>();
  check_kernels<double>();
}

/// All layouts: A by rows, by columns, packed, or in no lines; B as it lies or packed.
TEST_P(GemmColumnsTest, ExactForAllLayouts) {
  std::uint32_t seed = 0;
  for (const std::int64_t m : {11, 12, 23, 24, 31, 57, 130}) {
    for (const std::int64_t n : {1, 2, 4, 17, 20, 33, 36, 67, 145}) {
      for (const auto a : {Layout::row_major, Layout::column_major, Layout::scattered}) {
        for (const auto b : {Layout::row_major, Layout::column_major}) {
          for (const std::int64_t k : {20, 67}) {
            check_exactly<float>({.m = m, .n = n, .k = k, .a = a, .b = b}, ++seed);
            check_exactly<double>({.m = m, .n = n, .k = k, .a = a, .b = b, .beta = 2, .bias = true},
                                  ++seed);
          }
        }
      }
    }
  }
}

/// Several tiles at once, blocks of k, of rows and of columns, rows of A that share a set of the
/// cache (packed).
TEST_P(GemmColumnsTest, ExactAcrossBlocks) {
  std::uint32_t seed = 0;
  for (const auto a : {Layout::row_major, Layout::column_major}) {
    for (const auto b : {Layout::row_major, Layout::column_major}) {
      const Case t{.m = 300, .n = 65, .k = 300, .a = a, .b = b};
      check_exactly<float>(t, ++seed);
      check_exactly<double>(t, ++seed);
      check_exactly<float>({.m = 100,
                            .n = 33,
                            .k = 1500,
                            .a = a,
                            .b = b,
                            .alpha = 2,
                            .beta = 1,
                            .bias = true,
                            .activation = Activation::relu},
                           ++seed);
      check_exactly<float>({.m = 40, .n = 3074, .k = 20, .a = a, .b = b}, ++seed);
      check_exactly<float>({.m = 260, .n = 529, .k = 600, .a = a, .b = b}, ++seed);
      // B packed by all threads together; its last panel, of one column, needs memory, too.
      check_exactly<float>({.m = 300, .n = 161, .k = 900, .a = a, .b = b}, ++seed);
      const std::int64_t row = a == Layout::row_major ? 40 : 100;
      check_exactly<float>({.m = 100, .n = 161, .k = 40, .a = a, .b = b, .gap = 1024 - row},
                           ++seed);
    }
  }
}

template <class T>
std::int64_t& rows_of_few_columns() {
  static std::int64_t rows = 0;
  return rows;
}

/// Panels of a packed B as they are for units half as wide as vectors, whichever this CPU has; and
/// that few columns take their own way.
template <class T>
void check_half_panels(std::int64_t cols) {
  detail::TileKernels<T> kernels = detail::tile_kernels<T>();
  if (kernels.max_rows[0] == 0) return;
  kernels.granule = kernels.lanes / 2;
  kernels.few_columns = [](const detail::MatrixTile<T>& tile, std::int64_t rows) {
    rows_of_few_columns<T>() += rows;
    detail::tile_kernels<T>().few_columns(tile, rows);
  };
  rows_of_few_columns<T>() = 0;
  constexpr std::int64_t kRows = 40, kSteps = 50;
  std::vector<T> a(kRows * kSteps), b(static_cast<std::size_t>(kSteps * cols)),
      panels(static_cast<std::size_t>(kSteps * (cols + kernels.columns[2]))),
      c(static_cast<std::size_t>(kRows * cols));
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = static_cast<T>(i * 7 % 11) - T{5};
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = static_cast<T>(i * 5 % 13) - T{6};
  for (std::int64_t j = 0; j < cols;) {
    const std::int64_t width = kernels.columns[kernels.width_for(cols - j, detail::kTwoVectors)];
    kernels.pack(&b[static_cast<std::size_t>(j)], 1, cols, std::min(width, cols - j), width, kSteps,
                 &panels[static_cast<std::size_t>(j * kSteps)]);
    j += width;
  }
  const detail::Block<T> block{.rows = kRows,
                               .cols = cols,
                               .k = kSteps,
                               .a = a.data(),
                               .a_row_stride = kSteps,
                               .a_step = 1,
                               .packed_a = nullptr,
                               .tile_rows = kernels.max_rows[detail::kTwoVectors],
                               .b = panels.data(),
                               .b_row_stride = cols,
                               .widest = detail::kTwoVectors,
                               .c = c.data(),
                               .c_row_stride = cols,
                               .alpha = 1,
                               .beta = 0,
                               .bias = nullptr,
                               .pack_a = false,
                               .b_is_packed = true,
                               .relu = false,
                               .rows_outside = cols % 2 == 0};
  detail::BlockLoops<T>(kernels, block).run();
  const MatrixView<T> a_view(a.data(), kRows, kSteps), b_view(b.data(), kSteps, cols),
      c_view(c.data(), kRows, cols);
  const Reference want = reference<T>(1, a_view, b_view, 0, c_view, nullptr);
  EXPECT_EQ(std::vector<double>(c.begin(), c.end()), want.value) << cols << " columns";
  const std::int64_t few = cols % kernels.lanes, whole = cols - few;
  const bool pays = few > 0 && 4 * few <= kernels.lanes && (whole == 0 || whole * kSteps >= 1024);
  EXPECT_EQ(rows_of_few_columns<T>(), pays ? kRows : 0) << cols << " columns";
}

TEST_P(GemmColumnsTest, ExactForPanelsOfHalfVectors) {
  for (std::int64_t cols = 1; cols <= 120; ++cols) {
    check_half_panels<float>(cols);
    check_half_panels<double>(cols);
  }
}

/// A row of C has the same bits whether alone or among others, and whether operands are packed.
TEST_P(GemmColumnsTest, RowsHaveTheBitsTheyHaveAlone) {
  std::mt19937 random(3);
  std::normal_distribution<double> normal;
  const auto draw = [&] { return normal(random); };
  constexpr std::int64_t kRows = 45, kSteps = 90;
  for (const std::int64_t n : {33, 50, 68, 100}) {
    Matrix<float> a(kRows, kSteps, Layout::row_major, 0, 0),
        a_columns(kRows, kSteps, Layout::column_major, 0, 0), b(kSteps, n, Layout::row_major, 0, 0),
        b_columns(kSteps, n, Layout::column_major, 0, 0);
    a.fill(draw);
    b.fill(draw);
    for (std::int64_t p = 0; p < kSteps; ++p) {
      for (std::int64_t i = 0; i < kRows; ++i) a_columns.view()(i, p) = a.view()(i, p);
      for (std::int64_t j = 0; j < n; ++j) b_columns.view()(p, j) = b.view()(p, j);
    }
    const auto size = static_cast<std::size_t>(kRows * n);
    std::vector<float> alone(size), together(size);
    for (std::int64_t i = 0; i < kRows; ++i) {
      gemm<float>(1, a.view().row_block(i, 1), b.view(), 0,
                  MatrixView<float>(alone.data() + i * n, 1, n));
    }
    const MatrixView<float> c(together.data(), kRows, n);
    for (const MatrixView<float>& a_view : {a.view(), a_columns.view()}) {
      for (const MatrixView<float>& b_view : {b.view(), b_columns.view()}) {
        gemm<float>(1, a_view, b_view, 0, c);
        EXPECT_EQ(together, alone) << n << " columns";
        gemm<float>(1, a_view, PackedMatrix<float>(b_view), 0, c);
        EXPECT_EQ(together, alone) << n << " columns, packed";
      }
    }
  }
}

}  // namespace
}  // namespace nnkernels
