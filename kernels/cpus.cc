#include "kernels/cpus.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <fstream>
#include <map>
#include <string>
#include <system_error>
#include <utility>

namespace nnkernels::detail {
namespace {

namespace fs = std::filesystem;

/// The first line of a file; empty if there is none.
std::string first_line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::optional<int> parse_number(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0) return std::nullopt;
  return number;
}

std::optional<double> ratio(double quota, double period) {
  if (quota <= 0 || period <= 0) return std::nullopt;  // version 1 says -1 for no limit
  return quota / period;
}

/// Version 2: "150000 100000", or "max 100000" for no limit.
std::optional<double> quota_v2(const fs::path& group) {
  std::ifstream file(group / "cpu.max");
  double quota = 0, period = 0;
  if (!(file >> quota >> period)) return std::nullopt;
  return ratio(quota, period);
}

std::optional<double> quota_v1(const fs::path& group) {
  std::ifstream quota_file(group / "cpu.cfs_quota_us"), period_file(group / "cpu.cfs_period_us");
  double quota = 0, period = 0;
  if (!(quota_file >> quota) || !(period_file >> period)) return std::nullopt;
  return ratio(quota, period);
}

/// The least quota of the groups from `mount` down to mount/path. Inside a container the upper
/// part of the path often does not exist, and the mount point itself is the container's group.
std::optional<double> least_quota(std::optional<double> (*quota)(const fs::path&),
                                  const fs::path& mount, const std::string& path) {
  fs::path group = mount;
  std::optional<double> least = quota(group);
  // Normal, for the path of a process outside of its namespace's root begins with "/..".
  for (const fs::path& part : fs::path(path).lexically_normal().relative_path()) {
    group /= part;
    const std::optional<double> here = quota(group);
    if (here && (!least || *here < *least)) least = here;
  }
  return least;
}

bool contains_word(const std::string& list, const std::string& word) {
  return ("," + list + ",").find("," + word + ",") != std::string::npos;
}

}  // namespace

std::vector<int> allowed_cpus() {
  cpu_set_t set;
  std::vector<int> cpus;
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
    }
  }
  return cpus;
}

int online_cpus(const fs::path& root) {
  return static_cast<int>(
      parse_cpu_list(first_line(root / "sys/devices/system/cpu/online")).size());
}

std::vector<int> one_per_core_first(std::vector<int> cpus, const fs::path& root) {
  std::map<std::string, int> seen;  // of each core, by its list of hardware threads
  std::vector<std::pair<int, int>> ranked;
  ranked.reserve(cpus.size());
  for (const int cpu : cpus) {
    const std::string core =
        first_line(root / "sys/devices/system/cpu" / ("cpu" + std::to_string(cpu)) /
                   "topology/thread_siblings_list");
    ranked.emplace_back(core.empty() ? 0 : seen[core]++, cpu);
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::transform(ranked.begin(), ranked.end(), cpus.begin(),
                 [](const auto& entry) { return entry.second; });
  return cpus;
}

std::optional<double> cpu_quota(const fs::path& root) {
  const fs::path mounts = root / "sys/fs/cgroup";
  std::optional<double> least;
  const auto limit = [&least](std::optional<double> quota) {
    if (quota && (!least || *quota < *least)) least = quota;
  };
  // Lines are number:controllers:path, version 2's without controllers.
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string path = line.substr(second + 1);
    if (controllers.empty()) {
      limit(least_quota(quota_v2, mounts, path));
      limit(least_quota(quota_v2, mounts / "unified", path));
    } else if (contains_word(controllers, "cpu")) {
      limit(least_quota(quota_v1, mounts / controllers, path));
      limit(least_quota(quota_v1, mounts / "cpu", path));
    }
  }
  return least;
}

int running_threads(const fs::path& root) {
  // "0.20 1.02 2.03 1/234 5678": the fourth is running/all.
  std::ifstream file(root / "proc/loadavg");
  std::string average;
  int running = 0;
  file >> average >> average >> average >> running;
  return file ? running : 0;
}

int default_threads(int cpus, std::optional<double> quota) {
  const double limit = std::min(static_cast<double>(cpus), std::ceil(quota.value_or(cpus)));
  return std::max(1, static_cast<int>(limit));
}

std::vector<int> parse_cpu_list(std::string_view list) {
  std::vector<int> cpus;
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    const std::string_view range = list.substr(0, comma);
    list.remove_prefix(std::min(comma + 1, list.size()));
    const std::size_t dash = range.find('-');
    const std::optional<int> first = parse_number(range.substr(0, dash));
    const std::optional<int> last =
        dash == std::string_view::npos ? first : parse_number(range.substr(dash + 1));
    if (!first || !last || *last > CPU_SETSIZE) return {};
    for (int cpu = *first; cpu <= *last; ++cpu) cpus.push_back(cpu);
  }
  return cpus;
}

}  // namespace nnkernels::detail
