// GEMM under the names of the BLAS, for programs that are linked to any BLAS: libnnblas.so.
//
//     LD_PRELOAD=libnnblas.so python3 train.py
//
// Values and errors are those of the reference BLAS (J. Dongarra et al., "A set of level 3 basic
// linear algebra subprograms", 1990; NaN and Inf as kernels/gemm.h says): bad arguments go to
// xerbla_ or cblas_xerbla of the program or its BLAS, and nothing is computed. Integers have 32
// bits. Threads and instruction set: NNKERNELS_THREADS, NNKERNELS_PIN, NNKERNELS_SIMD. May be
// called from several threads. The program ends with a message if there is no memory, or if C
// overlaps A or B, which the BLAS forbids.
#ifndef NNKERNELS_BLAS_BLAS_H_
#define NNKERNELS_BLAS_BLAS_H_

extern "C" {

/// C = alpha op(A) op(B) + beta C, by columns; op is the matrix itself ("N") or its transpose ("T",
/// "C"). C is m x n, op(A) is m x k, element (i, j) of A is a[i + j * lda].
void sgemm_(const char* transa, const char* transb, const int* m, const int* n, const int* k,
            const float* alpha, const float* a, const int* lda, const float* b, const int* ldb,
            const float* beta, float* c, const int* ldc);
void dgemm_(const char* transa, const char* transb, const int* m, const int* n, const int* k,
            const double* alpha, const double* a, const int* lda, const double* b, const int* ldb,
            const double* beta, double* c, const int* ldc);

/// The same from C: order is 101 by rows or 102 by columns, transa and transb are 111 (no), 112 or
/// 113 (transposed).
void cblas_sgemm(int order, int transa, int transb, int m, int n, int k, float alpha,
                 const float* a, int lda, const float* b, int ldb, float beta, float* c, int ldc);
void cblas_dgemm(int order, int transa, int transb, int m, int n, int k, double alpha,
                 const double* a, int lda, const double* b, int ldb, double beta, double* c,
                 int ldc);

}  // extern "C"

#endif  // NNKERNELS_BLAS_BLAS_H_
