// A look at the loops that kernels share among threads: for tests, and for measuring what more
// threads should give. Internal.
#ifndef NNKERNELS_KERNELS_LOOP_RECORD_H_
#define NNKERNELS_KERNELS_LOOP_RECORD_H_

#include <cstdint>
#include <vector>

namespace nnkernels::detail {

/// One call of parallel_for() that was not inside a piece of another one.
struct LoopRecord {
  std::int64_t pieces = 0;
  double estimate = 0;      // of one thread's time, by the caller, in microseconds
  double microseconds = 0;  // that it took
  bool shared = false;      // whether more than one thread was asked for
};

/// From now on appends the calling thread's loops to `records`; null ends that.
void record_loops(std::vector<LoopRecord>* records);

}  // namespace nnkernels::detail

#endif  // NNKERNELS_KERNELS_LOOP_RECORD_H_
