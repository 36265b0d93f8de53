// The checks that every matrix product makes of its arguments. Internal to kernels/.
#ifndef NNKERNELS_KERNELS_GEMM_CHECK_H_
#define NNKERNELS_KERNELS_GEMM_CHECK_H_

#include <cstdint>
#include <functional>

#include "kernels/matrix_view.h"

namespace nnkernels::detail {

/// Throws the std::invalid_argument that kernels/gemm.h promises, in the name of `function`, unless
/// C = alpha A B + beta C can be computed.
template <class T>
void check_gemm(const char* function, T alpha, const MatrixView<const T>& a,
                const MatrixView<const T>& b, const MatrixView<T>& c);

/// Whether the distances between the elements of `batch` matrices like `x`, one `stride` elements
/// behind the other, are numbers of bytes. Nothing may be empty.
template <class T>
bool fits_memory(const MatrixView<T>& x, std::int64_t batch = 1, std::int64_t stride = 0);

/// Throws std::invalid_argument in the name of `function` if two of `batch` matrices like `c`, the
/// one `stride` elements behind the other, are known to share memory.
template <class T>
void check_batch(const char* function, std::int64_t batch, const MatrixView<T>& c,
                 std::int64_t stride);

/// Whether a glance shows that check_gemm() would accept the arguments: nothing is empty, C has
/// contiguous rows, and its memory lies apart from A's and B's. For a product of 4 x 4 matrices the
/// full checks would cost more than the product. What is negative or has 2^29 or more of anything,
/// so that a distance might be no number of bytes, is none for a glance.
template <class T>
bool is_plainly_fine(const MatrixView<const T>& a, const MatrixView<const T>& b,
                     const MatrixView<T>& c) {
  constexpr std::uint64_t kMost = 1 << 29;
  // Zero, or not too large, if all of them are: one branch instead of a dozen.
  const std::int64_t unequal =
      (a.cols ^ b.rows) | (c.rows ^ a.rows) | (c.cols ^ b.cols) | (c.col_stride ^ 1);
  const std::int64_t large = (a.rows - 1) | (a.cols - 1) | (b.cols - 1) |
                             (c.row_stride < c.cols ? -1 : c.row_stride) | a.row_stride |
                             a.col_stride | b.row_stride | b.col_stride;
  if (unequal != 0 || static_cast<std::uint64_t>(large) >= kMost) return false;
  if (a.data == nullptr || b.data == nullptr || c.data == nullptr) return false;
  const T* const c_end = c.data + (c.rows - 1) * c.row_stride + c.cols;
  const auto apart = [&](const MatrixView<const T>& x) {
    const T* const end = x.data + (x.rows - 1) * x.row_stride + (x.cols - 1) * x.col_stride + 1;
    return std::less_equal<const T*>()(end, c.data) || std::less_equal<const T*>()(c_end, x.data);
  };
  return apart(a) && apart(b);
}

}  // namespace nnkernels::detail

#endif  // NNKERNELS_KERNELS_GEMM_CHECK_H_
