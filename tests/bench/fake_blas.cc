// A small BLAS for the tests of `nnbench gemm --vs`, behind the C or (FAKE_FORTRAN) the Fortran
// interface: right, unless NNBENCH_FAKE_WRONG is set or nobody set its number of threads.
#include <cstdlib>

namespace {

int threads = 0;

/// C = alpha op(A) op(B), row-major.
template <class T>
void multiply(bool transpose_a, bool transpose_b, int m, int n, int k, T alpha, const T* a, int lda,
              const T* b, int ldb, T* c, int ldc) {
  const bool right = threads > 0 && std::getenv("NNBENCH_FAKE_WRONG") == nullptr;
  for (int i = 0; i < m; ++i) {
    for (int j = 0; j < n; ++j) {
      T sum = right ? T{0} : T{1};
      for (int p = 0; p < k; ++p) {
        sum +=
            a[transpose_a ? p * lda + i : i * lda + p] * b[transpose_b ? j * ldb + p : p * ldb + j];
      }
      c[i * ldc + j] = alpha * sum;
    }
  }
}

}  // namespace

extern "C" {

const char* openblas_get_config() { return "Fake 1.2 for tests"; }

const char* openblas_get_corename() {
  const char* core = std::getenv("NNBENCH_FAKE_CORE");
  return core == nullptr ? "Test" : core;
}

void openblas_set_num_threads(int count) { threads = count; }

#ifdef FAKE_FORTRAN

// A column-major matrix is the transpose of a row-major one, and C' = op(B)' op(A)'.
void sgemm_(const char* transpose_a, const char* transpose_b, const int* m, const int* n,
            const int* k, const float* alpha, const float* a, const int* lda, const float* b,
            const int* ldb, const float* /*beta*/, float* c, const int* ldc) {
  multiply(*transpose_b == 'T', *transpose_a == 'T', *n, *m, *k, *alpha, b, *ldb, a, *lda, c, *ldc);
}

#else

constexpr int kTrans = 112;

void cblas_sgemm(int /*order*/, int transpose_a, int transpose_b, int m, int n, int k, float alpha,
                 const float* a, int lda, const float* b, int ldb, float /*beta*/, float* c,
                 int ldc) {
  multiply(transpose_a == kTrans, transpose_b == kTrans, m, n, k, alpha, a, lda, b, ldb, c, ldc);
}

void cblas_dgemm(int /*order*/, int transpose_a, int transpose_b, int m, int n, int k, double alpha,
                 const double* a, int lda, const double* b, int ldb, double /*beta*/, double* c,
                 int ldc) {
  multiply(transpose_a == kTrans, transpose_b == kTrans, m, n, k, alpha, a, lda, b, ldb, c, ldc);
}

#endif

}  // extern "C"
