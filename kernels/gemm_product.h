// A matrix product whose arguments have been checked, and the choice of the way to compute it.
// Internal to kernels/.
#ifndef NNKERNELS_KERNELS_GEMM_PRODUCT_H_
#define NNKERNELS_KERNELS_GEMM_PRODUCT_H_

#include "kernels/activation.h"
#include "kernels/matrix_view.h"

namespace nnkernels::detail {

/// C = activation(alpha A B + beta C + bias), with arguments that are known to be good and C not
/// empty.
template <class T>
struct Product {
  T alpha;
  MatrixView<const T> a, b;
  T beta;
  MatrixView<T> c;
  Epilogue<T> epilogue;
  /// All of B in panels (pack_all), or null. Then only the sizes of `b` count.
  const T* packed_b = nullptr;
};

/// Computes the product, shared among threads where that pays.
template <class T>
void compute(const Product<T>& product);

/// From so many steps of k on, the sums of a small C are cut into pieces that threads can share.
inline constexpr std::int64_t kLongSum = 4096;

/// What compute() would take on one thread, in microseconds.
template <class T>
double estimated_microseconds(const Product<T>& product);

/// c[i, :] = activation(alpha * sums[i, :] + beta * c[i, :] + bias) for the layouts and shapes that
/// no tile stores itself; C may have any strides. No data in `sums` counts as zeros.
template <class T>
void finish(T alpha, const MatrixView<const T>& sums, T beta, const MatrixView<T>& c,
            const Epilogue<T>& epilogue);

}  // namespace nnkernels::detail

#endif  // NNKERNELS_KERNELS_GEMM_PRODUCT_H_
