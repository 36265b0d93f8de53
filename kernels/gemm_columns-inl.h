// The few columns at the right edge of C, with vectors that run down its rows. Included by
// gemm_tile-inl.h inside foreach_target.
// clang-format off: the toggle guard is Highway's idiom
#if defined(NNKERNELS_KERNELS_GEMM_COLUMNS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NNKERNELS_KERNELS_GEMM_COLUMNS_INL_H_
#undef NNKERNELS_KERNELS_GEMM_COLUMNS_INL_H_
#else
#define NNKERNELS_KERNELS_GEMM_COLUMNS_INL_H_
#endif
// clang-format on

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"
#include "kernels/gemm_finish-inl.h"
#include "kernels/gemm_tile.h"
#include "kernels/gemm_turn-inl.h"
#include "kernels/simd-inl.h"
#include "kernels/unroll.h"

#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2  // better targets have lower numbers
HWY_BEFORE_NAMESPACE();
namespace nnkernels {
namespace HWY_NAMESPACE {

using detail::MatrixTile;

/// Adds columns of A times rows of B to the sums: sum[v][j] += column[v] * b[j].
template <int kVectors, int kCols, class D, class V, class T>
HWY_INLINE void AddColumns(D d, const V (&column)[kVectors], const T* HWY_RESTRICT b,
                           V (&sum)[kVectors][kCols]) {
  NNKERNELS_UNROLL
  for (int j = 0; j < kCols; ++j) {
    const V element = hn::Set(d, b[j]);
    NNKERNELS_UNROLL
    for (int v = 0; v < kVectors; ++v) sum[v][j] = hn::MulAdd(column[v], element, sum[v][j]);
  }
}

/// The next `steps` columns of A, at most kTurnedSteps, from as many elements of each row: the rows
/// of the lower half of a vector's lanes begin at lower[v], the others at upper[v].
template <int kVectors, int kCols, class Loads, class D, class T, class V>
HWY_INLINE void AddTurnedColumns(D d, const Loads& loads, const T* const (&lower)[kVectors],
                                 const T* const (&upper)[kVectors], std::ptrdiff_t stride,
                                 const T* HWY_RESTRICT b, std::ptrdiff_t b_step, int steps,
                                 V (&sum)[kVectors][kCols]) {
  V columns[kVectors][kTurnedSteps<D>];
  NNKERNELS_UNROLL
  for (int v = 0; v < kVectors; ++v) LoadTurned(d, loads, lower[v], upper[v], stride, columns[v]);
  NNKERNELS_UNROLL
  for (int p = 0; p < kTurnedSteps<D>; ++p) {
    if (p == steps) return;
    V column[kVectors];
    NNKERNELS_UNROLL
    for (int v = 0; v < kVectors; ++v) column[v] = columns[v][p];
    AddColumns(d, column, b, sum);
    b += b_step;
  }
}

/// Sums of kVectors vectors of rows of an A with contiguous columns: the v-th has `count` rows from
/// a[v] on.
template <int kVectors, int kCols, class D, class T, class V>
HWY_INLINE void SumOfColumns(D d, const MatrixTile<T>& tile, const T* (&a)[kVectors],
                             std::int64_t count, V (&sum)[kVectors][kCols]) {
  const hn::Mask<D> mask = hn::FirstN(d, static_cast<std::size_t>(count));
  const std::ptrdiff_t a_step = tile.a_step, b_step = tile.b_step;
  const T* HWY_RESTRICT b = tile.b;
  for (std::int64_t k = tile.k; k > 0; --k) {
    V column[kVectors];
    NNKERNELS_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      column[v] = hn::MaskedLoad(mask, d, a[v]);
      a[v] += a_step;
    }
    AddColumns(d, column, b, sum);
    b += b_step;
  }
}

/// The same of an A with contiguous rows. Where a vector has fewer of them than lanes, some are in
/// both of its halves.
template <int kVectors, int kCols, class D, class T, class V>
HWY_INLINE void SumOfRows(D d, const MatrixTile<T>& tile, const T* (&a)[kVectors],
                          std::int64_t count, V (&sum)[kVectors][kCols]) {
  constexpr int kHalf = kTurnedSteps<D>;
  const std::ptrdiff_t stride = tile.a_row_stride, b_step = tile.b_step;
  const T* HWY_RESTRICT b = tile.b;
  const T* upper[kVectors];
  NNKERNELS_UNROLL
  for (int v = 0; v < kVectors; ++v) upper[v] = a[v] + (count - kHalf) * stride;
  std::int64_t k = tile.k;
  for (; k >= kHalf; k -= kHalf) {
    AddTurnedColumns(d, WholeVector(), a, upper, stride, b, b_step, kHalf, sum);
    b += kHalf * b_step;
    NNKERNELS_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      a[v] += kHalf;
      upper[v] += kHalf;
    }
  }
  if (k > 0) {
    AddTurnedColumns(d, FirstLanes{static_cast<std::size_t>(k)}, a, upper, stride, b, b_step,
                     static_cast<int>(k), sum);
  }
}

