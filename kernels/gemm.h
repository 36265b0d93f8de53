// Matrix product: C = activation(alpha A B + beta C + bias).
#ifndef NNKERNELS_KERNELS_GEMM_H_
#define NNKERNELS_KERNELS_GEMM_H_

#include <type_traits>

#include "kernels/activation.h"
#include "kernels/matrix_view.h"

namespace nnkernels {

/// C = activation(alpha A B + beta C + bias), with A of m x k, B of k x n, C of m x n.
///
/// Layout: any strides (transposes are views). Fastest when C's rows are contiguous
/// (col_stride 1); A and B cost the same in any layout but for packing.
///
/// Values, as in the BLAS: beta = 0 never reads C (it may hold NaN or be uninitialised); alpha = 0
/// never reads A or B; otherwise NaN and Inf propagate. m = 0 or n = 0 does nothing; k = 0 gives
/// activation(beta C + bias). Gaps between rows are never touched. Denormals are honoured. ReLU
/// leaves NaN and -0 as they are (activation.h).
///
/// Aliasing: A and B may overlap each other, C must overlap neither. `epilogue.bias` has n
/// elements.
///
/// Precision and order: each element of A B is a sum over k in ascending order, in blocks whose
/// length k decides (docs/gemm.md), each block one chain of fused multiply-adds that starts from
/// zero; where the instruction set has no FMA, of multiplications and additions. As their shape and
/// layout decide, products with few rows or columns may be summed by vectors along k instead, and
/// long sums of a small C in pieces of k that are added in the end.
/// |error| <= gamma_(k+3) * (|alpha| |A| |B| + |beta C|) element by element. For one instruction
/// set the result bits do not depend on the number of threads or on alignment.
///
/// Threads: shared with parallel_for where it pays. Allocates only when a thread's scratch memory
/// must grow for a larger shape than it has seen.
///
/// Throws std::invalid_argument if the shapes do not fit, a pointer is null where elements are
/// read or written, strides reach further than memory can, or C is known to overlap A or B or
/// itself: where a step of one of its strides is as far as some steps of the other. Other ways for
/// elements of C to share memory are not found (3 x 4 with strides 3 and 2); the result is then
/// not defined.
///
/// T is float or double, deduced from C.
///
///     gemm(1.0f, x, w, 0.0f, y, {.bias = b, .activation = Activation::relu});
///
/// An operand B that many products share: kernels/gemm_packed.h. Many products of one shape:
/// kernels/gemm_batched.h.
///
/// Source of the method: K. Goto and R. van de Geijn, "Anatomy of High-Performance Matrix
/// Multiplication" (2008); F. Van Zee and R. van de Geijn, "BLIS" (2015).
template <class T>
void gemm(std::type_identity_t<T> alpha, const std::type_identity_t<MatrixView<const T>>& a,
          const std::type_identity_t<MatrixView<const T>>& b, std::type_identity_t<T> beta,
          const MatrixView<T>& c, const std::type_identity_t<Epilogue<T>>& epilogue = {});

}  // namespace nnkernels

#endif  // NNKERNELS_KERNELS_GEMM_H_
