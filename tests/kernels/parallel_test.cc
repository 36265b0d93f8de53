#include "kernels/parallel.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "kernels/loop_record.h"
#include "tests/support/each_simd.h"
#include "tests/support/expect.h"

namespace nnkernels {
namespace {

constexpr double kLong = 1e9;  // microseconds: worth sharing

class ParallelTest : public testing::Test {
 protected:
  ~ParallelTest() override { set_threads(threads_); }

 private:
  int threads_ = threads();
};

/// How often each piece ran.
std::vector<int> runs_of_pieces(std::int64_t pieces, double microseconds) {
  std::vector<std::atomic<int>> runs(static_cast<std::size_t>(pieces));
  parallel_for(pieces, microseconds,
               [&](std::int64_t piece, int) { ++runs[static_cast<std::size_t>(piece)]; });
  return std::vector<int>(runs.begin(), runs.end());
}

TEST_F(ParallelTest, RunsEveryPieceOnce) {
  for (const int count : {1, 2, 3, 8}) {
    const ForceThreads force(count);
    EXPECT_EQ(threads(), count);
    for (const std::int64_t pieces : {0, 1, 2, 3, 7, 8, 9, 1000}) {
      EXPECT_EQ(runs_of_pieces(pieces, kLong),
                std::vector<int>(static_cast<std::size_t>(pieces), 1))
          << pieces << " pieces, " << count << " threads";
    }
  }
}

TEST_F(ParallelTest, RangesHoldEveryPieceOnce) {
  for (const int count : {1, 2, 3, 8}) {
    const ForceThreads force(count);
    for (const std::int64_t pieces : {0, 1, 2, 3, 7, 8, 9, 1000}) {
      std::vector<std::atomic<int>> runs(static_cast<std::size_t>(pieces));
      std::atomic<int> calls = 0;
      parallel_for_ranges(pieces, kLong, [&](std::int64_t first, std::int64_t end, int slot) {
        ++calls;
        EXPECT_LT(first, end);
        EXPECT_LT(slot, count);
        for (std::int64_t i = first; i < end; ++i) ++runs[static_cast<std::size_t>(i)];
      });
      EXPECT_EQ(std::vector<int>(runs.begin(), runs.end()),
                std::vector<int>(static_cast<std::size_t>(pieces), 1))
          << pieces << " pieces, " << count << " threads";
      if (count == 1) {
        EXPECT_EQ(calls, pieces > 0 ? 1 : 0) << "one thread does all in one go";
      }
    }
  }
}

TEST_F(ParallelTest, SlotsAreInRangeAndNeverShared) {
  for (const int count : {1, 2, 3, 8}) {
    const ForceThreads force(count);
    std::vector<std::atomic<int>> users(static_cast<std::size_t>(count));
    std::atomic<int> clashes{0};
    parallel_for(2000, kLong, [&](std::int64_t, int slot) {
      if (slot < 0 || slot >= count) {
        ++clashes;
        return;
      }
      auto& user = users[static_cast<std::size_t>(slot)];
      if (++user != 1) ++clashes;
      for (int i = 0; i < 20; ++i) sched_yield();
      --user;
    });
    EXPECT_EQ(clashes, 0);
  }
}

TEST_F(ParallelTest, SettersMayMeetTheLoopsOfOtherThreads) {
  const ForceThreads force(2);  // loops are shared at once
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 3; ++caller) {
    callers.emplace_back([&] {
      while (!stop) {
        if (runs_of_pieces(100, kLong) != std::vector<int>(100, 1)) ++wrong;
      }
    });
  }
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(300);
  for (int i = 0; std::chrono::steady_clock::now() < end; ++i) {
    set_threads(i % 2 == 0 ? 1 : 64);
    if (i % 3 == 0) sched_yield();
  }
  stop = true;
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(ParallelTest, SettersAreRefusedInsideAPiece) {
  for (const int count : {1, 2}) {
    const ForceThreads force(count);
    EXPECT_THROW(parallel_for(2, kLong, [](std::int64_t, int) { set_threads(1); }),
                 std::logic_error);
    EXPECT_THROW(parallel_for(2, kLong, [](std::int64_t, int) { set_pinning(false); }),
                 std::logic_error);
    EXPECT_EQ(threads(), count);
  }
}

TEST_F(ParallelTest, SharesWorkThatIsWorthIt) {
  set_threads(2);
  // Two pieces that wait for each other end only on two threads.
  std::atomic<int> arrived{0};
  parallel_for(2, kLong, [&](std::int64_t, int) {
    ++arrived;
    while (arrived < 2) sched_yield();
  });
  EXPECT_EQ(arrived, 2);
}

TEST_F(ParallelTest, SmallWorkStaysWithItsCaller) {
  set_threads(2);
  const std::thread::id caller = std::this_thread::get_id();
  parallel_for(100, 0.001, [&](std::int64_t, int slot) {
    EXPECT_EQ(std::this_thread::get_id(), caller);
    EXPECT_EQ(slot, 0);
  });
}

TEST_F(ParallelTest, NestedLoopsAreSerial) {
  const ForceThreads force(3);
  std::atomic<int> inner{0};
  std::atomic<int> strangers{0};
  parallel_for(10, kLong, [&](std::int64_t, int) {
    const std::thread::id outer = std::this_thread::get_id();
    parallel_for(7, kLong, [&](std::int64_t, int slot) {
      ++inner;
      if (std::this_thread::get_id() != outer || slot != 0) ++strangers;
    });
  });
  EXPECT_EQ(inner, 70);
  EXPECT_EQ(strangers, 0);
}

TEST_F(ParallelTest, RecordsOutermostLoops) {
  std::vector<detail::LoopRecord> records;
  detail::record_loops(&records);
  {
    const ForceThreads force(2);
    parallel_for(3, kLong,
                 [](std::int64_t, int) { parallel_for(5, kLong, [](std::int64_t, int) {}); });
  }
  set_threads(1);
  parallel_for(4, 20.0, [](std::int64_t, int) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  });
  detail::record_loops(nullptr);
  parallel_for(7, kLong, [](std::int64_t, int) {});

  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[0].pieces, 3);
  EXPECT_TRUE(records[0].shared);
  EXPECT_EQ(records[1].pieces, 4);
  EXPECT_EQ(records[1].estimate, 20.0);
  EXPECT_GE(records[1].microseconds, 8000.0);
  EXPECT_FALSE(records[1].shared);
}

