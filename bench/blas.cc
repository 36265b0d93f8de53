#include "bench/blas.h"

#include <dlfcn.h>

#include <cstddef>
#include <cstdlib>
#include <sstream>
#include <stdexcept>

namespace nnkernels::bench {
namespace {

template <class Function>
Function symbol(void* library, const char* name) {
  return reinterpret_cast<Function>(dlsym(library, name));
}

/// The last two parts of a path: Debian's alternatives all end in libblas.so.3.
std::string short_path(const std::string& path) {
  const std::size_t last = path.rfind('/');
  if (last == std::string::npos || last == 0) return path;
  const std::size_t before = path.rfind('/', last - 1);
  return before == std::string::npos ? path : path.substr(before + 1);
}

std::string describe(void* library, const std::string& path) {
  if (const auto config = symbol<const char* (*)()>(library, "openblas_get_config")) {
    std::istringstream words(config());
    std::string product, version;
    words >> product >> version;
    return product + ' ' + version;
  }
  if (const auto version = symbol<const char* (*)()>(library, "bli_info_get_version_str")) {
    return std::string("BLIS ") + version();
  }
  return short_path(path);
}

}  // namespace

void set_blas_environment(int threads) {
  const std::string count = std::to_string(threads);
  for (const char* variable :
       {"OPENBLAS_NUM_THREADS", "BLIS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"}) {
    setenv(variable, count.c_str(), 1);
  }
}

Blas::Blas(const std::string& path, int threads) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* reason = dlerror();
    throw std::runtime_error("--vs: cannot open the library: " +
                             (reason == nullptr ? path : std::string(reason)));
  }
  sgemm_ = symbol<CblasGemm<float>>(library, "cblas_sgemm");
  dgemm_ = symbol<CblasGemm<double>>(library, "cblas_dgemm");
  if (sgemm_ == nullptr || dgemm_ == nullptr) {
    throw std::runtime_error("--vs: " + path + " has no cblas_sgemm and cblas_dgemm");
  }
  name_ = describe(library, path);
  for (const char* setter : {"openblas_set_num_threads", "MKL_Set_Num_Threads"}) {
    if (const auto set = symbol<void (*)(int)>(library, setter)) set(threads);
  }
}

}  // namespace nnkernels::bench
