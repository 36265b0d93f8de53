// Races: several ways to do the same work, timed in turn so that all meet the same conditions.
#ifndef NNKERNELS_BENCH_RACE_H_
#define NNKERNELS_BENCH_RACE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "bench/case.h"
#include "bench/options.h"
#include "bench/peak.h"

namespace nnkernels::bench {

/// One that takes part. It lives as long as the races, since a library may bind the thread that
/// calls it to a CPU, once and for all.
struct Contestant {
  /// Its turns begin with the calling thread allowed on all CPUs of the process, and `get_ready`,
  /// if there is one.
  explicit Contestant(std::string name, std::function<void()> get_ready = {});

  std::string name;
  std::function<void()> get_ready;
  /// The CPUs that the calling thread may run on during its turn: at first all of the process,
  /// later what its library made of that.
  std::vector<int> cpus;
};

/// Lets `contestant` do its work `times` times on its CPUs; seconds a call.
double take_turn(Contestant& contestant, const Work& work, std::int64_t times);

struct Timing {
  double seconds = 0;     // of one call; the median of the rounds; 0 for who did not take part
  double spread = 0;      // (slowest - fastest) / median of the rounds
  double difference = 0;  // of the result, as in Entries
};

struct RaceResult {
  std::vector<Timing> timings;  // one for each contestant
  double yardstick = 0;         // the median of the rounds; 0 without one
};

/// Compares the results of all entries, then lets each contestant have one turn in each of
/// options.repetitions rounds, in which its work is called as often as fits into options.min_time
/// (at least once), or as entries.calls says. Turns of several calls are preceded by an untimed
/// one; if `rest`, each turn also by wait_until_quiet(), for idle threads of the others may spin
/// for a while after their own turn. Each round ends with one measurement of `yardstick`, unless
/// that is null. entries.works[i] belongs to contestants[i]. `name` is that of the case, for
/// errors. Throws std::runtime_error if two results differ by more than entries.tolerance.
RaceResult race(const std::string& name, std::vector<Contestant>& contestants,
                const Entries& entries, const Yardstick* yardstick, const CommonOptions& options,
                bool rest);

}  // namespace nnkernels::bench

#endif  // NNKERNELS_BENCH_RACE_H_
