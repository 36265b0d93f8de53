#include "blas/blas.h"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string_view>
#include <utility>

#include "kernels/gemm.h"

// The program or its BLAS may have these; where neither has, there is a message of our own.
extern "C" {
[[gnu::weak]] void xerbla_(const char* name, const int* info, std::size_t name_length);
[[gnu::weak]] void cblas_xerbla(int info, const char* name, const char* format, ...);
}

namespace nnkernels {
namespace {

/// A call by columns; an operand with `t` is transposed.
template <class T>
struct Call {
  bool at = false, bt = false;
  int m = 0, n = 0, k = 0;
  T alpha = 0;
  const T* a = nullptr;
  int lda = 0;
  const T* b = nullptr;
  int ldb = 0;
  T beta = 0;
  T* c = nullptr;
  int ldc = 0;
};

/// The place of the first bad argument in the Fortran routine, from 3 on; 0 if all are good.
template <class T>
int bad_argument(const Call<T>& call) {
  if (call.m < 0) return 3;
  if (call.n < 0) return 4;
  if (call.k < 0) return 5;
  if (call.lda < std::max(1, call.at ? call.k : call.m)) return 8;
  if (call.ldb < std::max(1, call.bt ? call.n : call.k)) return 10;
  if (call.ldc < std::max(1, call.m)) return 13;
  return 0;
}

template <class T>
void run(const char* name, const Call<T>& call) {
  // By rows, as the kernels like it: C' = op(B)' op(A)'.
  const MatrixView<const T> left(call.b, call.n, call.k, call.bt ? 1 : call.ldb,
                                 call.bt ? call.ldb : 1);
  const MatrixView<const T> right(call.a, call.k, call.m, call.at ? 1 : call.lda,
                                  call.at ? call.lda : 1);
  const MatrixView<T> c(call.c, call.n, call.m, call.ldc);
  try {
    gemm(call.alpha, left, right, call.beta, c);
  } catch (const std::exception& error) {
    // The caller is C or Fortran, and has no way to learn of this.
    std::fprintf(stderr, "libnnblas: %s: %s\n", name, error.what());
    std::abort();
  }
}

/// Whether op says to transpose, 0 or 1; -1 if it says nothing.
int transposes(char op) {
  if (op == 'N' || op == 'n') return 0;
  return std::string_view("TtCc").find(op) == std::string_view::npos ? -1 : 1;
}
int transposes(int op) {
  if (op == 111) return 0;
  return op == 112 || op == 113 ? 1 : -1;
}

template <class T>
void fortran_gemm(const char* name, const char* transa, const char* transb, Call<T> call) {
  const int at = transposes(*transa), bt = transposes(*transb);
  call.at = at == 1;
  call.bt = bt == 1;
  const int info = at < 0 ? 1 : bt < 0 ? 2 : bad_argument(call);
  if (info == 0) return run(name, call);
  if (xerbla_ != nullptr) return xerbla_(name, &info, std::string_view(name).size());
  std::fprintf(stderr, "libnnblas: %s: argument %d is bad\n", name, info);
}

template <class T>
void c_gemm(const char* name, int order, int transa, int transb, Call<T> call) {
  constexpr int kByRows = 101, kByColumns = 102;
  const int at = transposes(transa), bt = transposes(transb);
  call.at = at == 1;
  call.bt = bt == 1;
  if (order == kByRows) {
    // By columns this is C' = op(B)' op(A)'. Bad arguments are counted as that call has them, which
    // is what the reference BLAS does and programs therefore expect.
    std::swap(call.at, call.bt);
    std::swap(call.m, call.n);
    std::swap(call.a, call.b);
    std::swap(call.lda, call.ldb);
  }
  int info = 0;
  if (order != kByRows && order != kByColumns) {
    info = 1;
  } else if (at < 0) {
    info = 2;
  } else if (bt < 0) {
    info = 3;
  } else if (const int bad = bad_argument(call); bad != 0) {
    info = bad + 1;  // after `order`
  }
  if (info == 0) return run(name, call);
  if (cblas_xerbla != nullptr) return cblas_xerbla(info, name, "");
  std::fprintf(stderr, "libnnblas: %s: argument %d is bad\n", name, info);
}

}  // namespace
}  // namespace nnkernels

extern "C" {

void sgemm_(const char* transa, const char* transb, const int* m, const int* n, const int* k,
            const float* alpha, const float* a, const int* lda, const float* b, const int* ldb,
            const float* beta, float* c, const int* ldc) {
  nnkernels::fortran_gemm<float>(
      "SGEMM ", transa, transb,
      {false, false, *m, *n, *k, *alpha, a, *lda, b, *ldb, *beta, c, *ldc});
}

void dgemm_(const char* transa, const char* transb, const int* m, const int* n, const int* k,
            const double* alpha, const double* a, const int* lda, const double* b, const int* ldb,
            const double* beta, double* c, const int* ldc) {
  nnkernels::fortran_gemm<double>(
      "DGEMM ", transa, transb,
      {false, false, *m, *n, *k, *alpha, a, *lda, b, *ldb, *beta, c, *ldc});
}

void cblas_sgemm(int order, int transa, int transb, int m, int n, int k, float alpha,
                 const float* a, int lda, const float* b, int ldb, float beta, float* c, int ldc) {
  nnkernels::c_gemm<float>("cblas_sgemm", order, transa, transb,
                           {false, false, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc});
}

void cblas_dgemm(int order, int transa, int transb, int m, int n, int k, double alpha,
                 const double* a, int lda, const double* b, int ldb, double beta, double* c,
                 int ldc) {
  nnkernels::c_gemm<double>("cblas_dgemm", order, transa, transb,
                            {false, false, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc});
}

}  // extern "C"
