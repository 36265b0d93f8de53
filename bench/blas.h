// A BLAS that is opened at run time, to race against.
#ifndef NNKERNELS_BENCH_BLAS_H_
#define NNKERNELS_BENCH_BLAS_H_

#include <string>
#include <type_traits>

namespace nnkernels::bench {

/// The C interface of the BLAS (cblas.h) for row-major matrices; its enumerations are ints.
template <class T>
using CblasGemm = void (*)(int order, int transpose_a, int transpose_b, int m, int n, int k,
                           T alpha, const T* a, int lda, const T* b, int ldb, T beta, T* c,
                           int ldc);
inline constexpr int kCblasRowMajor = 101;
inline constexpr int kCblasNoTrans = 111;
inline constexpr int kCblasTrans = 112;

/// Asks every BLAS that is opened later, by the environment variables that they read when they
/// start, to use that many threads.
void set_blas_environment(int threads);

/// A shared library with cblas_sgemm and cblas_dgemm (32-bit sizes).
class Blas {
 public:
  /// Opens `path` and sets its number of threads where it has a function for that. The library is
  /// never closed: its threads may still run. Throws std::runtime_error, naming the path, if it
  /// cannot be opened or one of the two functions is missing.
  Blas(const std::string& path, int threads);

  /// "OpenBLAS 0.3.21" if the library tells, else the end of its path.
  const std::string& name() const { return name_; }

  template <class T>
  CblasGemm<T> gemm() const {
    if constexpr (std::is_same_v<T, float>) {
      return sgemm_;
    } else {
      return dgemm_;
    }
  }

 private:
  std::string name_;
  CblasGemm<float> sgemm_ = nullptr;
  CblasGemm<double> dgemm_ = nullptr;
};

}  // namespace nnkernels::bench

#endif  // NNKERNELS_BENCH_BLAS_H_
