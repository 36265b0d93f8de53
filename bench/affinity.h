// Which CPUs a thread may run on.
#ifndef NNKERNELS_BENCH_AFFINITY_H_
#define NNKERNELS_BENCH_AFFINITY_H_

#include <vector>

namespace nnkernels::bench {

/// The CPUs that the calling thread may run on now.
std::vector<int> thread_cpus();

/// Lets the calling thread run on `cpus` only. An empty list, or one that the system refuses,
/// changes nothing: measurements are then only noisier.
void set_thread_cpus(const std::vector<int>& cpus);

/// The CPUs that this process was started on. The library binds the thread that calls it; so that
/// this still knows them all, main() asks once before it does anything else.
const std::vector<int>& process_cpus();

}  // namespace nnkernels::bench

#endif  // NNKERNELS_BENCH_AFFINITY_H_
