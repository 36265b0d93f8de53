// Races: several ways to do the same work, timed in turn so that all meet the same conditions.
#ifndef NNKERNELS_BENCH_RACE_H_
#define NNKERNELS_BENCH_RACE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "bench/runner.h"

namespace nnkernels::bench {

/// One that takes part. It lives as long as the races, since a library may bind the thread that
/// calls it to a CPU, once and for all.
struct Contestant {
  std::string name;
  /// The CPUs that the calling thread may run on during its turn: at first all of the process,
  /// later what its library made of that.
  std::vector<int> cpus;
};

/// Lets `contestant` do its work `times` times on its CPUs; seconds a call.
double take_turn(Contestant& contestant, const Work& work, std::int64_t times);

struct Timing {
  double seconds = 0;  // of one call; the median of the rounds
  double spread = 0;   // (slowest - fastest) / median of the rounds
};

/// In each of options.repetitions rounds every contestant has one turn, in which its work is called
/// as often as fits into options.min_time (at least once). What is timed is preceded by an untimed
/// call; with several threads, each turn also by a pause, for idle threads of the others may spin
/// for a while after their own turn. works[i] belongs to contestants[i].
std::vector<Timing> race(std::vector<Contestant>& contestants, const std::vector<Work>& works,
                         const CommonOptions& options);

}  // namespace nnkernels::bench

#endif  // NNKERNELS_BENCH_RACE_H_
