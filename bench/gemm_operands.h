// The operands of one matrix product, and the work of multiplying them.
#ifndef NNKERNELS_BENCH_GEMM_OPERANDS_H_
#define NNKERNELS_BENCH_GEMM_OPERANDS_H_

#include "bench/data.h"
#include "bench/gemm_shapes.h"
#include "bench/runner.h"
#include "kernels/gemm.h"

namespace nnkernels::bench {

/// A and B of random numbers, stored as the shape says. Copies share the memory.
template <class T>
struct GemmOperands {
  explicit GemmOperands(const GemmShape& shape_)
      : shape(shape_),
        a(random_array<T>(shape.m * shape.k, 1)),
        b(random_array<T>(shape.k * shape.n, 2)) {}

  /// op(A), m x k.
  MatrixView<const T> a_view() const {
    return shape.transpose_a ? MatrixView<const T>(a.data(), shape.k, shape.m).transposed()
                             : MatrixView<const T>(a.data(), shape.m, shape.k);
  }
  /// op(B), k x n.
  MatrixView<const T> b_view() const {
    return shape.transpose_b ? MatrixView<const T>(b.data(), shape.n, shape.k).transposed()
                             : MatrixView<const T>(b.data(), shape.k, shape.n);
  }

  GemmShape shape;
  Array<T> a;
  Array<T> b;
};

/// c = op(A) op(B) by this library.
template <class T>
Work our_gemm(const GemmOperands<T>& operands, const Array<T>& c) {
  return timed([operands, c] {
    gemm(T{1}, operands.a_view(), operands.b_view(), T{0},
         MatrixView<T>(c.data(), operands.shape.m, operands.shape.n));
  });
}

/// The shape for scripts: layout, m, n, k.
Json gemm_parameters(const GemmShape& shape);

}  // namespace nnkernels::bench

#endif  // NNKERNELS_BENCH_GEMM_OPERANDS_H_