/// Finishes kRows rows of C, whose sums are side by side.
template <int kRows, class D, class T>
HWY_INLINE void FinishRows(D d, const MatrixTile<T>& tile, std::int64_t row, const T* sums,
                           std::ptrdiff_t stride) {
  hn::Vec<D> sum[kRows][1];
  NNKERNELS_UNROLL
  for (int i = 0; i < kRows; ++i) sum[i][0] = hn::Load(d, sums + i * stride);
  T* const c = tile.c + row * tile.c_row_stride;
  FinishTile<kRows, 1>(
      d, tile, [&](int i) { return c + i * tile.c_row_stride; }, sum);
}

/// Finishes rows of C from `row` on, whose sums are in the lanes from `lane` to `end` of one vector
/// a column: sums[(l % kBlock) * kLanes + l / kBlock * kBlock + j] is that of lane l and column j,
/// as TurnBlocks() leaves them.
template <class D, class T = hn::TFromD<D>>
HWY_NOINLINE void FinishLanes(D d, const MatrixTile<T>& tile, const T* sums, std::int64_t row,
                              int lane, int end) {
  constexpr int kBlock = kBlockLanes<D>, kLanes = hn::MaxLanes(d);
  const hn::FixedTag<T, kBlock> block;
  while (lane < end) {
    const T* const from = sums + lane % kBlock * kLanes + lane / kBlock * kBlock;
    const bool whole = lane % kBlock == 0 && end - lane >= kBlock;
    if (whole) {
      FinishRows<kBlock>(block, tile, row, from, kLanes);
    } else {
      FinishRows<1>(block, tile, row, from, kLanes);
    }
    lane += whole ? kBlock : 1;
    row += whole ? kBlock : 1;
  }
}

/// Stores what FinishLanes() takes.
template <int kCols, class D, class V, class T = hn::TFromD<D>>
HWY_INLINE void StoreTurned(D d, const V* HWY_RESTRICT sum, T* HWY_RESTRICT turned) {
  constexpr int kBlock = kBlockLanes<D>;
  V block[kBlock];
  NNKERNELS_UNROLL
  for (int j = 0; j < kBlock; ++j) block[j] = j < kCols ? sum[std::min(j, kCols - 1)] : hn::Zero(d);
  TurnBlocks(d, block);
  NNKERNELS_UNROLL
  for (int j = 0; j < kBlock; ++j) hn::Store(block[j], d, turned + j * hn::MaxLanes(d));
}

