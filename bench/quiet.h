// Waiting for the threads of other libraries to end their spinning.
#ifndef NNKERNELS_BENCH_QUIET_H_
#define NNKERNELS_BENCH_QUIET_H_

#include <functional>

namespace nnkernels::bench {

/// Seconds of processor time that all threads of this process have had.
double process_seconds();

/// Sleeps until the other threads of this process do, and at most 0.3 s, for there are those that
/// never stop (OMP_WAIT_POLICY=active). A library's threads spin after their work for as long as it
/// chose: OpenBLAS' for 2^26 cycles of the time stamp counter, which are 18 to 35 ms. `seconds` is
/// process_seconds() but in tests.
void wait_until_quiet(const std::function<double()>& seconds = process_seconds);

}  // namespace nnkernels::bench

#endif  // NNKERNELS_BENCH_QUIET_H_
