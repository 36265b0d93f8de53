#include "bench/library.h"

#include <cstdint>
#include <filesystem>

#include "bench/affinity.h"

namespace nnkernels::bench {

void* open_library(const std::string& path, std::string& reason) {
  // OpenBLAS starts its threads when it is opened; they inherit the CPUs of this one.
  set_thread_cpus(process_cpus());
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* error = dlerror();
    reason = error == nullptr ? path : error;
  }
  return library;
}

std::string beside_nnbench(const std::string& file) {
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / file).string();
}

void set_library_threads(void* library, int threads) {
  for (const char* name :
       {"openblas_set_num_threads", "MKL_Set_Num_Threads", "omp_set_num_threads"}) {
    if (const auto set = symbol<void (*)(int)>(library, name)) set(threads);
  }
  if (const auto set = symbol<void (*)(std::int64_t)>(library, "bli_thread_set_num_threads")) {
    set(threads);
  }
}

}  // namespace nnkernels::bench
