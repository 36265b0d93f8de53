// A matrix product of another library, opened at run time, to race against.
#ifndef NNKERNELS_BENCH_BLAS_H_
#define NNKERNELS_BENCH_BLAS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <type_traits>
#include <vector>

namespace nnkernels::bench {

/// The C interface of the BLAS (cblas.h) for row-major matrices; its enumerations are ints.
template <class T>
using CblasGemm = void (*)(int order, int transpose_a, int transpose_b, int m, int n, int k,
                           T alpha, const T* a, int lda, const T* b, int ldb, T beta, T* c,
                           int ldc);
inline constexpr int kCblasRowMajor = 101;
inline constexpr int kCblasNoTrans = 111;
inline constexpr int kCblasTrans = 112;

/// The Fortran interface: column-major, all arguments by reference.
template <class T>
using FortranGemm = void (*)(const char* transpose_a, const char* transpose_b, const int* m,
                             const int* n, const int* k, const T* alpha, const T* a, const int* lda,
                             const T* b, const int* ldb, const T* beta, T* c, const int* ldc);

/// oneDNN's dnnl_sgemm: row-major. The result is a status, 0 for success.
using DnnlGemm = int (*)(char transpose_a, char transpose_b, std::int64_t m, std::int64_t n,
                         std::int64_t k, float alpha, const float* a, std::int64_t lda,
                         const float* b, std::int64_t ldb, float beta, float* c, std::int64_t ldc);

/// What a library has for one type; at most one is not null, and none if it has nothing.
template <class T>
struct GemmFunctions {
  CblasGemm<T> cblas = nullptr;
  FortranGemm<T> fortran = nullptr;
  DnnlGemm dnnl = nullptr;  // float only

  bool any() const { return cblas != nullptr || fortran != nullptr || dnnl != nullptr; }
};

/// A library opened with dlopen. It is never closed: its threads may still run.
class Blas {
 public:
  /// `which` is the path of a BLAS with 32-bit sizes (cblas_sgemm or sgemm_), "onednn" or "eigen".
  /// Throws std::runtime_error, saying what is missing and which package has it, if the library
  /// cannot be opened or has no matrix product.
  explicit Blas(const std::string& which);

  /// "OpenBLAS", "BLIS", "oneDNN", "Eigen" if the library tells, else its file's name.
  const std::string& name() const { return name_; }
  /// Name, version and path.
  const std::string& description() const { return description_; }

  bool uses_openmp() const;
  /// By the library's own function, if it has one.
  void set_threads(int threads) const;

  template <class T>
  const GemmFunctions<T>& gemm() const {
    if constexpr (std::is_same_v<T, float>) {
      return f32_;
    } else {
      return f64_;
    }
  }

 private:
  void describe(const std::string& path);

  void* library_ = nullptr;
  std::string name_;
  std::string description_;
  GemmFunctions<float> f32_;
  GemmFunctions<double> f64_;
};

}  // namespace nnkernels::bench

#endif  // NNKERNELS_BENCH_BLAS_H_
