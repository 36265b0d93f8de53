#include "bench/race.h"

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <utility>

#include "bench/affinity.h"
#include "bench/quiet.h"

namespace nnkernels::bench {
namespace {

/// Two rounds of the yardstick: one may have met a disturbance.
constexpr int kYardstickRounds = 2;

/// A turn that counts. The untimed call warms up caches and threads; where a single call takes the
/// whole turn, what it would gain is lost in that.
double timed_turn(Contestant& contestant, const Work& work, std::int64_t times, bool rest) {
  if (rest) wait_until_quiet();
  if (times > 1) take_turn(contestant, work, 1);
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

/// Gives every work its first call and compares what comes out.
std::vector<double> differences(const std::string& name, std::vector<Contestant>& contestants,
                                const Entries& entries) {
  std::vector<double> result(entries.works.size());
  for (std::size_t i = 0; i < entries.works.size(); ++i) {
    if (!entries.works[i]) continue;
    take_turn(contestants[i], entries.works[i], 1);
    if (!entries.difference) continue;
    result[i] = entries.difference(i);
    if (!(result[i] <= entries.tolerance)) {
      throw std::runtime_error(contestants[0].name + " and " + contestants[i].name +
                               " differ for " + name + ": scaled difference " +
                               fixed(result[i], 1) + ", at most " + fixed(entries.tolerance, 1) +
                               " expected");
    }
  }
  return result;
}

}  // namespace

Contestant::Contestant(std::string name_, std::function<void()> get_ready_)
    : name(std::move(name_)), get_ready(std::move(get_ready_)), cpus(process_cpus()) {}

double take_turn(Contestant& contestant, const Work& work, std::int64_t times) {
  set_thread_cpus(contestant.cpus);
  if (contestant.get_ready) contestant.get_ready();
  const double seconds = work(times) / static_cast<double>(times);
  contestant.cpus = thread_cpus();
  return seconds;
}

RaceResult race(const std::string& name, std::vector<Contestant>& contestants,
                const Entries& entries, const Yardstick* yardstick, const CommonOptions& options,
                bool rest) {
  const std::vector<Work>& works = entries.works;
  const std::vector<double> difference = differences(name, contestants, entries);
  std::vector<std::int64_t> times = entries.calls;
  times.resize(works.size());
  for (std::size_t i = 0; i < works.size(); ++i) {
    if (!works[i] || times[i] != 0) continue;
    if (rest) wait_until_quiet();
    times[i] = calls_in(options.min_time, contestants[i], works[i]);
  }
  std::vector<std::vector<double>> seconds(works.size());
  std::vector<double> yardsticks;
  for (std::int64_t round = 0; round < options.repetitions; ++round) {
    for (std::size_t i = 0; i < works.size(); ++i) {
      if (works[i]) seconds[i].push_back(timed_turn(contestants[i], works[i], times[i], rest));
    }
    if (yardstick == nullptr) continue;
    if (rest) wait_until_quiet();
    yardsticks.push_back(yardstick->measure(kYardstickRounds));
  }
  RaceResult result;
  result.timings.resize(contestants.size());
  for (std::size_t i = 0; i < works.size(); ++i) {
    if (works[i]) result.timings[i] = {median(seconds[i]), spread(seconds[i]), difference[i]};
  }
  if (yardstick != nullptr) result.yardstick = median(yardsticks);
  return result;
}

}  // namespace nnkernels::bench
