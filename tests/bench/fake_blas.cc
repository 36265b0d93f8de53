// A small BLAS for the test of `nnbench gemm --vs`: right, or wrong if NNBENCH_FAKE_WRONG is set.
#include <cstdlib>

namespace {

constexpr int kTrans = 112;

template <class T>
void multiply(int transpose_a, int transpose_b, int m, int n, int k, T alpha, const T* a, int lda,
              const T* b, int ldb, T* c, int ldc) {
  const T error = std::getenv("NNBENCH_FAKE_WRONG") == nullptr ? T{0} : T{1};
  for (int i = 0; i < m; ++i) {
    for (int j = 0; j < n; ++j) {
      T sum = error;
      for (int p = 0; p < k; ++p) {
        sum += a[transpose_a == kTrans ? p * lda + i : i * lda + p] *
               b[transpose_b == kTrans ? j * ldb + p : p * ldb + j];
      }
      c[i * ldc + j] = alpha * sum;
    }
  }
}

}  // namespace

extern "C" {

void cblas_sgemm(int /*order*/, int transpose_a, int transpose_b, int m, int n, int k, float alpha,
                 const float* a, int lda, const float* b, int ldb, float /*beta*/, float* c,
                 int ldc) {
  multiply(transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, c, ldc);
}

void cblas_dgemm(int /*order*/, int transpose_a, int transpose_b, int m, int n, int k, double alpha,
                 const double* a, int lda, const double* b, int ldb, double /*beta*/, double* c,
                 int ldc) {
  multiply(transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, c, ldc);
}

}  // extern "C"
