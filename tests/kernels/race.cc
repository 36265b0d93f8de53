// A loop whose pieces race: what ThreadSanitizer has to find in spite of cmake/tsan.supp.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <thread>

#include "kernels/parallel.h"

int main() {
  nnkernels::set_threads(2);
  std::int64_t sum = 0;
  for (int i = 0; i < 200; ++i) {
    nnkernels::parallel_for(100, 1e9, [&sum](std::int64_t piece, int) {
      sum += piece;
      std::this_thread::sleep_for(std::chrono::microseconds(1));
    });
  }
  std::printf("%lld\n", static_cast<long long>(sum));
}
