// How operands are copied into panels: TileKernels::pack, and by whom.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/gemm.h"
#include "kernels/gemm_tile.h"
#include "kernels/loop_record.h"
#include "kernels/matrix_view.h"
#include "tests/support/each_simd.h"
#include "tests/support/guard_page.h"

namespace nnkernels {
namespace {

class GemmPackTest : public EachSimd {};
NNKERNELS_EACH_SIMD(GemmPackTest);

/// Lines with gaps, between pages that may not be touched, into a panel that ends where they do.
template <class T>
void check_pack(std::int64_t count, std::int64_t width, std::int64_t k, std::int64_t gap,
                bool along_lines, Edge edge) {
  // A line is contiguous, or a step of all lines is.
  const std::int64_t long_stride = (along_lines ? k : count) + gap;
  const std::int64_t line_stride = along_lines ? long_stride : 1;
  const std::int64_t step_stride = along_lines ? 1 : long_stride;
  const std::int64_t size = (count - 1) * line_stride + (k - 1) * step_stride + 1;
  const GuardPage<T> source(size, edge), panel(width * k, edge);
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::int64_t p = 0; p < k; ++p) {
      source.data()[i * line_stride + p * step_stride] = static_cast<T>(1 + i * 1000 + p);
    }
  }
  detail::tile_kernels<T>().pack(source.data(), line_stride, step_stride, count, width, k,
                                 panel.data());
  for (std::int64_t p = 0; p < k; ++p) {
    for (std::int64_t i = 0; i < width; ++i) {
      const T want = i < count ? static_cast<T>(1 + i * 1000 + p) : T{0};
      ASSERT_EQ(panel.data()[p * width + i], want)
          << "line " << i << " of " << count << ", step " << p << " of " << k << ", width " << width
          << (along_lines ? ", along lines" : ", along steps");
    }
  }
}

template <class T>
void check_packs() {
  const std::int64_t lanes = detail::tile_kernels<T>().lanes;
  for (std::int64_t count = 1; count <= 2 * lanes + 1; ++count) {
    for (const std::int64_t k : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33}) {
      for (const bool along_lines : {true, false}) {
        const Edge edge = (count + k) % 2 == 0 ? Edge::front : Edge::back;
        check_pack<T>(count, count, k, 3, along_lines, edge);
        check_pack<T>(count, (count + lanes - 1) / lanes * lanes, k, 0, along_lines, edge);
      }
    }
    // Lines that share a set of the L1 cache.
    check_pack<T>(count, count, 9, 4096 / std::int64_t{sizeof(T)} - 9, true, Edge::back);
  }
}

TEST_P(GemmPackTest, ExactForAnyLines) {
  check_packs<float>();
  check_packs<double>();
}

/// Columns of A a multiple of 4096 bytes apart, so that rows are packed, eight blocks of them; all
/// columns of C are one group, so that each thread packs for itself, and is cut into parts that
/// share what it packed.
TEST_P(GemmPackTest, EachThreadPacksTheRowsOfItsPieces) {
  constexpr std::int64_t kRows = 4096, kCols = 520, kDepth = 256;
  const auto a_at = [](std::int64_t i, std::int64_t p) { return (i * 7 + p * 3) % 13 - 6; };
  const auto b_at = [](std::int64_t p, std::int64_t j) { return (p * 5 + j) % 11 - 5; };
  std::vector<float> a(kRows * kDepth), b(kDepth * kCols), c(kRows * kCols);
  for (std::int64_t p = 0; p < kDepth; ++p) {
    for (std::int64_t i = 0; i < kRows; ++i) {
      a[static_cast<std::size_t>(p * kRows + i)] = static_cast<float>(a_at(i, p));
    }
    for (std::int64_t j = 0; j < kCols; ++j) {
      b[static_cast<std::size_t>(p * kCols + j)] = static_cast<float>(b_at(p, j));
    }
  }
  for (const int count : {1, 3}) {
    SCOPED_TRACE(count);
    const ForceThreads force(count);
    std::fill(c.begin(), c.end(), -1.0f);
    std::vector<detail::LoopRecord> loops;
    detail::record_loops(&loops);
    gemm(1.0f, MatrixView<const float>(a.data(), kRows, kDepth, 1, kRows),
         MatrixView<const float>(b.data(), kDepth, kCols), 0.0f,
         MatrixView<float>(c.data(), kRows, kCols));
    detail::record_loops(nullptr);
    ASSERT_FALSE(loops.empty());
    EXPECT_EQ(loops.back().pieces, 32);
    for (std::int64_t i = 0; i < kRows; i += 61) {
      for (std::int64_t j = 0; j < kCols; ++j) {
        std::int64_t sum = 0;
        for (std::int64_t p = 0; p < kDepth; ++p) sum += a_at(i, p) * b_at(p, j);
        ASSERT_EQ(c[static_cast<std::size_t>(i * kCols + j)], static_cast<float>(sum))
            << "row " << i << ", column " << j;
      }
    }
  }
}

}  // namespace
}  // namespace nnkernels
