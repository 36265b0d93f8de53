// Matrices packed once for many products: the weights of a layer.
#ifndef NNKERNELS_KERNELS_GEMM_PACKED_H_
#define NNKERNELS_KERNELS_GEMM_PACKED_H_

#include <cstdint>
#include <type_traits>
#include <utility>

#include "kernels/activation.h"
#include "kernels/aligned_buffer.h"
#include "kernels/matrix_view.h"

namespace nnkernels {

/// A k x n matrix B in the order in which gemm() reads it, so that a product need not pack it
/// again.
///
/// Worth it where the same B meets several A, or where B's columns are contiguous (transposed
/// weights, as in dx = dy w^T) and A has few rows: packing then costs as much as the product.
///
///     PackedMatrix<float> w_transposed;
///     w_transposed.pack(MatrixView<const float>(w, in, out).transposed());  // after each update
///     gemm(1.0f, dy, w_transposed, 0.0f, dx);
///
/// Holds k * n elements and the zeros that fill up the last panel (less than two vectors a row), on
/// a cache line. Several threads may read it at once. T is float or double.
template <class T>
class PackedMatrix {
 public:
  /// 0 x 0.
  PackedMatrix() = default;
  explicit PackedMatrix(const MatrixView<const T>& b) { pack(b); }
  /// `other` becomes 0 x 0.
  PackedMatrix(PackedMatrix&& other) noexcept { *this = std::move(other); }
  /// Exchanges the two, as buffers do, so that each keeps the sizes of its memory.
  PackedMatrix& operator=(PackedMatrix&& other) noexcept {
    std::swap(panels_, other.panels_);
    std::swap(rows_, other.rows_);
    std::swap(cols_, other.cols_);
    std::swap(packed_for_, other.packed_for_);
    return *this;
  }
  PackedMatrix(const PackedMatrix&) = delete;
  PackedMatrix& operator=(const PackedMatrix&) = delete;
  ~PackedMatrix() = default;

  /// Takes a copy of B, of any strides, for the instruction set in use. Allocates only if the
  /// memory that it has is too small. Shared with parallel_for where it pays. Throws
  /// std::invalid_argument if a size is negative, if B would take 2^60 elements or more, if its
  /// strides reach further than memory can, and if `b` is a null pointer and not empty.
  void pack(const MatrixView<const T>& b);

  std::int64_t rows() const { return rows_; }  // k
  std::int64_t cols() const { return cols_; }  // n

 private:
  template <class U>
  friend void gemm(std::type_identity_t<U> alpha,
                   const std::type_identity_t<MatrixView<const U>>& a, const PackedMatrix<U>& b,
                   std::type_identity_t<U> beta, const MatrixView<U>& c,
                   const std::type_identity_t<Epilogue<U>>& epilogue);

  AlignedBuffer<T> panels_;
  std::int64_t rows_ = 0, cols_ = 0;
  const void* packed_for_ = nullptr;  // the tiles of the instruction set at that time
};

/// C = activation(alpha A B + beta C + bias), as gemm() of kernels/gemm.h in all but this: B is
/// packed, and must have been for the instruction set in use: after set_simd() it must be packed
/// again, or std::invalid_argument is thrown.
///
/// The bits are those of gemm() with the matrix itself, except for the thin shapes and the long
/// sums that gemm() adds up in another order (docs/gemm.md), and except for a C whose columns are
/// contiguous: gemm() computes its transpose, and scales and adds beta C in another place.
template <class T>
void gemm(std::type_identity_t<T> alpha, const std::type_identity_t<MatrixView<const T>>& a,
          const PackedMatrix<T>& b, std::type_identity_t<T> beta, const MatrixView<T>& c,
          const std::type_identity_t<Epilogue<T>>& epilogue = {});

}  // namespace nnkernels

#endif  // NNKERNELS_KERNELS_GEMM_PACKED_H_
