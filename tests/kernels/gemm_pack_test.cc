// How operands are copied into panels (TileKernels::pack).
#include <gtest/gtest.h>

#include <cstdint>

#include "kernels/gemm_tile.h"
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

}  // namespace
}  // namespace nnkernels
