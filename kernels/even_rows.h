// Pointers to a few rows of numbers. Internal to kernels/.
#ifndef NNKERNELS_KERNELS_EVEN_ROWS_H_
#define NNKERNELS_KERNELS_EVEN_ROWS_H_

#include <cstddef>
#include <type_traits>

#include "kernels/unroll.h"

namespace nnkernels::detail {

/// Hides from the compiler how `pointer` came about. It would otherwise compute where a pointer
/// that moves along will be after the loop, and keep copies on the stack, one for each loop around;
/// and a store to the stack has to wait for those to C.
template <class Pointer>
[[gnu::always_inline]] inline void hide_origin(Pointer& pointer) {
  asm("" : "+r"(pointer));
}

/// Rows a constant distance apart. Every third has a pointer of its own: the others are one or two
/// strides away from it, which x86 addresses in the load itself, so that all pointers of the
/// largest tile stay in registers.
template <int kRows, class T>
class EvenRows {
 public:
  [[gnu::always_inline]] EvenRows(T* first, std::ptrdiff_t stride) : stride_(stride) {
    NNKERNELS_UNROLL
    for (int i = 0; i < kBases; ++i) base_[i] = first + i * (3 * stride);
  }
  [[gnu::always_inline]] T* row(int i) const { return base_[i / 3] + (i % 3) * stride_; }
  [[gnu::always_inline]] std::remove_const_t<T> operator[](int i) const { return *row(i); }
  [[gnu::always_inline]] void advance(std::ptrdiff_t step) {
    NNKERNELS_UNROLL
    for (int i = 0; i < kBases; ++i) {
      base_[i] += step;
      hide_origin(base_[i]);
    }
  }

 private:
  static constexpr int kBases = (kRows + 2) / 3;
  T* base_[kBases];
  std::ptrdiff_t stride_;
};

/// The same rows one after the other, with one pointer for all of them.
template <class T>
class NextRow {
 public:
  [[gnu::always_inline]] NextRow(T* first, std::ptrdiff_t stride) : row_(first), stride_(stride) {}
  [[gnu::always_inline]] T* operator()() {
    T* const row = row_;
    row_ += stride_;
    hide_origin(row_);
    return row;
  }

 private:
  T* row_;
  std::ptrdiff_t stride_;
};

}  // namespace nnkernels::detail

#endif  // NNKERNELS_KERNELS_EVEN_ROWS_H_
