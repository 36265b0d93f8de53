// Shared libraries that are opened at run time.
#ifndef NNKERNELS_BENCH_LIBRARY_H_
#define NNKERNELS_BENCH_LIBRARY_H_

#include <dlfcn.h>

#include <string>

#include "bench/options.h"

namespace nnkernels::bench {

/// Asks every library that is opened later, by the environment variables that they read when they
/// start, for up to options' threads, for OpenMP threads bound to CPUs unless --no-pin, and, where
/// AVX2 is in use (kernels/simd.h), for no more than that. What the user has set is left alone, but
/// for the number of threads.
void set_library_environment(const CommonOptions& options);

/// dlopen() on all CPUs of the process; nullptr if there is no such library, and `reason` says why.
void* open_library(const std::string& path, std::string& reason);

/// The path of a file in the folder that nnbench itself is in.
std::string beside_nnbench(const std::string& file);

/// The function of that name in a library, or nullptr.
template <class Function>
Function symbol(void* library, const char* name) {
  return reinterpret_cast<Function>(dlsym(library, name));
}

/// Whether the library runs its threads with OpenMP.
bool uses_openmp(void* library);

/// Sets the threads of a library, and of the OpenMP runtime that it uses, by every function for
/// that which they have.
void set_library_threads(void* library, int threads);

}  // namespace nnkernels::bench

#endif  // NNKERNELS_BENCH_LIBRARY_H_
