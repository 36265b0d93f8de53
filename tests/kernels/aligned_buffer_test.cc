#include "kernels/aligned_buffer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

namespace nnkernels {
namespace {

TEST(AlignedBuffer, StartsOnACacheLineOrAHugePage) {
  // Around the sizes at which the alignment, and the number of huge pages, change.
  for (const std::int64_t size : {1, 63, 1 << 20, (1 << 20) + 1, 3 << 20, (3 << 20) + 1, 5 << 20}) {
    AlignedBuffer<std::uint8_t> buffer(size);
    const auto address = reinterpret_cast<std::uintptr_t>(buffer.data());
    EXPECT_EQ(address % kAlignment, 0U);
    EXPECT_EQ(address % (size > 1 << 20 ? 2 << 20 : 1), 0U) << size;
    std::fill_n(buffer.data(), size, std::uint8_t{7});
    EXPECT_EQ(buffer.data()[size - 1], 7);
    buffer = AlignedBuffer<std::uint8_t>(2 * size);
    std::fill_n(buffer.data(), 2 * size, std::uint8_t{8});
  }
}

TEST(AlignedBuffer, RefusesSizesThatNoMemoryHolds) {
  EXPECT_THROW(AlignedBuffer<double>{-1}, std::bad_array_new_length);
  EXPECT_THROW(AlignedBuffer<double>{std::numeric_limits<std::int64_t>::max()},
               std::bad_array_new_length);
}

TEST(AlignedBuffer, HugePagesChangeNoData) {
  std::vector<std::uint32_t> values(5 << 18);
  std::iota(values.begin(), values.end(), 0U);
  use_huge_pages(values.data(), values.size() * sizeof(values[0]));
  use_huge_pages(values.data(), 1);
  use_huge_pages(nullptr, 0);
  for (std::uint32_t i = 0; i < values.size(); ++i) ASSERT_EQ(values[i], i);
}

}  // namespace
}  // namespace nnkernels