/// kVectors vectors of rows, the v-th of which has `count` rows from row[v] on. Those before `done`
/// have been finished; returns the end of those that are now.
template <int kVectors, int kCols, bool kByRows, class D, class T>
HWY_INLINE std::int64_t RunVectors(D d, const MatrixTile<T>& tile,
                                   const std::int64_t (&row)[kVectors], std::int64_t count,
                                   std::int64_t done) {
  constexpr int kLanes = hn::MaxLanes(d), kHalf = kLanes / 2;
  hn::Vec<D> sum[kVectors][kCols];
  const T* a[kVectors];
  NNKERNELS_UNROLL
  for (int v = 0; v < kVectors; ++v) {
    a[v] = tile.a + row[v] * tile.a_row_stride;
    NNKERNELS_UNROLL
    for (int j = 0; j < kCols; ++j) sum[v][j] = hn::Zero(d);
  }
  if constexpr (kByRows) {
    SumOfRows(d, tile, a, count, sum);
  } else {
    SumOfColumns(d, tile, a, count, sum);
  }
  NNKERNELS_UNROLL
  for (int v = 0; v < kVectors; ++v) {
    HWY_ALIGN T turned[kBlockLanes<D> * kLanes];
    StoreTurned<kCols>(d, sum[v], turned);
    const auto first = static_cast<int>(done - row[v]);
    if (kByRows && count < kLanes) {
      // The lower half of the lanes has the first rows, the upper half the last ones.
      FinishLanes(d, tile, turned, 0, 0, kHalf);
      FinishLanes(d, tile, turned, kHalf, kLanes + kHalf - static_cast<int>(count), kLanes);
    } else {
      FinishLanes(d, tile, turned, done, first, static_cast<int>(count));
    }
    done = row[v] + count;
  }
  return done;
}

/// One row by itself.
template <int kCols, class D, class T>
HWY_INLINE void RunRow(D /*d*/, const MatrixTile<T>& tile, std::int64_t row) {
  const hn::CappedTag<T, 1> d;
  hn::Vec<decltype(d)> sum[kCols];
  NNKERNELS_UNROLL
  for (int j = 0; j < kCols; ++j) sum[j] = hn::Zero(d);
  const T* HWY_RESTRICT a = tile.a + row * tile.a_row_stride;
  const T* HWY_RESTRICT b = tile.b;
  for (std::int64_t k = tile.k; k > 0; --k) {
    const auto element = hn::Set(d, *a);
    NNKERNELS_UNROLL
    for (int j = 0; j < kCols; ++j) sum[j] = hn::MulAdd(element, hn::Set(d, b[j]), sum[j]);
    a += tile.a_step;
    b += tile.b_step;
  }
  HWY_ALIGN T sums[kBlockLanes<D>] = {};
  NNKERNELS_UNROLL
  for (int j = 0; j < kCols; ++j) sums[j] = hn::GetLane(sum[j]);
  FinishRows<1>(hn::FixedTag<T, kBlockLanes<D>>(), tile, row, sums, 0);
}

template <int kCols, bool kByRows, class D, class T>
HWY_INLINE void RunFewColumns(D d, const MatrixTile<T>& tile, std::int64_t rows) {
  constexpr int kLanes = hn::MaxLanes(d);
  std::int64_t done = 0;
  // One chain of multiply-adds a column would leave the units idle: two vectors at a time.
  while (rows - done > kLanes) {
    const std::int64_t row[2] = {done, std::min(done + kLanes, rows - kLanes)};
    done = RunVectors<2, kCols, kByRows>(d, tile, row, kLanes, done);
  }
  if (done == rows) return;
  if (kByRows && done + 1 == rows) return RunRow<kCols>(d, tile, done);
  const std::int64_t count = std::min<std::int64_t>(rows, kLanes);
  RunVectors<1, kCols, kByRows>(d, tile, {rows - count}, count, done);
}

template <int kCols, class D, class T>
void RunFewColumns(const MatrixTile<T>& tile, std::int64_t rows) {
  if (tile.a_row_stride == 1) {
    RunFewColumns<kCols, false>(D(), tile, rows);
  } else {
    RunFewColumns<kCols, true>(D(), tile, rows);
  }
}

/// As TileKernels::few_columns.
template <class D, class T = hn::TFromD<D>>
void FewColumns(const MatrixTile<T>& tile, std::int64_t rows) {
  constexpr int kMost = kBlockLanes<D>;
  switch (tile.cols) {
    case 1:
      return RunFewColumns<1, D>(tile, rows);
    case 2:
      return RunFewColumns<2, D>(tile, rows);
    case 3:
      return RunFewColumns<std::min(3, kMost), D>(tile, rows);
    default:
      return RunFewColumns<kMost, D>(tile, rows);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace nnkernels
HWY_AFTER_NAMESPACE();
#endif  // AVX2 or better

#endif  // NNKERNELS_KERNELS_GEMM_COLUMNS_INL_H_
