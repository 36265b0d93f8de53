// What this machine can do at most: the yardstick that every other figure is compared with.
#ifndef NNKERNELS_BENCH_PEAK_H_
#define NNKERNELS_BENCH_PEAK_H_

#include <cstdint>
#include <functional>
#include <string>

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

/// Work of known amount that runs as fast as the machine can: laid out once, measured as often as
/// wanted, for example between the rounds of a race.
class Yardstick {
 public:
  /// What each member of the crew does. `prepare` allocates and touches its memory, on its CPU;
  /// it is called before every measurement.
  struct Work {
    std::function<void(int thread)> prepare;
    std::function<void(int thread, std::int64_t amount)> perform;
  };

  /// `per_unit`: operations, or bytes, in one unit of `amount`. Finds the amount that takes some
  /// milliseconds, starting from `probe`.
  Yardstick(const Crew& crew, Work work, std::int64_t probe, double per_unit);

  /// Operations, or bytes, a second: the fastest of `rounds` rounds of some milliseconds each.
  double measure(int rounds) const;

 private:
  double fastest_round(std::int64_t amount, int rounds) const;

  Crew crew_;
  Work work_;
  double per_unit_;
  std::int64_t amount_;
};

/// Independent chains of fused multiply-adds in registers, with the instruction set in use
/// (kernels/simd.h), in floating-point operations; an FMA counts as two. Where the instruction set
/// has no FMA, a multiplication and an addition take its place. Throws std::runtime_error if the
/// chains' result is wrong.
Yardstick multiply_add_yardstick(Precision precision, const Crew& crew);

/// Copies with vectors of the instruction set in use between two arrays that together have
/// `footprint` bytes (over all the threads), in bytes read plus bytes written.
Yardstick copy_yardstick(std::int64_t footprint, const Crew& crew);

}  // namespace nnkernels::bench

#endif  // NNKERNELS_BENCH_PEAK_H_
