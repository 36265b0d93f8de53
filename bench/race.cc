#include "bench/race.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <thread>

#include "bench/affinity.h"

namespace nnkernels::bench {
namespace {

/// OpenBLAS' threads spin for 2^26 cycles (18 ms at 3.7 GHz) before they sleep, libgomp's less.
constexpr std::chrono::milliseconds kPause{30};

/// A turn that counts.
double timed_turn(Contestant& contestant, const Work& work, std::int64_t times, bool pause) {
  if (pause) std::this_thread::sleep_for(kPause);
  take_turn(contestant, work, 1);
  return take_turn(contestant, work, times);
}

/// How many calls take `seconds`: found by calling, which also warms up caches and threads.
std::int64_t calls_in(double seconds, Contestant& contestant, const Work& work) {
  std::int64_t times = 1;
  for (;;) {
    const double one = std::max(take_turn(contestant, work, times), 1e-9);
    const auto wanted = static_cast<std::int64_t>(std::max(1.0, seconds / one));
    if (wanted <= 2 * times) return wanted;
    times = std::min(wanted, 10 * times);
  }
}

}  // namespace

double take_turn(Contestant& contestant, const Work& work, std::int64_t times) {
  set_thread_cpus(contestant.cpus);
  const double seconds = work(times) / static_cast<double>(times);
  contestant.cpus = thread_cpus();
  return seconds;
}

std::vector<Timing> race(std::vector<Contestant>& contestants, const std::vector<Work>& works,
                         const CommonOptions& options) {
  const std::size_t count = contestants.size();
  std::vector<std::int64_t> times(count);
  for (std::size_t i = 0; i < count; ++i) {
    times[i] = calls_in(options.min_time, contestants[i], works[i]);
  }
  std::vector<std::vector<double>> seconds(count);
  for (std::int64_t round = 0; round < options.repetitions; ++round) {
    for (std::size_t i = 0; i < count; ++i) {
      seconds[i].push_back(timed_turn(contestants[i], works[i], times[i], options.threads > 1));
    }
  }
  std::vector<Timing> timings;
  timings.reserve(count);
  for (const std::vector<double>& each : seconds) timings.push_back({median(each), spread(each)});
  return timings;
}

}  // namespace nnkernels::bench
