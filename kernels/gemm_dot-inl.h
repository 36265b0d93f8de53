// Products whose vectors run along k. Included by gemm_tile-inl.h inside foreach_target.
// clang-format off: the toggle guard is Highway's idiom
#if defined(NNKERNELS_KERNELS_GEMM_DOT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NNKERNELS_KERNELS_GEMM_DOT_INL_H_
#undef NNKERNELS_KERNELS_GEMM_DOT_INL_H_
#else
#define NNKERNELS_KERNELS_GEMM_DOT_INL_H_
#endif
// clang-format on

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"
#include "kernels/simd-inl.h"
#include "kernels/unroll.h"

HWY_BEFORE_NAMESPACE();
namespace nnkernels {
namespace HWY_NAMESPACE {

/// Rows of x that one pass over y serves: kDotRows x 4 accumulators, kDotRows vectors of x and one
/// of y.
inline constexpr int kDotRows = k32Registers ? 4 : 2;

#if HWY_TARGET != HWY_SCALAR
/// The sum of all 128-bit blocks of v.
template <class D, class V>
HWY_INLINE auto SumOfBlocks(D d, V v) {
  if constexpr (hn::MaxLanes(d) * sizeof(hn::TFromD<D>) <= 16) {
    return v;
  } else {
    const hn::Half<D> half;
    return SumOfBlocks(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  }
}

#endif

/// sums[i] = the sum of the lanes of v[i]: a transposition inside 128-bit blocks shares the work.
template <class D, class V, class T = hn::TFromD<D>>
HWY_INLINE void StoreSums([[maybe_unused]] D d, const V (&v)[4], T* HWY_RESTRICT sums) {
#if HWY_TARGET == HWY_SCALAR
  for (int i = 0; i < 4; ++i) sums[i] = hn::GetLane(v[i]);
#else
  const hn::FixedTag<T, 16 / sizeof(T)> block;
  const auto add_pairs = [d](V x, V y) HWY_ATTR {
    return hn::Add(hn::InterleaveLower(d, x, y), hn::InterleaveUpper(d, x, y));
  };
  const V low = add_pairs(v[0], v[1]), high = add_pairs(v[2], v[3]);
  if constexpr (sizeof(T) == 8) {
    hn::StoreU(SumOfBlocks(d, low), block, sums);
    hn::StoreU(SumOfBlocks(d, high), block, sums + 2);
  } else {
    const hn::Repartition<double, D> pairs;
    const auto l = hn::BitCast(pairs, low), h = hn::BitCast(pairs, high);
    const V all = hn::Add(hn::BitCast(d, hn::InterleaveLower(pairs, l, h)),
                          hn::BitCast(d, hn::InterleaveUpper(pairs, l, h)));
    hn::StoreU(SumOfBlocks(d, all), block, sums);
  }
#endif
}

/// sums[i * kYRows + j] = sum over p of x[i * x_stride + p] * y[j][p] for kRows rows i and kYRows
/// rows j. A single row of x keeps the sums of even and odd vectors apart, since four chains would
/// not hide the latency of the multiply-add; else the bits of a sum depend on k alone.
template <int kRows, int kYRows, class T>
HWY_INLINE void DotTile(const T* HWY_RESTRICT x, std::ptrdiff_t x_stride,
                        const T* const (&y)[kYRows], std::int64_t k, T* HWY_RESTRICT sums) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  constexpr int kChains = kRows == 1 ? 2 : 1;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  V sum[kChains][kRows][kYRows];
  NNKERNELS_UNROLL
  for (int chain = 0; chain < kChains; ++chain) {
    NNKERNELS_UNROLL
    for (int i = 0; i < kRows; ++i) {
      NNKERNELS_UNROLL
      for (int j = 0; j < kYRows; ++j) sum[chain][i][j] = hn::Zero(d);
    }
  }
  const auto add = [&](auto vectors, std::int64_t p, V(&into)[kRows][kYRows]) HWY_ATTR {
    V x_row[kRows];
    NNKERNELS_UNROLL
    for (int i = 0; i < kRows; ++i) x_row[i] = vectors.Load(d, x + i * x_stride + p);
    NNKERNELS_UNROLL
    for (int j = 0; j < kYRows; ++j) {
      const V y_row = LoadedOnce<kRows>(vectors.Load(d, y[j] + p));
      NNKERNELS_UNROLL
      for (int i = 0; i < kRows; ++i) into[i][j] = hn::MulAdd(x_row[i], y_row, into[i][j]);
    }
  };
  std::int64_t p = 0;
  for (; p + kChains * lanes <= k; p += kChains * lanes) {
    NNKERNELS_UNROLL
    for (int chain = 0; chain < kChains; ++chain) {
      add(WholeVector(), p + chain * lanes, sum[chain]);
    }
  }
  if (p < k) add(FirstLanes{static_cast<std::size_t>(std::min(k - p, lanes))}, p, sum[0]);
  if constexpr (kChains == 2) {
    if (p + lanes < k) add(FirstLanes{static_cast<std::size_t>(k - p - lanes)}, p + lanes, sum[1]);
  }
  NNKERNELS_UNROLL
  for (int i = 0; i < kRows; ++i) {
    NNKERNELS_UNROLL
    for (int j = 0; j < kYRows; j += 4) {
      V four[4];
      NNKERNELS_UNROLL
      for (int r = 0; r < 4; ++r) {
        four[r] = sum[0][i][j + r];
        if constexpr (kChains == 2) four[r] = hn::Add(four[r], sum[1][i][j + r]);
      }
      StoreSums(d, four, sums + kYRows * i + j);
    }
  }
}

template <int kRows, int kYRows, class T>
void DotRows(const T* x, std::ptrdiff_t x_stride, const T* const (&y)[kYRows], std::int64_t k,
             std::int64_t y_rows, T* out, std::ptrdiff_t out_x_stride,
             std::ptrdiff_t out_y_stride) {
  T sums[kRows * kYRows];
  DotTile<kRows>(x, x_stride, y, k, sums);
  for (int i = 0; i < kRows; ++i) {
    for (std::int64_t j = 0; j < y_rows; ++j) {
      out[i * out_x_stride + j * out_y_stride] = sums[std::int64_t{kYRows} * i + j];
    }
  }
}

/// All rows of x times kYRows rows of y at a time.
template <int kYRows, class T>
void DotAll(const T* x, std::ptrdiff_t x_stride, std::int64_t x_rows, const T* y,
            std::ptrdiff_t y_stride, std::int64_t y_rows, std::int64_t k, T* out,
            std::ptrdiff_t out_x_stride, std::ptrdiff_t out_y_stride) {
  for (std::int64_t j = 0; j < y_rows; j += kYRows) {
    const std::int64_t count = std::min<std::int64_t>(kYRows, y_rows - j);
    // Rows that are missing at the end are computed as copies of the last one, and not stored.
    const T* rows[kYRows];
    for (std::int64_t r = 0; r < kYRows; ++r) rows[r] = y + (j + std::min(r, count - 1)) * y_stride;
    T* const to = out + j * out_y_stride;
    std::int64_t i = 0;
    const auto run = [&](auto kernel, std::int64_t size) {
      kernel(x + i * x_stride, x_stride, rows, k, count, to + i * out_x_stride, out_x_stride,
             out_y_stride);
      i += size;
    };
    if constexpr (kYRows == 4) {
      while (x_rows - i >= kDotRows) run(DotRows<kDotRows, kYRows, T>, kDotRows);
      if (kDotRows > 3 && x_rows - i == 3) run(DotRows<3, kYRows, T>, 3);
    }
    if (kDotRows > 2 && x_rows - i == 2) run(DotRows<2, kYRows, T>, 2);
    if (x_rows - i == 1) run(DotRows<1, kYRows, T>, 1);
  }
}

/// As TileKernels::dot.
template <class T>
void Dot(const T* x, std::ptrdiff_t x_stride, std::int64_t x_rows, const T* y,
         std::ptrdiff_t y_stride, std::int64_t y_rows, std::int64_t k, T* out,
         std::ptrdiff_t out_x_stride, std::ptrdiff_t out_y_stride) {
  // Few rows of x wait for memory: more rows of y on the way at once.
  if constexpr (k32Registers) {
    const std::int64_t eights = x_rows <= 2 ? y_rows / 8 * 8 : 0;
    DotAll<8>(x, x_stride, x_rows, y, y_stride, eights, k, out, out_x_stride, out_y_stride);
    y += eights * y_stride;
    out += eights * out_y_stride;
    y_rows -= eights;
  }
  DotAll<4>(x, x_stride, x_rows, y, y_stride, y_rows, k, out, out_x_stride, out_y_stride);
}

}  // namespace HWY_NAMESPACE
}  // namespace nnkernels
HWY_AFTER_NAMESPACE();

#endif  // NNKERNELS_KERNELS_GEMM_DOT_INL_H_
