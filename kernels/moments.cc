#include "kernels/moments.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "kernels/blocks.h"
#include "kernels/check.h"
#include "kernels/cost.h"
#include "kernels/scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/moments.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "hwy/highway.h"
#include "kernels/simd-inl.h"

// As in gemm_tile-inl.h: a loop over accumulators that is not unrolled keeps them in memory.
#define NNKERNELS_UNROLL _Pragma("GCC unroll 8")

// Outside the per-target part, which is compiled several times.
#ifndef NNKERNELS_KERNELS_MOMENTS_CC_
#define NNKERNELS_KERNELS_MOMENTS_CC_
namespace nnkernels::detail {

/// Rows that are gone through twice: of eight vectors they fill half of an L1 cache.
inline constexpr std::int64_t kPieceRows = 32;

/// What a set of `b` rows adds to `a` rows before it (Chan, Golub and LeVeque, formula 2.1):
/// mean += d * to_mean, squares += squares_b + d^2 * to_squares, d = mean_b - mean.
template <class T>
struct Merge {
  Merge(std::int64_t a, std::int64_t b)
      : to_mean(static_cast<T>(static_cast<double>(b) / static_cast<double>(a + b))),
        to_squares(static_cast<T>(static_cast<double>(a) / static_cast<double>(a + b) *
                                  static_cast<double>(b))) {}
  T to_mean, to_squares;
};

/// mean[j], and squares[j] = the sum of (x[i,j] - mean[j])^2, of `rows` rows.
template <class T>
using MomentsKernel = void (*)(std::int64_t rows, std::int64_t cols, const T* x, T* mean,
                               T* squares);

}  // namespace nnkernels::detail
#endif  // NNKERNELS_KERNELS_MOMENTS_CC_

