// A matrix that somebody else owns: a pointer, two sizes and two strides.
#ifndef NNKERNELS_KERNELS_MATRIX_VIEW_H_
#define NNKERNELS_KERNELS_MATRIX_VIEW_H_

#include <cstdint>
#include <type_traits>

namespace nnkernels {

/// Element (i, j) is `data[i * row_stride + j * col_stride]`, strides counted in elements.
///
/// A transposed operand is the same memory with the strides swapped, so no function needs a
/// transpose flag; a sub-matrix is a moved pointer. The view neither owns nor frees anything.
///
///     MatrixView<float> w(weights, in, out);   // row-major [in][out]
///     gemm(1.0f, dy, w.transposed(), 0.0f, dx);
template <class T>
struct MatrixView {
  T* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t row_stride = 0;
  std::int64_t col_stride = 1;

  MatrixView() = default;

  /// A dense row-major matrix.
  MatrixView(T* data_, std::int64_t rows_, std::int64_t cols_)
      : MatrixView(data_, rows_, cols_, cols_, 1) {}

  MatrixView(T* data_, std::int64_t rows_, std::int64_t cols_, std::int64_t row_stride_,
             std::int64_t col_stride_ = 1)
      : data(data_), rows(rows_), cols(cols_), row_stride(row_stride_), col_stride(col_stride_) {}

  /// A view of mutable elements converts to a view of constant ones.
  template <class U>
  // As with pointers. NOLINTNEXTLINE(google-explicit-constructor)
  requires std::is_same_v<const U, T> MatrixView(const MatrixView<U>& other)
      : MatrixView(other.data, other.rows, other.cols, other.row_stride, other.col_stride) {}

  MatrixView transposed() const { return {data, cols, rows, col_stride, row_stride}; }

  /// Rows [first, first + count) of this matrix.
  MatrixView row_block(std::int64_t first, std::int64_t count) const {
    return {data + first * row_stride, count, cols, row_stride, col_stride};
  }

  /// Columns [first, first + count).
  MatrixView col_block(std::int64_t first, std::int64_t count) const {
    return {data + first * col_stride, rows, count, row_stride, col_stride};
  }

  T& operator()(std::int64_t i, std::int64_t j) const {
    return data[i * row_stride + j * col_stride];
  }
};

}  // namespace nnkernels

#endif  // NNKERNELS_KERNELS_MATRIX_VIEW_H_
