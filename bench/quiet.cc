#include "bench/quiet.h"

#include <chrono>
#include <ctime>
#include <thread>

namespace nnkernels::bench {
namespace {

/// Longer than the system lets another process run instead of a thread that spins.
constexpr std::chrono::milliseconds kSlice{10};
constexpr int kMostSlices = 30;
/// Of a slice: what falling asleep and waking up take.
constexpr double kQuiet = 0.05;

}  // namespace

double process_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

void wait_until_quiet(const std::function<double()>& seconds) {
  const double quiet = kQuiet * std::chrono::duration<double>(kSlice).count();
  double before = seconds();
  for (int slice = 0; slice < kMostSlices; ++slice) {
    std::this_thread::sleep_for(kSlice);
    const double now = seconds();
    if (now - before < quiet) return;
    before = now;
  }
}

}  // namespace nnkernels::bench
