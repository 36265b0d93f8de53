// A program that is run with NNKERNELS_THREADS and NNKERNELS_PIN set: thread_environment_test
// THREADS PIN exits 0 if the library reports these before anybody sets anything, and says what it
// reports otherwise.
#include <sched.h>

#include <cstdio>
#include <cstdlib>

#include "kernels/parallel.h"

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  cpu_set_t before, after;
  sched_getaffinity(0, sizeof before, &before);
  const int threads = nnkernels::threads();
  const bool pinned = nnkernels::pinning();
  sched_getaffinity(0, sizeof after, &after);
  std::printf("%d threads, pinning %d, CPUs %d, later %d\n", threads, pinned, CPU_COUNT(&before),
              CPU_COUNT(&after));
  const bool wants_pinning = std::atoi(argv[2]) == 1;
  // More threads than CPUs are not bound.
  const bool bound = wants_pinning && threads <= CPU_COUNT(&before);
  return threads == std::atoi(argv[1]) && pinned == wants_pinning &&
                 CPU_COUNT(&after) == (bound ? 1 : CPU_COUNT(&before))
             ? 0
             : 1;
}
