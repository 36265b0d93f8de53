#include "bench/library.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>

#include "bench/affinity.h"
#include "kernels/simd.h"

namespace nnkernels::bench {

void set_library_environment(const CommonOptions& options) {
  const std::string count =
      std::to_string(*std::max_element(options.threads.begin(), options.threads.end()));
  for (const char* variable :
       {"OPENBLAS_NUM_THREADS", "BLIS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"}) {
    setenv(variable, count.c_str(), 1);
  }
  if (!options.no_pin) setenv("OMP_PROC_BIND", "true", 0);
  if (std::string(simd()) != "AVX2") return;
  setenv("OPENBLAS_CORETYPE", "Haswell", 0);
  for (const char* variable : {"DNNL_MAX_CPU_ISA", "ONEDNN_MAX_CPU_ISA"}) {
    setenv(variable, "AVX2", 0);
  }
}

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

bool uses_openmp(void* library) { return dlsym(library, "omp_set_num_threads") != nullptr; }

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
