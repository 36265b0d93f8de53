// Which CPUs this process may use, in which order, and how much of them. Internal to kernels/.
#ifndef NNKERNELS_KERNELS_CPUS_H_
#define NNKERNELS_KERNELS_CPUS_H_

#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

namespace nnkernels::detail {

/// The functions below read Linux's /proc and /sys below `root`, which tests replace. What is
/// missing there, or cannot be understood, counts as not being said.

/// The CPUs that the calling thread may run on, ascending; empty if the system does not tell.
std::vector<int> allowed_cpus();

/// How many CPUs the system has switched on, 0 if it does not tell.
int online_cpus(const std::filesystem::path& root = "/");

/// `cpus` in the order in which threads should take them: one of each physical core, then the
/// second hardware thread of each, and so on. Two threads on one core share its arithmetic units,
/// and together are hardly faster than one.
std::vector<int> one_per_core_first(std::vector<int> cpus, const std::filesystem::path& root = "/");

/// How many CPUs' worth of time the control groups of this process allow it, 1.5 for instance: the
/// least that any group from its own up to the root allows (version 2: cpu.max; version 1:
/// cpu.cfs_quota_us over cpu.cfs_period_us). Nothing if they allow all. Containers are limited so.
std::optional<double> cpu_quota(const std::filesystem::path& root = "/");

/// How many threads of all processes are running or could run at this moment, the calling one
/// included; 0 if the system does not tell.
int running_threads(const std::filesystem::path& root = "/");

/// How many threads a process should use that is allowed `cpus` CPUs with that quota: no more
/// than there are CPUs, nor than the quota can keep running; at least 1. A quota of 1.5 gives 2.
int default_threads(int cpus, std::optional<double> quota);

/// "0-3,8,10-11" as numbers; empty if `list` is anything else.
std::vector<int> parse_cpu_list(std::string_view list);

}  // namespace nnkernels::detail

#endif  // NNKERNELS_KERNELS_CPUS_H_
