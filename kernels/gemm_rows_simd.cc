#include "kernels/gemm_rows_simd.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm_rows_simd.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "kernels/simd-inl.h"
#include "kernels/unroll.h"

HWY_BEFORE_NAMESPACE();
namespace nnkernels {
namespace HWY_NAMESPACE {
namespace {

using detail::RowsBlock;

/// Elements of A that registers hold for a whole pass over rows of B, and rows of A at most.
inline constexpr int kElements = k32Registers ? 16 : 8;
inline constexpr int kMaxRows = k32Registers ? 4 : 2;

/// Rows of B in one pass: each load and store of a sum serves so many multiply-adds. More than 8
/// streams are too many for the hardware's prefetch.
template <int kRows>
inline constexpr int kSteps = std::min(8, kElements / kRows);

/// Adds kCount rows of B to one vector of each of kRows sums.
template <int kRows, int kCount, class V, class T, class Part>
HWY_INLINE void AddVector(Part part, const V (&a)[kRows][kCount], const T* HWY_RESTRICT b,
                          std::ptrdiff_t b_row_stride, T* HWY_RESTRICT sums,
                          std::ptrdiff_t sums_row_stride) {
  const hn::ScalableTag<T> d;
  V row[kCount];
  NNKERNELS_UNROLL
  for (int p = 0; p < kCount; ++p) row[p] = LoadedOnce<kRows>(part.Load(d, b + p * b_row_stride));
  NNKERNELS_UNROLL
  for (int i = 0; i < kRows; ++i) {
    T* const to = sums + i * sums_row_stride;
    V sum = hn::Load(d, to);
    NNKERNELS_UNROLL
    for (int p = 0; p < kCount; ++p) sum = hn::MulAdd(a[i][p], row[p], sum);
    hn::Store(sum, d, to);
  }
}

/// One pass: kCount rows of B, from row p on, times kRows rows of A, from row i on.
template <int kRows, int kCount, class T>
HWY_NOINLINE void AddRows(const RowsBlock<T>& block, std::int64_t i, std::int64_t p) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  hn::Vec<decltype(d)> a[kRows][kCount];
  NNKERNELS_UNROLL
  for (int r = 0; r < kRows; ++r) {
    NNKERNELS_UNROLL
    for (int q = 0; q < kCount; ++q) {
      a[r][q] = hn::Set(d, block.a[(i + r) * block.a_row_stride + (p + q) * block.a_step]);
    }
  }
  const T* const b = block.b + p * block.b_row_stride;
  T* const sums = block.sums + i * block.sums_row_stride;
  const std::ptrdiff_t b_row_stride = block.b_row_stride, sums_row_stride = block.sums_row_stride;
  const std::int64_t cols = block.cols;
  std::int64_t j = 0;
  if (i == 0 && block.rows > kRows) {
    // These rows come from memory, and the other rows of A find them in the L1 cache. Time to ask
    // for the rows of the next pass.
    const T* const next = b + std::min<std::int64_t>(kCount, block.k - kCount - p) * b_row_stride;
    for (; j + lanes <= cols; j += lanes) {
      NNKERNELS_UNROLL
      for (int q = 0; q < kCount; ++q) hwy::Prefetch(next + q * b_row_stride + j);
      AddVector(WholeVector(), a, b + j, b_row_stride, sums + j, sums_row_stride);
    }
  } else {
    for (; j + lanes <= cols; j += lanes) {
      AddVector(WholeVector(), a, b + j, b_row_stride, sums + j, sums_row_stride);
    }
  }
  if (j < cols) {
    const FirstLanes last{static_cast<std::size_t>(cols - j)};
    AddVector(last, a, b + j, b_row_stride, sums + j, sums_row_stride);
  }
}

/// The same for all rows of A: B's are in a cache after the first kRows of these.
template <int kRows, int kCount, class T>
void AddToAllSums(const RowsBlock<T>& block, std::int64_t p) {
  std::int64_t i = 0;
  for (; i + kRows <= block.rows; i += kRows) AddRows<kRows, kCount>(block, i, p);
  if constexpr (kRows > 2) {
    if (block.rows - i == 3) return AddRows<3, kCount>(block, i, p);
    if (block.rows - i == 2) return AddRows<2, kCount>(block, i, p);
  }
  if constexpr (kRows > 1) {
    if (i < block.rows) AddRows<1, kCount>(block, i, p);
  }
}

template <int kRows, class T>
void SumUp(const RowsBlock<T>& block) {
  constexpr int kCount = kSteps<kRows>;
  std::int64_t p = 0;
  for (; p + kCount <= block.k; p += kCount) AddToAllSums<kRows, kCount>(block, p);
  for (; kCount > 4 && p + 4 <= block.k; p += 4) AddToAllSums<kRows, 4>(block, p);
  for (; p < block.k; ++p) AddToAllSums<kRows, 1>(block, p);
}

/// A row of a panel asks for the one so many rows behind it.
inline constexpr int kPanelAhead = 16;

/// kPanels panels, from column j on, times all kRows rows of A, with the sums in registers: a tile
/// of so few rows, two vectors wide, would wait for its own multiply-adds.
template <int kRows, int kPanels, class T>
HWY_NOINLINE void AddPanels(const RowsBlock<T>& block, std::int64_t j) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  V sum[kRows][2 * kPanels];
  NNKERNELS_UNROLL
  for (int i = 0; i < kRows; ++i) {
    NNKERNELS_UNROLL
    for (int v = 0; v < 2 * kPanels; ++v) sum[i][v] = hn::Zero(d);
  }
  const std::int64_t nr = 2 * lanes, panel = nr * block.k;
  const T* a = block.a;
  const T* b = block.b + j * block.k;
  // With 16 registers sums and rows do not all have one.
  constexpr int kUses = std::max(1, kRows * static_cast<int>(k32Registers));
  for (std::int64_t p = 0; p < block.k; ++p) {
    V row[2 * kPanels];
    NNKERNELS_UNROLL
    for (int q = 0; q < kPanels; ++q) {
      row[2 * q] = LoadedOnce<kUses>(hn::Load(d, b + q * panel));
      row[2 * q + 1] = LoadedOnce<kUses>(hn::Load(d, b + q * panel + lanes));
    }
    NNKERNELS_UNROLL
    for (int i = 0; i < kRows; ++i) {
      const V x = hn::Set(d, a[i * block.a_row_stride]);
      NNKERNELS_UNROLL
      for (int v = 0; v < 2 * kPanels; ++v) sum[i][v] = hn::MulAdd(x, row[v], sum[i][v]);
    }
    NNKERNELS_UNROLL
    for (int q = 0; q < kPanels; ++q) {
      const T* const ahead = b + q * panel + kPanelAhead * nr;
      hwy::Prefetch(ahead);
      hwy::Prefetch(ahead + lanes);
    }
    a += block.a_step;
    b += nr;
  }
  NNKERNELS_UNROLL
  for (int i = 0; i < kRows; ++i) {
    NNKERNELS_UNROLL
    for (int v = 0; v < 2 * kPanels; ++v) {
      hn::Store(sum[i][v], d, block.sums + i * block.sums_row_stride + j + v * lanes);
    }
  }
}

template <int kRows, class T>
void SumUpPanels(const RowsBlock<T>& block) {
  // Eight chains of multiply-adds or more hide their latency, and more panels are more streams.
  constexpr int kMost = kRows == 1 ? 4 : 2;
  const auto nr = 2 * static_cast<std::int64_t>(hn::Lanes(hn::ScalableTag<T>()));
  std::int64_t j = 0;
  for (; j + kMost * nr <= block.cols; j += kMost * nr) AddPanels<kRows, kMost>(block, j);
  if constexpr (kMost == 4) {
    if (j + 3 * nr == block.cols) return AddPanels<kRows, 3>(block, j);
    if (j + 2 * nr == block.cols) return AddPanels<kRows, 2>(block, j);
  }
  if (j < block.cols) AddPanels<kRows, 1>(block, j);
}

template <class Part, class T>
HWY_INLINE void FinishVector(Part part, const RowsBlock<T>& block, const T* sums, std::int64_t j,
                             T* c) {
  const hn::ScalableTag<T> d;
  auto y = hn::Load(d, sums + j);
  if (block.alpha != T{1}) y = hn::Mul(hn::Set(d, block.alpha), y);
  if (block.beta != T{0}) y = hn::MulAdd(hn::Set(d, block.beta), part.Load(d, c + j), y);
  if (block.bias != nullptr) y = hn::Add(y, part.Load(d, block.bias + j));
  if (block.relu) y = Rectified(y);
  part.Store(d, y, c + j);
}

template <class T>
void RunBlock(const RowsBlock<T>& block) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto for_each_row = [&block](auto&& body) {
    for (std::int64_t i = 0; i < block.rows; ++i) {
      body(block.sums + i * block.sums_row_stride, block.c + i * block.c_row_stride);
    }
  };
  if (block.panels) {
    if (block.rows == 1) {
      SumUpPanels<1>(block);
    } else if (block.rows == 2) {
      SumUpPanels<2>(block);
    } else {
      SumUpPanels<static_cast<int>(detail::kMostPanelRows)>(block);
    }
  } else {
    for_each_row([&](T* sums, T*) HWY_ATTR {
      for (std::int64_t j = 0; j < block.cols; j += lanes) hn::Store(hn::Zero(d), d, sums + j);
    });
    // Fewer rows leave registers for more rows of B.
    if (block.rows == 1) {
      SumUp<1>(block);
    } else if (block.rows == 2) {
      SumUp<2>(block);
    } else {
      SumUp<kMaxRows>(block);
    }
  }
  for_each_row([&](const T* sums, T* c) HWY_ATTR {
    std::int64_t j = 0;
    for (; j + lanes <= block.cols; j += lanes) FinishVector(WholeVector(), block, sums, j, c);
    if (j < block.cols) {
      FinishVector(FirstLanes{static_cast<std::size_t>(block.cols - j)}, block, sums, j, c);
    }
  });
}

void RunBlockF32(const RowsBlock<float>& block) { RunBlock(block); }
void RunBlockF64(const RowsBlock<double>& block) { RunBlock(block); }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace nnkernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace nnkernels::detail {

HWY_EXPORT(RunBlockF32);
HWY_EXPORT(RunBlockF64);

template <>
void run_rows_block<float>(const RowsBlock<float>& block) {
  HWY_DYNAMIC_DISPATCH(RunBlockF32)(block);
}
template <>
void run_rows_block<double>(const RowsBlock<double>& block) {
  HWY_DYNAMIC_DISPATCH(RunBlockF64)(block);
}

}  // namespace nnkernels::detail
#endif  // HWY_ONCE
