// A library to preload before libnnblas.so: counts the calls that reach each of its four names, and
// when the program ends appends a line "NAME COUNT OWNER" for each to the file $COUNT_CALLS. OWNER
// is the library that the calls went on to.
#include <dlfcn.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <type_traits>

#include "blas/blas.h"

namespace {

struct Routine {
  const char* name;
  void* next = nullptr;
  std::atomic<long> calls = 0;
};

std::array<Routine, 4> routines = {{{"sgemm_"}, {"dgemm_"}, {"cblas_sgemm"}, {"cblas_dgemm"}}};

/// The next library's function of that name.
template <class Function, class... Arguments>
void pass_on(Routine& routine, Function* /*of the same type*/, Arguments... arguments) {
  ++routine.calls;
  reinterpret_cast<Function*>(routine.next)(arguments...);
}

[[gnu::constructor]] void find_next() {
  for (Routine& routine : routines) routine.next = dlsym(RTLD_NEXT, routine.name);
}

[[gnu::destructor]] void report() {
  const char* const path = std::getenv("COUNT_CALLS");
  std::FILE* const file = path == nullptr ? nullptr : std::fopen(path, "a");
  if (file == nullptr) return;
  for (const Routine& routine : routines) {
    Dl_info info{};
    const bool found = routine.next != nullptr && dladdr(routine.next, &info) != 0;
    std::fprintf(file, "%s %ld %s\n", routine.name, routine.calls.load(),
                 found ? info.dli_fname : "none");
  }
  std::fclose(file);
}

}  // namespace

void sgemm_(const char* transa, const char* transb, const int* m, const int* n, const int* k,
            const float* alpha, const float* a, const int* lda, const float* b, const int* ldb,
            const float* beta, float* c, const int* ldc) {
  pass_on(routines[0], sgemm_, transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

void dgemm_(const char* transa, const char* transb, const int* m, const int* n, const int* k,
            const double* alpha, const double* a, const int* lda, const double* b, const int* ldb,
            const double* beta, double* c, const int* ldc) {
  pass_on(routines[1], dgemm_, transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

void cblas_sgemm(int order, int transa, int transb, int m, int n, int k, float alpha,
                 const float* a, int lda, const float* b, int ldb, float beta, float* c, int ldc) {
  pass_on(routines[2], cblas_sgemm, order, transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c,
          ldc);
}

void cblas_dgemm(int order, int transa, int transb, int m, int n, int k, double alpha,
                 const double* a, int lda, const double* b, int ldb, double beta, double* c,
                 int ldc) {
  pass_on(routines[3], cblas_dgemm, order, transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c,
          ldc);
}
