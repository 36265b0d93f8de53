// Which caches nnbench reckons with, on machines that describe them and on those that do not.
#include "bench/memory_levels.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace {

using nnkernels::bench::Cache;
using nnkernels::bench::data_caches;
using nnkernels::bench::memory_levels;
using nnkernels::bench::MemoryLevel;

constexpr std::int64_t kKilobyte = 1 << 10, kMegabyte = 1 << 20;

std::string names(const std::vector<MemoryLevel>& levels) {
  std::string all;
  for (const MemoryLevel& level : levels) all += level.name + ' ';
  return all;
}

TEST(MemoryLevelsTest, CachesThatTheSystemListsCount) {
  const std::vector<Cache> listed = {{1, 48 * kKilobyte, 2}, {2, kMegabyte, 2}};
  EXPECT_EQ(data_caches(listed, {1, 2, 3}), listed);
}

TEST(MemoryLevelsTest, WithoutAListSizesCount) {
  const std::vector<Cache> caches = data_caches({}, {48 * kKilobyte, kMegabyte, 32 * kMegabyte});
  ASSERT_EQ(caches.size(), 3u);
  EXPECT_EQ(caches[0], (Cache{1, 48 * kKilobyte, 1}));
  EXPECT_EQ(caches[1], (Cache{2, kMegabyte, 1}));
  EXPECT_EQ(caches[2].size, 32 * kMegabyte);
  EXPECT_EQ(names(memory_levels(caches, 1)), "L1 L2 L3 memory ");
}

TEST(MemoryLevelsTest, AnL3OfAWholeSocketIsCapped) {
  EXPECT_EQ(data_caches({}, {48 * kKilobyte, kMegabyte, 532676608})[2].size, 64 * kMegabyte);
}

TEST(MemoryLevelsTest, UnknownLevelsAreLeftOut) {
  const std::vector<Cache> caches = data_caches({}, {32 * kKilobyte, kMegabyte, 0});
  EXPECT_EQ(names(memory_levels(caches, 1)), "L1 L2 memory ");
}

TEST(MemoryLevelsTest, WhereNothingIsKnownThereAreDefaults) {
  for (const std::int64_t unknown : {0, -1}) {
    const std::vector<Cache> caches = data_caches({}, {unknown, unknown, unknown});
    ASSERT_EQ(caches.size(), 3u);
    EXPECT_EQ(caches[0].size, 32 * kKilobyte);
    EXPECT_EQ(caches[1].size, 512 * kKilobyte);
    EXPECT_EQ(caches[2].size, 32 * kMegabyte);
  }
}

TEST(MemoryLevelsTest, SharedCachesAreDividedAmongThreads) {
  const std::vector<MemoryLevel> levels =
      memory_levels({{1, 32 * kKilobyte, 1}, {2, 512 * kKilobyte, 1}, {3, 32 * kMegabyte, 4}}, 8);
  ASSERT_EQ(names(levels), "L1 L2 L3 memory ");
  EXPECT_EQ(levels[0].capacity, 8 * 32 * kKilobyte);
  EXPECT_EQ(levels[0].footprint, 8 * 16 * kKilobyte);
  EXPECT_EQ(levels[2].capacity, 2 * 32 * kMegabyte);
  EXPECT_EQ(levels[2].footprint, 2 * 16 * kMegabyte);
  EXPECT_EQ(levels[3].footprint, 128 * kMegabyte);
}

TEST(MemoryLevelsTest, AShareNoLargerThanTheLevelBeforeIsNoLevel) {
  const std::vector<Cache> caches = {{1, 32 * kKilobyte, 1}, {2, kMegabyte, 1}, {3, kMegabyte, 8}};
  EXPECT_EQ(names(memory_levels(caches, 8)), "L1 L2 memory ");
}

TEST(MemoryLevelsTest, ThisMachineHasCaches) {
  EXPECT_GE(nnkernels::bench::largest_cache(), 16 * kKilobyte);
  EXPECT_EQ(nnkernels::bench::level_of(1, 1), "L1");
  EXPECT_EQ(nnkernels::bench::level_of(std::int64_t{1} << 40, 1), "memory");
}

}  // namespace
