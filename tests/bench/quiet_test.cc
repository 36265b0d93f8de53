// How long a turn of nnbench waits for the threads of other libraries.
#include "bench/quiet.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace {

using nnkernels::bench::process_seconds;
using nnkernels::bench::wait_until_quiet;

TEST(QuietTest, WaitsUntilNoTimeIsTaken) {
  int calls = 0;
  double taken = 0;
  wait_until_quiet([&] {
    if (++calls < 6) taken += 0.01;  // a thread spins through four slices
    return taken;
  });
  EXPECT_EQ(calls, 6);
}

TEST(QuietTest, EndsWhereThreadsNeverStop) {
  double taken = 0;
  int calls = 0;
  wait_until_quiet([&] {
    ++calls;
    return taken += 0.01;
  });
  EXPECT_EQ(calls, 31);
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
