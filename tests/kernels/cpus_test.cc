#include "kernels/cpus.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

namespace nnkernels::detail {
namespace {

/// A folder that stands for the root of the file system, with as much of /proc and /sys as a test
/// writes.
class CpusTest : public testing::Test {
 protected:
  CpusTest() {
    std::string name = (std::filesystem::temp_directory_path() / "nnkernels_cpus_XXXXXX").string();
    root_ = mkdtemp(name.data());
  }
  ~CpusTest() override { std::filesystem::remove_all(root_); }

  void write(const std::string& path, const std::string& text) const {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text << '\n';
  }
  void siblings(int cpu, const std::string& list) const {
    write("sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list",
          list);
  }
  const std::filesystem::path& root() const { return root_; }

 private:
  std::filesystem::path root_;
};

TEST_F(CpusTest, NoQuotaWhereNothingIsSaid) {
  EXPECT_EQ(cpu_quota(root()), std::nullopt);
  write("proc/self/cgroup", "0::/");
  EXPECT_EQ(cpu_quota(root()), std::nullopt);
  write("sys/fs/cgroup/cpu.max", "max 100000");
  EXPECT_EQ(cpu_quota(root()), std::nullopt);
}

TEST_F(CpusTest, QuotaOfVersion2InAContainer) {
  write("proc/self/cgroup", "0::/");
  write("sys/fs/cgroup/cpu.max", "150000 100000");
  EXPECT_EQ(cpu_quota(root()), 1.5);
}

TEST_F(CpusTest, TheLeastQuotaOfAllLevelsCounts) {
  write("proc/self/cgroup", "0::/user.slice/job.scope");
  write("sys/fs/cgroup/user.slice/job.scope/cpu.max", "400000 100000");
  EXPECT_EQ(cpu_quota(root()), 4.0);
  write("sys/fs/cgroup/user.slice/cpu.max", "25000 50000");
  EXPECT_EQ(cpu_quota(root()), 0.5);
  write("sys/fs/cgroup/user.slice/job.scope/cpu.max", "max 100000");
  EXPECT_EQ(cpu_quota(root()), 0.5);
}

TEST_F(CpusTest, PathsThatTheContainerDoesNotSee) {
  write("proc/self/cgroup", "0::/docker/0123abcd");
  write("sys/fs/cgroup/cpu.max", "200000 100000");
  EXPECT_EQ(cpu_quota(root()), 2.0);
  write("proc/self/cgroup", "0::/../../elsewhere");
  EXPECT_EQ(cpu_quota(root()), 2.0);
}

TEST_F(CpusTest, QuotaOfVersion1) {
  write("proc/self/cgroup", "9:memory:/other\n5:cpu,cpuacct:/docker/77\n1:name=systemd:/init");
  write("sys/fs/cgroup/cpu,cpuacct/docker/77/cpu.cfs_quota_us", "-1");
  write("sys/fs/cgroup/cpu,cpuacct/docker/77/cpu.cfs_period_us", "100000");
  EXPECT_EQ(cpu_quota(root()), std::nullopt);
  write("sys/fs/cgroup/cpu,cpuacct/docker/77/cpu.cfs_quota_us", "300000");
  EXPECT_EQ(cpu_quota(root()), 3.0);
  write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "120000");
  write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000");
  EXPECT_EQ(cpu_quota(root()), 1.2);
}

TEST_F(CpusTest, OtherControllersDoNotCount) {
  write("proc/self/cgroup", "3:cpuset:/a\n2:cpuacct:/a");
  write("sys/fs/cgroup/cpuset/a/cpu.cfs_quota_us", "100000");
  write("sys/fs/cgroup/cpuset/a/cpu.cfs_period_us", "100000");
  write("sys/fs/cgroup/cpu.max", "100000 100000");  // of version 2, which is not in use
  EXPECT_EQ(cpu_quota(root()), std::nullopt);
}

TEST_F(CpusTest, BothVersionsTogether) {
  write("proc/self/cgroup", "4:cpu:/x\n0::/x");
  write("sys/fs/cgroup/unified/x/cpu.max", "700000 100000");
  EXPECT_EQ(cpu_quota(root()), 7.0);
  write("sys/fs/cgroup/cpu/x/cpu.cfs_quota_us", "600000");
  write("sys/fs/cgroup/cpu/x/cpu.cfs_period_us", "100000");
  EXPECT_EQ(cpu_quota(root()), 6.0);
}

TEST_F(CpusTest, QuotasThatMakeNoSense) {
  write("proc/self/cgroup", "nonsense\n0::/a\n:");
  for (const char* text : {"", "x", "100000", "0 100000", "100000 0", "-5 100000"}) {
    write("sys/fs/cgroup/cpu.max", text);
    EXPECT_EQ(cpu_quota(root()), std::nullopt) << text;
  }
}

TEST(Cpus, DefaultThreads) {
  EXPECT_EQ(default_threads(8, std::nullopt), 8);
  EXPECT_EQ(default_threads(8, 0.3), 1);
  EXPECT_EQ(default_threads(8, 1.0), 1);
  EXPECT_EQ(default_threads(8, 1.5), 2);
  EXPECT_EQ(default_threads(8, 64.0), 8);
  EXPECT_EQ(default_threads(8, 1e300), 8);
  EXPECT_EQ(default_threads(0, std::nullopt), 1);
}

TEST_F(CpusTest, SecondHardwareThreadsComeLast) {
  for (const int cpu : {0, 1, 2, 3}) {  // numbered core after core, as in most virtual machines
    siblings(cpu, cpu < 2 ? "0-1" : "2-3");
  }
  EXPECT_EQ(one_per_core_first({0, 1, 2, 3}, root()), (std::vector{0, 2, 1, 3}));
  EXPECT_EQ(one_per_core_first({1, 2, 3}, root()), (std::vector{1, 2, 3}));
  EXPECT_EQ(one_per_core_first({2, 3}, root()), (std::vector{2, 3}));
  for (const int cpu : {0, 1, 2, 3}) {  // all first threads, then all second ones
    siblings(cpu, cpu % 2 == 0 ? "0,2" : "1,3");
  }
  EXPECT_EQ(one_per_core_first({0, 1, 2, 3}, root()), (std::vector{0, 1, 2, 3}));
  EXPECT_EQ(one_per_core_first({0, 2, 3}, root()), (std::vector{0, 3, 2}));
}

TEST_F(CpusTest, TheirOrderStaysWhereNothingIsKnownAboutCores) {
  EXPECT_EQ(one_per_core_first({3, 5, 9}, root()), (std::vector{3, 5, 9}));
  EXPECT_EQ(one_per_core_first({}, root()), std::vector<int>());
}

TEST_F(CpusTest, OnlineCpus) {
  EXPECT_EQ(online_cpus(root()), 0);
  write("sys/devices/system/cpu/online", "0-5,8");
  EXPECT_EQ(online_cpus(root()), 7);
}

TEST_F(CpusTest, RunningThreads) {
  EXPECT_EQ(running_threads(root()), 0);
  write("proc/loadavg", "0.20 1.02 2.03 3/234 5678");
  EXPECT_EQ(running_threads(root()), 3);
  write("proc/loadavg", "0.20 1.02");
  EXPECT_EQ(running_threads(root()), 0);
}

TEST(Cpus, Lists) {
  EXPECT_EQ(parse_cpu_list("0"), std::vector{0});
  EXPECT_EQ(parse_cpu_list("0-2,7,9-10"), (std::vector{0, 1, 2, 7, 9, 10}));
  for (const char* bad : {"", "x", "1-", "-1", "1,,2", "1-x", "1 2", "0-99999999", "1-2-3"}) {
    EXPECT_EQ(parse_cpu_list(bad), std::vector<int>()) << bad;
  }
}

/// What the machine itself says need only be consistent.
TEST(Cpus, ThisMachine) {
  const std::vector<int> cpus = allowed_cpus();
  EXPECT_FALSE(cpus.empty());
  std::vector<int> ordered = one_per_core_first(cpus);
  std::sort(ordered.begin(), ordered.end());
  EXPECT_EQ(ordered, cpus);
  EXPECT_GT(cpu_quota().value_or(1.0), 0.0);
}

}  // namespace
}  // namespace nnkernels::detail
