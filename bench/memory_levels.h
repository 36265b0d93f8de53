// The caches of this machine, and the memory behind them.
#ifndef NNKERNELS_BENCH_MEMORY_LEVELS_H_
#define NNKERNELS_BENCH_MEMORY_LEVELS_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace nnkernels::bench {

/// A cache that holds data.
struct Cache {
  int level = 1;
  std::int64_t size = 0;     // bytes
  std::int64_t sharing = 1;  // threads that share it

  bool operator==(const Cache&) const = default;
};

/// The data caches to reckon with, from the smallest level on; never empty. `listed` are those that
/// the system describes one by one. If there are none (in some containers and virtual machines),
/// `sizes` count: bytes of L1, L2 and L3 by sysconf(), 0 or less for unknown; L3 is then taken to
/// be shared by all threads and to have at most 64 MB, since where it is larger the number mostly
/// is the sum over a socket, of which one core reaches a part. If that says nothing either, 32 KB,
/// 512 KB and 32 MB.
std::vector<Cache> data_caches(const std::vector<Cache>& listed,
                               const std::array<std::int64_t, 3>& sizes);

/// One level of the memory hierarchy.
struct MemoryLevel {
  std::string name;            // "L1", "L2", "L3", "memory"
  std::int64_t capacity = 0;   // for that many threads together, in bytes
  std::int64_t footprint = 0;  // of a copy that measures this level, over all the threads
};

/// Those of `caches` for that many threads, and the memory behind them, whose capacity nothing
/// exceeds. A copy fills half of a cache, or several times the largest one.
std::vector<MemoryLevel> memory_levels(const std::vector<Cache>& caches, int threads);

/// The same for the caches of this machine.
std::vector<MemoryLevel> memory_levels(int threads);

/// The name of the smallest level of this machine that holds `footprint` bytes.
std::string level_of(std::int64_t footprint, int threads);

/// The size of this machine's largest cache in bytes.
std::int64_t largest_cache();

}  // namespace nnkernels::bench

#endif  // NNKERNELS_BENCH_MEMORY_LEVELS_H_
