// Eigen behind the C interface of the BLAS: a library for `nnbench gemm --vs eigen`, built once for
// each instruction set, as Eigen chooses its own when it is compiled.
#include <Eigen/Core>

#include "bench/blas.h"

namespace {

using Eigen::Dynamic;

template <class T>
using Matrix = Eigen::Matrix<T, Dynamic, Dynamic, Eigen::RowMajor>;
template <class T>
using View = Eigen::Map<T, Eigen::Unaligned, Eigen::OuterStride<>>;

/// c = alpha a b + beta c.
template <class T, class A, class B>
void multiply(T alpha, const A& a, const B& b, T beta, View<Matrix<T>> c) {
  if (beta == T{0}) {
    c.noalias() = alpha * (a * b);
  } else {
    c *= beta;
    c.noalias() += alpha * (a * b);
  }
}

template <class T>
void gemm(bool transpose_a, bool transpose_b, int m, int n, int k, T alpha, const T* a, int lda,
          const T* b, int ldb, T beta, T* c, int ldc) {
  using Operand = View<const Matrix<T>>;
  const Operand a_view(a, transpose_a ? k : m, transpose_a ? m : k, Eigen::OuterStride<>(lda));
  const Operand b_view(b, transpose_b ? n : k, transpose_b ? k : n, Eigen::OuterStride<>(ldb));
  const View<Matrix<T>> c_view(c, m, n, Eigen::OuterStride<>(ldc));
  if (transpose_a && transpose_b) {
    multiply(alpha, a_view.transpose(), b_view.transpose(), beta, c_view);
  } else if (transpose_a) {
    multiply(alpha, a_view.transpose(), b_view, beta, c_view);
  } else if (transpose_b) {
    multiply(alpha, a_view, b_view.transpose(), beta, c_view);
  } else {
    multiply(alpha, a_view, b_view, beta, c_view);
  }
}

}  // namespace

extern "C" {

#pragma GCC visibility push(default)
const char* nnbench_eigen_version();
// Row-major only, which is all that nnbench asks for.
void cblas_sgemm(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha,
                 const float* a, int lda, const float* b, int ldb, float beta, float* c, int ldc);
void cblas_dgemm(int order, int transpose_a, int transpose_b, int m, int n, int k, double alpha,
                 const double* a, int lda, const double* b, int ldb, double beta, double* c,
                 int ldc);
#pragma GCC visibility pop

const char* nnbench_eigen_version() { return NNBENCH_EIGEN_VERSION; }

void cblas_sgemm(int /*order*/, int transpose_a, int transpose_b, int m, int n, int k, float alpha,
                 const float* a, int lda, const float* b, int ldb, float beta, float* c, int ldc) {
  using nnkernels::bench::kCblasTrans;
  gemm(transpose_a == kCblasTrans, transpose_b == kCblasTrans, m, n, k, alpha, a, lda, b, ldb, beta,
       c, ldc);
}

void cblas_dgemm(int /*order*/, int transpose_a, int transpose_b, int m, int n, int k, double alpha,
                 const double* a, int lda, const double* b, int ldb, double beta, double* c,
                 int ldc) {
  using nnkernels::bench::kCblasTrans;
  gemm(transpose_a == kCblasTrans, transpose_b == kCblasTrans, m, n, k, alpha, a, lda, b, ldb, beta,
       c, ldc);
}

}  // extern "C"