TEST_F(ParallelTest, ExceptionsReachTheCallerAndTheWorkersSurvive) {
  for (const int count : {1, 2, 8}) {
    const ForceThreads force(count);
    for (int repeat = 0; repeat < 20; ++repeat) {
      const auto throwing = [&] {
        parallel_for(50, kLong, [](std::int64_t piece, int) {
          if (piece == 17) throw std::runtime_error("piece 17");
        });
      };
      try {
        throwing();
        ADD_FAILURE() << "nothing thrown";
      } catch (const std::runtime_error& error) {
        EXPECT_EQ(std::string(error.what()), "piece 17");
      }
      EXPECT_EQ(runs_of_pieces(50, kLong), std::vector<int>(50, 1));
    }
  }
}

TEST_F(ParallelTest, ManyApplicationThreadsMayCallAtOnce) {
  const ForceThreads force(2);
  std::atomic<std::int64_t> sum{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 8; ++caller) {
    callers.emplace_back([&] {
      for (int repeat = 0; repeat < 50; ++repeat) {
        std::vector<std::int64_t> parts(20);
        parallel_for(20, kLong, [&](std::int64_t piece, int) {
          parts[static_cast<std::size_t>(piece)] = piece;
        });
        sum += std::accumulate(parts.begin(), parts.end(), std::int64_t{0});
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(sum, 8 * 50 * 190);
}

/// The CPUs that the calling thread may run on.
int allowed_cpus() {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
}

/// The same for every thread that takes part in a loop, the least and the most.
std::pair<int, int> allowed_cpus_in_a_loop() {
  std::atomic<int> least = CPU_SETSIZE;
  std::atomic<int> most = 0;
  std::atomic<int> arrived = 0;
  parallel_for(threads(), kLong, [&](std::int64_t, int) {
    // Every thread is to take one piece.
    for (int i = 0; ++arrived, arrived < threads() && i < 1'000'000; ++i) --arrived;
    const int count = allowed_cpus();
    if (count < least) least = count;
    if (count > most) most = count;
  });
  return {least, most};
}

TEST_F(ParallelTest, PinningBindsThreadsAndLetsThemGo) {
  const int all = allowed_cpus();
  std::thread([&] {  // a thread of its own: its binding must not outlive the test
    for (const int count : {1, 2, 5}) {
      const ForceThreads force(count);
      for (const bool on : {true, false, true}) {
        set_pinning(on);
        EXPECT_EQ(runs_of_pieces(100, kLong), std::vector<int>(100, 1));
        const int expected = on && count <= all ? 1 : all;
        EXPECT_EQ(allowed_cpus(), expected) << count << " threads, pinning " << on;
        EXPECT_EQ(allowed_cpus_in_a_loop(), std::pair(expected, expected))
            << count << " threads, pinning " << on;
      }
      set_threads(all + 1);
      EXPECT_EQ(allowed_cpus(), all) << "more threads than CPUs are not pinned";
      set_pinning(false);
    }
  })
      .join();
  EXPECT_EQ(allowed_cpus(), all);
  EXPECT_EQ(runs_of_pieces(100, kLong), std::vector<int>(100, 1));
}

TEST_F(ParallelTest, NumbersOfThreads) {
  const int before = threads();
  EXPECT_GE(before, 1);
  for (const int bad : {0, -1, 1025}) {
    expect_invalid_argument([&] { set_threads(bad); },
                            {"set_threads", "1 to 1024", std::to_string(bad)});
    EXPECT_EQ(threads(), before);
  }
  set_threads(1024);
  EXPECT_EQ(threads(), 1024);
  set_threads(before);
  EXPECT_EQ(threads(), before);
}

TEST_F(ParallelTest, EnvironmentVariablesAreReadAndChecked) {
  const auto count = [](const char* value) {
    setenv("NNKERNELS_THREADS", value, 1);
    return environment_threads();
  };
  const auto pin = [](const char* value) {
    setenv("NNKERNELS_PIN", value, 1);
    return environment_pinning();
  };
  EXPECT_EQ(count("7"), 7);
  EXPECT_EQ(count("1024"), 1024);
  EXPECT_EQ(count(""), std::nullopt);
  EXPECT_EQ(pin("1"), true);
  EXPECT_EQ(pin("0"), false);
  EXPECT_EQ(pin(""), std::nullopt);
  for (const char* bad : {"0", "1025", "-1", "x", "2x", " 2", "1.5", "99999999999"}) {
    expect_invalid_argument([&] { count(bad); }, {"NNKERNELS_THREADS", "1 to 1024", bad});
  }
  for (const char* bad : {"2", "-1", "yes", "on"}) {
    expect_invalid_argument([&] { pin(bad); }, {"NNKERNELS_PIN", "0 to 1", bad});
  }
  unsetenv("NNKERNELS_THREADS");
  unsetenv("NNKERNELS_PIN");
  EXPECT_EQ(environment_threads(), std::nullopt);
  EXPECT_EQ(environment_pinning(), std::nullopt);
}

TEST_F(ParallelTest, TheMachineIsNotFreeForMoreThreadsThanItHasCpus) {
  set_threads(1024);
  EXPECT_FALSE(machine_is_free());
}

TEST_F(ParallelTest, TheMachineIsNotFreeForFewerThreadsThanItHasCpus) {
  if (std::thread::hardware_concurrency() < 2) GTEST_SKIP() << "needs two CPUs";
  set_threads(1);
  EXPECT_FALSE(machine_is_free());  // a second process may want the others
}

/// The ids of the threads of this process but the calling one.
std::vector<pid_t> other_threads() {
  std::vector<pid_t> ids;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) {
    const pid_t id = std::stoi(entry.path().filename());
    if (id != gettid()) ids.push_back(id);
  }
  return ids;
}

/// Waits until all other threads sleep: as long as it takes, but if one still runs after a minute
/// returns false.
bool others_fall_asleep() {
  const auto sleeps = [](pid_t id) {
    std::ifstream file("/proc/self/task/" + std::to_string(id) + "/stat");
    std::string text;
    std::getline(file, text);
    // "12 (a name) S ...": the name may hold anything.
    const std::size_t end = text.rfind(')');
    return end == std::string::npos || text.substr(end).starts_with(") S");
  };
  for (int look = 0; look < 60'000; ++look) {
    const std::vector<pid_t> ids = other_threads();
    if (std::all_of(ids.begin(), ids.end(), sleeps)) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

/// Seconds that all threads of this process have computed so far.
double processor_seconds() {
  return static_cast<double>(std::clock()) / static_cast<double>(CLOCKS_PER_SEC);
}

TEST_F(ParallelTest, IdleWorkersSleep) {
  const ForceThreads force(3);
  for (int repeat = 0; repeat < 5; ++repeat) {
    EXPECT_EQ(runs_of_pieces(1000, kLong), std::vector<int>(1000, 1));
    const double before = processor_seconds();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    // Far more than it takes to fall asleep, half of what one worker takes that does not.
    EXPECT_LT(processor_seconds() - before, 0.05);
    EXPECT_TRUE(others_fall_asleep());
  }
}

TEST_F(ParallelTest, SleepingWorkersStayBound) {
  if (allowed_cpus() < 2) GTEST_SKIP() << "needs two CPUs";
  std::thread([] {  // a thread of its own: its binding must not outlive the test
    const ForceThreads force(2);
    set_pinning(true);
    EXPECT_EQ(allowed_cpus_in_a_loop(), std::pair(1, 1));
    EXPECT_TRUE(others_fall_asleep());
    int bound = 0;
    for (const pid_t id : other_threads()) {
      cpu_set_t set;
      if (sched_getaffinity(id, sizeof set, &set) == 0 && CPU_COUNT(&set) == 1) ++bound;
    }
    EXPECT_GE(bound, 1);
    set_pinning(false);
  })
      .join();
}

}  // namespace
}  // namespace nnkernels
