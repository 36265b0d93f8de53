#include "kernels/gemm_check.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace nnkernels::detail {
namespace {

std::string shape(std::int64_t rows, std::int64_t cols) {
  return std::to_string(rows) + "x" + std::to_string(cols);
}

/// Whether two views share an element for certain: the same row stride decides exactly, other
/// strides only if the address ranges are apart.
template <class T>
bool overlap(MatrixView<const T> x, MatrixView<const T> c) {
  if (x.rows == 0 || x.cols == 0 || x.col_stride != 1 || c.col_stride != 1 ||
      x.row_stride != c.row_stride || x.row_stride <= 0) {
    return x.data == c.data && x.rows > 0 && x.cols > 0;
  }
  // Rows of c start `shift` columns right of rows of x, seen in the row they fall into.
  const std::ptrdiff_t distance = c.data - x.data;
  if (distance >= x.rows * x.row_stride || -distance >= c.rows * c.row_stride) return false;
  std::ptrdiff_t row = distance / x.row_stride;
  std::ptrdiff_t shift = distance % x.row_stride;
  if (shift < 0) {
    shift += x.row_stride;
    --row;
  }
  const bool same_rows = row < x.rows && row + c.rows > 0;
  const bool next_rows = row + 1 < x.rows && row + 1 + c.rows > 0;
  return (same_rows && shift < x.cols) || (next_rows && shift + c.cols > x.row_stride);
}

/// Whether a step of one stride is known to be as far as some steps of the other, within the sizes.
bool collide(std::int64_t stride, std::int64_t size, std::int64_t other_stride,
             std::int64_t other_size) {
  // The sign does not matter, and the quotient of the least integer and -1 has no place in 64 bits.
  const auto length = [](std::int64_t s) {
    return s < 0 ? 0 - static_cast<std::uint64_t>(s) : static_cast<std::uint64_t>(s);
  };
  const auto within = [&](std::int64_t s, std::int64_t n, std::int64_t other,
                          std::int64_t other_n) {
    if (n <= 1) return false;
    if (s == 0) return true;
    return other_n > 1 && length(other) % length(s) == 0 &&
           length(other) / length(s) < static_cast<std::uint64_t>(n);
  };
  return within(stride, size, other_stride, other_size) ||
         within(other_stride, other_size, stride, size);
}

}  // namespace

template <class T>
bool fits_memory(const MatrixView<T>& x, std::int64_t batch, std::int64_t stride) {
  std::int64_t before = 0, behind = 0;  // bytes from the first element to the furthest ones
  const auto reaches = [&](std::int64_t size, std::int64_t step) {
    std::int64_t bytes = 0;
    if (__builtin_mul_overflow(size - 1, step, &bytes) ||
        __builtin_mul_overflow(bytes, static_cast<std::int64_t>(sizeof(T)), &bytes)) {
      return false;
    }
    std::int64_t& furthest = bytes < 0 ? before : behind;
    return !__builtin_add_overflow(furthest, bytes, &furthest);
  };
  return reaches(x.rows, x.row_stride) && reaches(x.cols, x.col_stride) && reaches(batch, stride);
}

template <class T>
void check_gemm(const char* function, T alpha, const MatrixView<const T>& a,
                const MatrixView<const T>& b, const MatrixView<T>& c) {
  const auto fail = [&](const std::string& what) {
    throw std::invalid_argument(std::string(function) + ": " + what + " (A is " +
                                shape(a.rows, a.cols) + ", B is " + shape(b.rows, b.cols) +
                                ", C is " + shape(c.rows, c.cols) + ")");
  };
  if (std::min({a.rows, a.cols, b.rows, b.cols, c.rows, c.cols}) < 0) fail("a size is negative");
  if (a.cols != b.rows) fail("A's columns must be as many as B's rows");
  if (c.rows != a.rows) fail("C must have as many rows as A");
  if (c.cols != b.cols) fail("C must have as many columns as B");
  if (c.rows == 0 || c.cols == 0) return;
  if (c.data == nullptr) fail("C is a null pointer");
  if (!fits_memory(c)) fail("the strides of C reach further than memory can");
  if (collide(c.row_stride, c.rows, c.col_stride, c.cols)) {
    fail("two elements of C share memory: strides " + std::to_string(c.row_stride) + ", " +
         std::to_string(c.col_stride));
  }
  if (a.cols == 0 || alpha == T{0}) return;
  if (a.data == nullptr) fail("A is a null pointer");
  if (b.data == nullptr) fail("B is a null pointer");
  if (!fits_memory(a) || !fits_memory(b)) fail("strides of A or B reach further than memory can");
  if (overlap<T>(a, c)) fail("C overlaps A");
  if (overlap<T>(b, c)) fail("C overlaps B");
}

template <class T>
void check_batch(const char* function, std::int64_t batch, const MatrixView<T>& c,
                 std::int64_t stride) {
  if (!collide(stride, batch, c.row_stride, c.rows) &&
      !collide(stride, batch, c.col_stride, c.cols)) {
    return;
  }
  throw std::invalid_argument(std::string(function) + ": two of the " + std::to_string(batch) +
                              " C share memory: each is " + shape(c.rows, c.cols) + ", strides " +
                              std::to_string(c.row_stride) + ", " + std::to_string(c.col_stride) +
                              ", from one to the next " + std::to_string(stride));
}

template bool fits_memory(const MatrixView<const float>&, std::int64_t, std::int64_t);
template bool fits_memory(const MatrixView<const double>&, std::int64_t, std::int64_t);
template bool fits_memory(const MatrixView<float>&, std::int64_t, std::int64_t);
template bool fits_memory(const MatrixView<double>&, std::int64_t, std::int64_t);
template void check_batch<float>(const char*, std::int64_t, const MatrixView<float>&, std::int64_t);
template void check_batch<double>(const char*, std::int64_t, const MatrixView<double>&,
                                  std::int64_t);
template void check_gemm<float>(const char*, float, const MatrixView<const float>&,
                                const MatrixView<const float>&, const MatrixView<float>&);
template void check_gemm<double>(const char*, double, const MatrixView<const double>&,
                                 const MatrixView<const double>&, const MatrixView<double>&);

}  // namespace nnkernels::detail
