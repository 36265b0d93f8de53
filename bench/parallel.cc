#include "kernels/parallel.h"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <thread>

#include "bench/commands.h"
#include "bench/runner.h"

namespace nnkernels::bench {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;

/// Far above the threshold below which a loop is not shared.
constexpr double kWorthSharing = 1e9;

double since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// A loop of one piece a thread that does nothing: what the caller pays.
double empty_loop() {
  const Clock::time_point begin = Clock::now();
  parallel_for(threads(), kWorthSharing, [](std::int64_t, int) {});
  return since(begin);
}

/// A loop whose pieces wait for each other: how long until all threads work. A thread that never
/// comes, on a busy machine, counts with the time after which the others give up.
double meeting() {
  const int expected = threads();
  std::atomic<int> present{0};
  const Clock::time_point begin = Clock::now();
  parallel_for(expected, kWorthSharing, [&](std::int64_t, int) {
    present.fetch_add(1);
    while (present.load() < expected && since(begin) < 0.01) {
    }
  });
  return since(begin);
}

/// `loop` again and again, each time after `idle` without work, which is not counted.
Work after_idle(double (*loop)(), microseconds idle) {
  return [loop, idle](std::int64_t times) {
    double seconds = 0;
    for (std::int64_t i = 0; i < times; ++i) {
      if (idle.count() > 0) std::this_thread::sleep_for(idle);
      seconds += loop();
    }
    return seconds;
  };
}

}  // namespace

void run_parallel(const Arguments& arguments) {
  CommonOptions common;
  common.threads = {threads()};
  Options flags("parallel",
                "measures what it costs to share a loop: an empty one, and one whose pieces wait "
                "until all threads have come, hot and after pauses");
  common.add_to(flags);
  if (!parse(flags, common, arguments)) return;
  apply(common);

  struct Loop {
    const char* name;
    double (*run)();
  };
  std::vector<Case> cases;
  for (const Loop& loop : {Loop{"empty loop", empty_loop}, Loop{"all threads in", meeting}}) {
    for (const microseconds idle :
         {microseconds(0), microseconds(100), microseconds(500), microseconds(2000)}) {
      const bool hot = idle.count() == 0;
      Case one;
      one.name = std::string(loop.name) +
                 (hot ? ", hot" : ", after " + duration(static_cast<double>(idle.count()) * 1e-6));
      one.parameters.add("loop", loop.name).add("idle_microseconds", idle.count());
      // The idle time would make Google Benchmark's own choice take minutes.
      one.iterations = hot ? 0 : 100;
      one.prepare = [run = loop.run, idle] { return after_idle(run, idle); };
      cases.push_back(one);
    }
  }
  run_cases("parallel", common, cases);
}

}  // namespace nnkernels::bench
