// Many matrix products of one shape.
#ifndef NNKERNELS_KERNELS_GEMM_BATCHED_H_
#define NNKERNELS_KERNELS_GEMM_BATCHED_H_

#include <cstdint>
#include <type_traits>

#include "kernels/activation.h"
#include "kernels/matrix_view.h"

namespace nnkernels {

/// C_i = activation(alpha A_i B_i + beta C_i + bias) for i in [0, batch), with A_i of m x k, B_i of
/// k x n, C_i of m x n.
///
/// `a`, `b` and `c` describe the first of each; those of product i have the same shape and strides
/// and begin i * a_stride, i * b_stride, i * c_stride elements later. Stride 0 for A or B: all
/// products share it. Strides may be negative. The heads of an attention layer, interleaved in rows
/// of heads * d elements, are views of row stride heads * d and batch stride d.
///
/// Each product is that of gemm() in kernels/gemm.h, its values, precision and errors included. The
/// bias is the same for all. When all share B and the rows of the A_i and of the C_i follow each
/// other, it is one product of batch * m rows.
///
/// Threads: shared by products, or within each where they are few and large. The bits do not depend
/// on it. Aliasing: no C_i may overlap another one, or any A_i or B_i.
///
/// Throws std::invalid_argument, before any work, if batch is negative, for what gemm() refuses in
/// any of the products, if a batch stride reaches further than memory can, and if two C_i are known
/// to share memory: where a step of one of the strides of C, c_stride included, is as far as some
/// steps of another. Other ways are not found. T is float or double, deduced from C.
///
///     // scores[h] = q[h] k[h]^T, q and k of [tokens][heads][d]
///     gemm_batched(heads, 1.0f, MatrixView<float>(q, tokens, d, heads * d), d,
///                  MatrixView<float>(k, tokens, d, heads * d).transposed(), d, 0.0f,
///                  MatrixView<float>(scores, tokens, tokens), tokens * tokens);
template <class T>
void gemm_batched(std::int64_t batch, std::type_identity_t<T> alpha,
                  const std::type_identity_t<MatrixView<const T>>& a, std::int64_t a_stride,
                  const std::type_identity_t<MatrixView<const T>>& b, std::int64_t b_stride,
                  std::type_identity_t<T> beta, const MatrixView<T>& c, std::int64_t c_stride,
                  const std::type_identity_t<Epilogue<T>>& epilogue = {});

}  // namespace nnkernels

#endif  // NNKERNELS_KERNELS_GEMM_BATCHED_H_
