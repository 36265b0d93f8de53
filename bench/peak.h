// What this machine can do at most: the yardstick that every other figure is compared with.
#ifndef NNKERNELS_BENCH_PEAK_H_
#define NNKERNELS_BENCH_PEAK_H_

#include <cstdint>
#include <string>
#include <vector>

namespace nnkernels::bench {

enum class Precision { f32, f64 };

/// "f32" or "f64".
const char* name(Precision precision);
/// The inverse of name(). Throws UsageError for any other text.
Precision precision_named(const std::string& text);

/// How the yardsticks are taken: on that many threads at once, each on a CPU of its own if `pin`.
/// They are threads of their own, so that what they reach does not depend on the library's pool.
struct Crew {
  int threads = 1;
  bool pin = true;
};

/// The floating-point operations per second of independent chains of fused multiply-adds in
/// registers, with the instruction set in use (kernels/simd.h); an FMA counts as two. Where the
/// instruction set has no FMA, a multiplication and an addition take its place. Takes about 0.1 s;
/// the fastest of several rounds counts. Throws std::runtime_error if the chains' result is wrong.
double measure_fma_peak(Precision precision, const Crew& crew);

/// The speed of copying within one level of the memory hierarchy.
struct CopySpeed {
  std::string level;            // "L1", "L2", "L3", "DRAM"
  std::int64_t capacity = 0;    // of that level, over all the threads, in bytes
  std::int64_t footprint = 0;   // what was copied from and to, over all the threads
  double bytes_per_second = 0;  // bytes read plus bytes written
};

/// Copies with vectors of the instruction set in use between two arrays that together fill half of
/// each cache, and between two arrays that fit into none. The last entry is always DRAM, with a
/// capacity that nothing exceeds. Takes about 0.1 s a cache and 0.5 s for DRAM.
std::vector<CopySpeed> measure_copy(const Crew& crew);

/// The entry of `speeds` that holds `footprint` bytes.
const CopySpeed& level_of(const std::vector<CopySpeed>& speeds, std::int64_t footprint);

}  // namespace nnkernels::bench

#endif  // NNKERNELS_BENCH_PEAK_H_
