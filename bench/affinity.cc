#include "bench/affinity.h"

#include <pthread.h>
#include <sched.h>

namespace nnkernels::bench {

std::vector<int> thread_cpus() {
  std::vector<int> cpus;
  cpu_set_t set;
  if (pthread_getaffinity_np(pthread_self(), sizeof set, &set) != 0) return cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

void set_thread_cpus(const std::vector<int>& cpus) {
  if (cpus.empty()) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int cpu : cpus) CPU_SET(cpu, &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

const std::vector<int>& process_cpus() {
  static const std::vector<int> cpus = thread_cpus();
  return cpus;
}

}  // namespace nnkernels::bench
