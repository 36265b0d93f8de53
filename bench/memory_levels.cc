#include "bench/memory_levels.h"

#include <benchmark/benchmark.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <limits>

namespace nnkernels::bench {
namespace {

constexpr std::int64_t kKilobyte = 1 << 10, kMegabyte = 1 << 20;
constexpr std::int64_t kMostL3 = 64 * kMegabyte;
constexpr std::int64_t kAllThreads = 1 << 20;

/// What the system lists. Caches of instructions are of no interest here.
std::vector<Cache> listed_caches() {
  std::vector<Cache> caches;
  for (const auto& cache : benchmark::CPUInfo::Get().caches) {
    if (cache.type == "Instruction" || cache.size <= 0) continue;
    caches.push_back({cache.level, cache.size, std::max(1, cache.num_sharing)});
  }
  return caches;
}

const std::vector<Cache>& machine_caches() {
  static const std::vector<Cache> caches =
      data_caches(listed_caches(), {sysconf(_SC_LEVEL1_DCACHE_SIZE), sysconf(_SC_LEVEL2_CACHE_SIZE),
                                    sysconf(_SC_LEVEL3_CACHE_SIZE)});
  return caches;
}

std::int64_t largest(const std::vector<Cache>& caches) {
  std::int64_t size = 0;
  for (const Cache& cache : caches) size = std::max(size, cache.size);
  return size;
}

}  // namespace

std::vector<Cache> data_caches(const std::vector<Cache>& listed,
                               const std::array<std::int64_t, 3>& sizes) {
  if (!listed.empty()) return listed;
  std::vector<Cache> caches;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] <= 0) continue;
    const int level = static_cast<int>(i) + 1;
    if (level < 3) {
      caches.push_back({level, sizes[i], 1});
    } else {
      caches.push_back({level, std::min(sizes[i], kMostL3), kAllThreads});
    }
  }
  if (!caches.empty()) return caches;
  return {{1, 32 * kKilobyte, 1}, {2, 512 * kKilobyte, 1}, {3, 32 * kMegabyte, kAllThreads}};
}

std::vector<MemoryLevel> memory_levels(const std::vector<Cache>& caches, int threads) {
  std::vector<MemoryLevel> levels;
  std::int64_t largest_copied = 0;  // footprint on one thread so far
  for (const Cache& cache : caches) {
    const std::int64_t sharers = std::min<std::int64_t>(threads, cache.sharing);
    const std::int64_t footprint = cache.size / 2 / sharers;
    // A share of a big cache that fits into the smaller one would measure the smaller one.
    if (footprint <= 2 * largest_copied) continue;
    largest_copied = footprint;
    levels.push_back({"L" + std::to_string(cache.level),
                      cache.size * ((threads + cache.sharing - 1) / cache.sharing),
                      footprint * threads});
  }
  levels.push_back({"memory", std::numeric_limits<std::int64_t>::max(),
                    std::clamp<std::int64_t>(4 * largest(caches), 64 << 20, 512 << 20)});
  return levels;
}

std::vector<MemoryLevel> memory_levels(int threads) {
  return memory_levels(machine_caches(), threads);
}

std::string level_of(std::int64_t footprint, int threads) {
  const std::vector<MemoryLevel> levels = memory_levels(threads);
  return std::find_if(levels.begin(), levels.end() - 1,
                      [footprint](const MemoryLevel& level) { return footprint <= level.capacity; })
      ->name;
}

std::int64_t largest_cache() { return largest(machine_caches()); }

}  // namespace nnkernels::bench