HWY_BEFORE_NAMESPACE();
namespace nnkernels {
namespace HWY_NAMESPACE {
namespace {

/// Merges kCount vectors of columns of one piece of `rows` rows into the moments of the rows before
/// it. `access` is for each of the vectors.
template <int kCount, class T, class Access>
HWY_INLINE void MergePiece(Access access, const detail::Merge<T>& merge, std::int64_t rows,
                           std::int64_t cols, const T* x, T* mean, T* squares) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  V piece_mean[kCount];
  V piece_squares[kCount];
  NNKERNELS_UNROLL
  for (int v = 0; v < kCount; ++v) piece_mean[v] = piece_squares[v] = hn::Zero(d);
  for (std::int64_t i = 0; i < rows; ++i) {
    NNKERNELS_UNROLL
    for (int v = 0; v < kCount; ++v) {
      piece_mean[v] = hn::Add(piece_mean[v], access.Load(d, x + i * cols + v * lanes));
    }
  }
  const V inverse = hn::Set(d, 1 / static_cast<T>(rows));
  NNKERNELS_UNROLL
  for (int v = 0; v < kCount; ++v) piece_mean[v] = hn::Mul(piece_mean[v], inverse);
  for (std::int64_t i = 0; i < rows; ++i) {
    NNKERNELS_UNROLL
    for (int v = 0; v < kCount; ++v) {
      const V away = hn::Sub(access.Load(d, x + i * cols + v * lanes), piece_mean[v]);
      piece_squares[v] = hn::MulAdd(away, away, piece_squares[v]);
    }
  }
  NNKERNELS_UNROLL
  for (int v = 0; v < kCount; ++v) {
    const V before = access.Load(d, mean + v * lanes);
    const V away = hn::Sub(piece_mean[v], before);
    access.Store(d, hn::MulAdd(away, hn::Set(d, merge.to_mean), before), mean + v * lanes);
    const V between = hn::Mul(hn::Mul(away, away), hn::Set(d, merge.to_squares));
    const V sum = hn::Add(access.Load(d, squares + v * lanes), hn::Add(piece_squares[v], between));
    access.Store(d, sum, squares + v * lanes);
  }
}

template <class T>
void Moments(std::int64_t rows, std::int64_t cols, const T* x, T* mean, T* squares) {
  constexpr int kTogether = 8;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(hn::ScalableTag<T>()));
  std::fill_n(mean, cols, T{0});
  std::fill_n(squares, cols, T{0});
  for (std::int64_t first = 0; first < rows;
       first += detail::kPieceRows, x += detail::kPieceRows * cols) {
    const std::int64_t count = std::min(detail::kPieceRows, rows - first);
    const detail::Merge<T> merge(first, count);
    std::int64_t j = 0;
    for (; j + kTogether * lanes <= cols; j += kTogether * lanes) {
      MergePiece<kTogether>(WholeVector(), merge, count, cols, x + j, mean + j, squares + j);
    }
    for (; j + lanes <= cols; j += lanes) {
      MergePiece<1>(WholeVector(), merge, count, cols, x + j, mean + j, squares + j);
    }
    if (j < cols) {
      const FirstLanes rest{static_cast<std::size_t>(cols - j)};
      MergePiece<1>(rest, merge, count, cols, x + j, mean + j, squares + j);
    }
  }
}

detail::MomentsKernel<float> FloatKernel() { return Moments<float>; }
detail::MomentsKernel<double> DoubleKernel() { return Moments<double>; }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace nnkernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace nnkernels {
namespace {

HWY_EXPORT(FloatKernel);
HWY_EXPORT(DoubleKernel);

template <class T>
detail::MomentsKernel<T> moments_kernel() {
  if constexpr (std::is_same_v<T, float>) {
    return HWY_DYNAMIC_DISPATCH(FloatKernel)();
  } else {
    return HWY_DYNAMIC_DISPATCH(DoubleKernel)();
  }
}

/// Rows whose moments one piece of the parallel loop computes.
constexpr std::int64_t kBlockRows = 8 * detail::kPieceRows;

}  // namespace

template <class T>
void column_moments(std::int64_t rows, std::int64_t cols, const T* x, T* mean, T* variance) {
  constexpr const char* kFunction = "column_moments";
  detail::check_size(kFunction, "rows", rows);
  detail::check_size(kFunction, "cols", cols);
  if (cols == 0) return;
  detail::check_value(rows > 0, kFunction, "at least one row", "rows", rows);
  detail::check_array(kFunction, "x", x, detail::element_count(kFunction, {rows, cols}));
  detail::check_array(kFunction, "mean", mean, cols);
  detail::check_array(kFunction, "variance", variance, cols);

  const std::int64_t blocks = (rows + kBlockRows - 1) / kBlockRows;
  T* const means = detail::scratch<T>(detail::Purpose::column_sums, 2 * blocks * cols);
  T* const squares = means + blocks * cols;
  const auto kernel = moments_kernel<T>();
  const double moved = 2 * static_cast<double>(rows) * static_cast<double>(cols);
  detail::parallel_blocks(rows, kBlockRows, transfer_microseconds<T>(moved),
                          [&](std::int64_t row, std::int64_t count) {
                            const std::int64_t to = row / kBlockRows * cols;
                            kernel(count, cols, x + row * cols, means + to, squares + to);
                          });

  std::copy_n(means, cols, mean);
  std::copy_n(squares, cols, variance);
  for (std::int64_t block = 1; block < blocks; ++block) {
    const std::int64_t before = block * kBlockRows;
    const detail::Merge<T> merge(before, std::min(kBlockRows, rows - before));
    for (std::int64_t j = 0; j < cols; ++j) {
      const T away = means[block * cols + j] - mean[j];
      mean[j] += away * merge.to_mean;
      variance[j] += squares[block * cols + j] + away * away * merge.to_squares;
    }
  }
  for (std::int64_t j = 0; j < cols; ++j) variance[j] /= static_cast<T>(rows);
}

template void column_moments<float>(std::int64_t, std::int64_t, const float*, float*, float*);
template void column_moments<double>(std::int64_t, std::int64_t, const double*, double*, double*);

}  // namespace nnkernels
#endif  // HWY_ONCE
