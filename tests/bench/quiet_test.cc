// How long a turn of nnbench waits for the threads of other libraries.
#include "bench/quiet.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <thread>
#include <vector>

namespace {

using nnkernels::bench::process_seconds;
using nnkernels::bench::wait_until_quiet;

/// How often the clock is looked at, if between two looks it advances by the next of `taken`, and
/// by nothing after these.
int looks(const std::vector<double>& taken) {
  std::size_t calls = 0;
  double time = 1;
  wait_until_quiet([&] {
    if (calls > 0 && calls <= taken.size()) time += taken[calls - 1];
    ++calls;
    return time;
  });
  return static_cast<int>(calls);
}

TEST(QuietTest, WaitsUntilNoTimeIsTaken) {
  EXPECT_EQ(looks({}), 3);
  EXPECT_EQ(looks({0.005, 0.005, 0.005, 0.005}), 7);
  // A thread that spins, but has to wait for its CPU in between.
  EXPECT_EQ(looks({0.005, 0, 0.005}), 6);
  // What falling asleep takes; and a thread that is on its CPU for a tenth of the time.
  EXPECT_EQ(looks({0.0001, 0.0001}), 3);
  EXPECT_EQ(looks({0.0005, 0.0005}), 5);
}

TEST(QuietTest, EndsWhereThreadsNeverStop) {
  double taken = 0;
  int calls = 0;
  wait_until_quiet([&] {
    ++calls;
    return taken += 0.01;
  });
  EXPECT_EQ(calls, 61);
}

TEST(QuietTest, SleepingTakesNoTime) {
  const double before = process_seconds();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_LT(process_seconds() - before, 0.025);
}

TEST(QuietTest, TimeOfOtherThreadsCounts) {
  const double before = process_seconds();
  std::thread other([end = before + 0.02] {
    while (process_seconds() < end) {
    }
  });
  other.join();
  EXPECT_GE(process_seconds() - before, 0.02);
}

}  // namespace
