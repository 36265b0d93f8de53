// The operands of one matrix product, in caches or out of them.
#ifndef NNKERNELS_BENCH_GEMM_OPERANDS_H_
#define NNKERNELS_BENCH_GEMM_OPERANDS_H_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <numeric>

#include "bench/data.h"
#include "bench/gemm_shapes.h"
#include "kernels/matrix_view.h"

namespace nnkernels::bench {

/// A and B of random numbers, stored as the shape says, and room for C. Copies share the memory.
///
/// All three are there as many times as it takes to fill `rotated_bytes`, and each call is given
/// the next ones: with more bytes than the largest cache has, every call finds its operands in
/// memory, as a training step does that touched other things in between.
template <class T>
class GemmOperands {
 public:
  /// Where the operands of one call are.
  struct Place {
    const T* a;
    const T* b;
    T* c;
  };

  GemmOperands(const GemmShape& shape, std::int64_t rotated_bytes)
      : shape_(shape),
        stride_a_(padded(shape.m * shape.k)),
        stride_b_(padded(shape.k * shape.n)),
        stride_c_(padded(shape.m * shape.n)),
        copies_(copies(rotated_bytes)),
        step_(step(copies_)),
        a_(repeated(random_array<T>(stride_a_, 1))),
        b_(repeated(random_array<T>(stride_b_, 2))),
        c_(stride_c_ * copies_),
        at_(std::make_shared<std::int64_t>(0)) {}

  const GemmShape& shape() const { return shape_; }

  /// The operands for the next call.
  Place next() const {
    if (copies_ == 1) return place(0);
    *at_ += step_;
    if (*at_ >= copies_) *at_ -= copies_;
    return place(*at_);
  }
  /// What next() returned last.
  Place last() const { return place(*at_); }

  /// op(A), m x k, and op(B), k x n.
  MatrixView<const T> a_view(const Place& place) const {
    return shape_.transpose_a ? MatrixView<const T>(place.a, shape_.k, shape_.m).transposed()
                              : MatrixView<const T>(place.a, shape_.m, shape_.k);
  }
  MatrixView<const T> b_view(const Place& place) const {
    return shape_.transpose_b ? MatrixView<const T>(place.b, shape_.n, shape_.k).transposed()
                              : MatrixView<const T>(place.b, shape_.k, shape_.n);
  }

 private:
  /// Every operand starts on a cache line.
  static std::int64_t padded(std::int64_t size) {
    constexpr auto kLine = static_cast<std::int64_t>(kAlignment / sizeof(T));
    return (size + kLine - 1) / kLine * kLine;
  }
  std::int64_t copies(std::int64_t rotated_bytes) const {
    const auto bytes = (stride_a_ + stride_b_ + stride_c_) * static_cast<std::int64_t>(sizeof(T));
    return std::max<std::int64_t>(1, (rotated_bytes + bytes - 1) / bytes);
  }
  /// From one copy to the next: all of them in turn, but in an order that no prefetcher guesses.
  static std::int64_t step(std::int64_t copies) {
    std::int64_t step = std::max<std::int64_t>(1, copies * 3 / 8);
    while (std::gcd(step, copies) != 1) ++step;
    return step;
  }
  Array<T> repeated(const Array<T>& one) const {
    if (copies_ == 1) return one;
    Array<T> all(one.size() * copies_);
    for (std::int64_t i = 0; i < copies_; ++i) {
      std::copy(one.begin(), one.end(), all.data() + i * one.size());
    }
    return all;
  }
  Place place(std::int64_t copy) const {
    return {a_.data() + copy * stride_a_, b_.data() + copy * stride_b_,
            c_.data() + copy * stride_c_};
  }

  GemmShape shape_;
  std::int64_t stride_a_, stride_b_, stride_c_;
  std::int64_t copies_;
  std::int64_t step_;
  Array<T> a_, b_, c_;
  std::shared_ptr<std::int64_t>
      at_;  // shared by all who race, so that none finds another's operands
};

}  // namespace nnkernels::bench

#endif  // NNKERNELS_BENCH_GEMM_OPERANDS_H_
