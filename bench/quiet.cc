#include "bench/quiet.h"

#include <chrono>
#include <ctime>
#include <thread>

namespace nnkernels::bench {
namespace {

/// A thread that spins may have to wait for its CPU during one slice; hardly in two.
constexpr std::chrono::milliseconds kSlice{5};
constexpr int kMostSlices = 60, kQuietSlices = 2;
/// Of a slice: what falling asleep and waking up take.
constexpr double kQuiet = 0.05;

}  // namespace

double process_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

void wait_until_quiet(const std::function<double()>& seconds) {
  const double quiet = kQuiet * std::chrono::duration<double>(kSlice).count();
  double before = seconds();
  int in_a_row = 0;
  for (int slice = 0; slice < kMostSlices && in_a_row < kQuietSlices; ++slice) {
    std::this_thread::sleep_for(kSlice);
    const double now = seconds();
    in_a_row = now - before < quiet ? in_a_row + 1 : 0;
    before = now;
  }
}

}  // namespace nnkernels::bench
