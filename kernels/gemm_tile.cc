#include "kernels/gemm_tile.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "hwy/cache_control.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm_tile.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "hwy/highway.h"
#include "kernels/simd-inl.h"

// Every loop over the rows and vectors of a tile must be unrolled completely, or g++ keeps the
// accumulators in memory: at -O2 a tile then runs at a tenth of its speed.
#define NNKERNELS_UNROLL _Pragma("GCC unroll 32")

HWY_BEFORE_NAMESPACE();
namespace nnkernels {
namespace HWY_NAMESPACE {
namespace {

using detail::kMaxTileRows;
using detail::kTileWidths;
using detail::Tile;
using detail::TileKernel;
using detail::TileKernels;

/// How many rows fit: rows * width accumulators, `width` vectors of B and one broadcast element of
/// A (without FMA also the product) share 32 registers (AVX-512, NEON) or 16. 14 x 2 and 6 x 4
/// vectors leave the fewest of the 32 idle at the best ratio of arithmetic to loads.
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3  // better targets have lower numbers
inline constexpr std::array<int, kTileWidths> kMaxRows = {14, 14, 14, 6, 2};
#elif HWY_TARGET == HWY_NEON
inline constexpr std::array<int, kTileWidths> kMaxRows = {0, 8, 8, 4, 2};
#elif HWY_TARGET == HWY_SCALAR
inline constexpr std::array<int, kTileWidths> kMaxRows = {0, 4, 2, 0, 0};
#else
inline constexpr std::array<int, kTileWidths> kMaxRows = {0, 6, 6, 2, 1};
#endif

/// Applies alpha, beta, bias and ReLU and stores the tile: one unrolled pass a step, so that the
/// accumulators stay in registers.
template <int kRows, int kWidth, class D, class T, class V>
HWY_INLINE void FinishTile(D d, const Tile<T>& tile, V (&sum)[kRows][kWidth]) {
  const std::size_t lanes = hn::Lanes(d);
  const std::size_t last = static_cast<std::size_t>(tile.cols) - (kWidth - 1) * lanes;
  const bool whole = last == lanes;
  constexpr int kLast = kWidth - 1;
  T* const* c = tile.c;

  if (tile.alpha != T{1}) {
    const V alpha = hn::Set(d, tile.alpha);
    NNKERNELS_UNROLL
    for (int i = 0; i < kRows; ++i) {
      NNKERNELS_UNROLL
      for (int j = 0; j < kWidth; ++j) sum[i][j] = hn::Mul(alpha, sum[i][j]);
    }
  }
  if (tile.beta != T{0}) {
    const V beta = hn::Set(d, tile.beta);
    NNKERNELS_UNROLL
    for (int i = 0; i < kRows; ++i) {
      NNKERNELS_UNROLL
      for (int j = 0; j < kLast; ++j) {
        sum[i][j] = hn::MulAdd(beta, hn::LoadU(d, c[i] + j * lanes), sum[i][j]);
      }
      const V old =
          whole ? hn::LoadU(d, c[i] + kLast * lanes) : LoadFirst(d, c[i] + kLast * lanes, last);
      sum[i][kLast] = hn::MulAdd(beta, old, sum[i][kLast]);
    }
  }
  if (tile.bias != nullptr) {
    NNKERNELS_UNROLL
    for (int j = 0; j < kWidth; ++j) {
      const V bias = LoadFirst(d, tile.bias + j * lanes, j == kLast ? last : lanes);
      NNKERNELS_UNROLL
      for (int i = 0; i < kRows; ++i) sum[i][j] = hn::Add(sum[i][j], bias);
    }
  }
  if (tile.relu) {
    // Not Max: NaN must stay NaN on every instruction set.
    const V zero = hn::Zero(d);
    NNKERNELS_UNROLL
    for (int i = 0; i < kRows; ++i) {
      NNKERNELS_UNROLL
      for (int j = 0; j < kWidth; ++j) {
        sum[i][j] = hn::IfThenZeroElse(hn::Le(sum[i][j], zero), sum[i][j]);
      }
    }
  }
  if (whole) {
    NNKERNELS_UNROLL
    for (int i = 0; i < kRows; ++i) {
      NNKERNELS_UNROLL
      for (int j = 0; j < kWidth; ++j) hn::StoreU(sum[i][j], d, c[i] + j * lanes);
    }
  } else {
    NNKERNELS_UNROLL
    for (int i = 0; i < kRows; ++i) {
      NNKERNELS_UNROLL
      for (int j = 0; j < kLast; ++j) hn::StoreU(sum[i][j], d, c[i] + j * lanes);
      StoreFirst(d, sum[i][kLast], c[i] + kLast * lanes, last);
    }
  }
}

template <class D, int kRows, int kWidth, bool kAdjacent, bool kMasked, class T = hn::TFromD<D>>
void RunTile(const Tile<T>& tile) {
  const D d;
  using V = hn::Vec<D>;
  const std::size_t lanes = hn::Lanes(d);
  const std::size_t last = static_cast<std::size_t>(tile.cols) - (kWidth - 1) * lanes;

  const T* rows[kRows];
  NNKERNELS_UNROLL
  for (int i = 0; i < kRows; ++i) rows[i] = tile.rows[kAdjacent ? 0 : i];

  // C is written at the end; asked for now, its lines arrive during the k loop.
  NNKERNELS_UNROLL
  for (int i = 0; i < kRows; ++i) hwy::Prefetch(tile.c[i]);

  V sum[kRows][kWidth];
  NNKERNELS_UNROLL
  for (int i = 0; i < kRows; ++i) {
    NNKERNELS_UNROLL
    for (int j = 0; j < kWidth; ++j) sum[i][j] = hn::Zero(d);
  }

  const T* HWY_RESTRICT b = tile.b;
  const std::ptrdiff_t b_step = tile.b_step;
  const std::ptrdiff_t step = tile.step;
  const std::int64_t length = tile.segment_length;
  for (std::int64_t s = 0; s < tile.segment_count; ++s) {
    std::ptrdiff_t offset = tile.segments[s];
    for (std::int64_t p = 0; p < length; ++p) {
      V b_row[kWidth];
      NNKERNELS_UNROLL
      for (int j = 0; j < kWidth; ++j) {
        if constexpr (kMasked) {
          b_row[j] =
              j == kWidth - 1 ? LoadFirst(d, b + j * lanes, last) : hn::LoadU(d, b + j * lanes);
        } else {
          b_row[j] = hn::LoadU(d, b + j * lanes);
        }
      }
      NNKERNELS_UNROLL
      for (int i = 0; i < kRows; ++i) {
        const V a = hn::Set(d, rows[i][offset + (kAdjacent ? i : 0)]);
        NNKERNELS_UNROLL
        for (int j = 0; j < kWidth; ++j) sum[i][j] = hn::MulAdd(a, b_row[j], sum[i][j]);
      }
      offset += step;
      b += b_step;
    }
  }

  FinishTile<kRows, kWidth>(d, tile, sum);
}

/// panel[p * width + i] = source[i * line_stride + p] for p < k and i < count: the packing that
/// must transpose. Blocks of 4 x 4 (double: 2 x 2) elements are turned in 128-bit registers, which
/// all instruction sets but SCALAR have.
template <class T>
void PackTransposed(const T* HWY_RESTRICT source, std::ptrdiff_t line_stride, std::int64_t count,
                    std::int64_t width, std::int64_t k, T* HWY_RESTRICT panel) {
  std::int64_t done = 0;
#if HWY_TARGET != HWY_SCALAR
  constexpr std::int64_t kBlock = 16 / sizeof(T);
  const hn::FixedTag<T, kBlock> d;
  const std::int64_t whole_k = k / kBlock * kBlock;
  for (; done + kBlock <= count; done += kBlock) {
    const T* HWY_RESTRICT from = source + done * line_stride;
    T* HWY_RESTRICT to = panel + done;
    for (std::int64_t p = 0; p < whole_k; p += kBlock, to += kBlock * width) {
      // The lines of a large matrix are too short for the hardware to notice a pattern: without
      // this every line of the next block is waited for. Each of its cache lines is asked for once.
      hwy::Prefetch(from + (kBlock + p / kBlock % kBlock) * line_stride + p);
      const auto line0 = hn::LoadU(d, from + p);
      const auto line1 = hn::LoadU(d, from + line_stride + p);
      if constexpr (kBlock == 4) {
        const auto line2 = hn::LoadU(d, from + 2 * line_stride + p);
        const auto line3 = hn::LoadU(d, from + 3 * line_stride + p);
        const auto low01 = hn::InterleaveLower(d, line0, line1);
        const auto low23 = hn::InterleaveLower(d, line2, line3);
        const auto high01 = hn::InterleaveUpper(d, line0, line1);
        const auto high23 = hn::InterleaveUpper(d, line2, line3);
        hn::StoreU(hn::ConcatLowerLower(d, low23, low01), d, to);
        hn::StoreU(hn::ConcatUpperUpper(d, low23, low01), d, to + width);
        hn::StoreU(hn::ConcatLowerLower(d, high23, high01), d, to + 2 * width);
        hn::StoreU(hn::ConcatUpperUpper(d, high23, high01), d, to + 3 * width);
      } else {
        hn::StoreU(hn::InterleaveLower(d, line0, line1), d, to);
        hn::StoreU(hn::InterleaveUpper(d, line0, line1), d, to + width);
      }
    }
    for (std::int64_t p = whole_k; p < k; ++p) {
      for (std::int64_t i = 0; i < kBlock; ++i)
        panel[p * width + done + i] = from[i * line_stride + p];
    }
  }
#endif
  for (; done < count; ++done) {
    for (std::int64_t p = 0; p < k; ++p) panel[p * width + done] = source[done * line_stride + p];
  }
}

template <class T>
void Pack(const T* source, std::ptrdiff_t line_stride, std::ptrdiff_t step_stride,
          std::int64_t count, std::int64_t width, std::int64_t k, T* panel) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  if (line_stride == 1) {
    for (std::int64_t p = 0; p < k; ++p, source += step_stride, panel += width) {
      std::int64_t i = 0;
      for (; i + lanes <= count; i += lanes) hn::StoreU(hn::LoadU(d, source + i), d, panel + i);
      for (; i < width; i += lanes) {
        const auto rest = LoadFirst(
            d, source + i, static_cast<std::size_t>(std::clamp<std::int64_t>(count - i, 0, lanes)));
        StoreFirst(d, rest, panel + i, static_cast<std::size_t>(std::min(width - i, lanes)));
      }
    }
    return;
  }
  if (step_stride == 1) {
    PackTransposed(source, line_stride, count, width, k, panel);
  } else {
    for (std::int64_t p = 0; p < k; ++p) {
      for (std::int64_t i = 0; i < count; ++i) {
        panel[p * width + i] = source[i * line_stride + p * step_stride];
      }
    }
  }
  if (count == width) return;
  for (std::int64_t p = 0; p < k; ++p) {
    for (std::int64_t i = count; i < width; ++i) panel[p * width + i] = T{0};
  }
}

/// Each row sums its even and its odd vectors apart (two chains hide the latency of the FMA when
/// four rows run together), so that a row's bits do not depend on its neighbours.
template <int kRows, class T>
void DotRows(const T* HWY_RESTRICT a, std::ptrdiff_t row_stride, const T* HWY_RESTRICT x,
             std::int64_t k, T* HWY_RESTRICT y, std::ptrdiff_t y_stride) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  V sum[kRows][2];
  NNKERNELS_UNROLL
  for (int i = 0; i < kRows; ++i) sum[i][0] = sum[i][1] = hn::Zero(d);
  std::int64_t p = 0;
  for (; p + 2 * lanes <= k; p += 2 * lanes) {
    const V x0 = hn::LoadU(d, x + p);
    const V x1 = hn::LoadU(d, x + p + lanes);
    NNKERNELS_UNROLL
    for (int i = 0; i < kRows; ++i) {
      sum[i][0] = hn::MulAdd(hn::LoadU(d, a + i * row_stride + p), x0, sum[i][0]);
      sum[i][1] = hn::MulAdd(hn::LoadU(d, a + i * row_stride + p + lanes), x1, sum[i][1]);
    }
  }
  for (int half = 0; p < k; p += lanes, half = 1) {
    const std::size_t count = static_cast<std::size_t>(std::min(k - p, lanes));
    const V x0 = LoadFirst(d, x + p, count);
    NNKERNELS_UNROLL
    for (int i = 0; i < kRows; ++i) {
      const V product = LoadFirst(d, a + i * row_stride + p, count);
      if (half == 0) {
        sum[i][0] = hn::MulAdd(product, x0, sum[i][0]);
      } else {
        sum[i][1] = hn::MulAdd(product, x0, sum[i][1]);
      }
    }
  }
  NNKERNELS_UNROLL
  for (int i = 0; i < kRows; ++i) {
    y[i * y_stride] = hn::GetLane(hn::SumOfLanes(d, hn::Add(sum[i][0], sum[i][1])));
  }
}

template <class T>
void Dot(const T* a, std::ptrdiff_t row_stride, const T* x, std::int64_t rows, std::int64_t k, T* y,
         std::ptrdiff_t y_stride) {
  std::int64_t i = 0;
  for (; i + 4 <= rows; i += 4) {
    DotRows<4>(a + i * row_stride, row_stride, x, k, y + i * y_stride, y_stride);
  }
  for (; i < rows; ++i)
    DotRows<1>(a + i * row_stride, row_stride, x, k, y + i * y_stride, y_stride);
}

template <class D, int kWidthIndex, int kWidth, int kRows, class T>
void AddTile(TileKernels<T>& kernels) {
  if constexpr (kRows <= kMaxRows[kWidthIndex]) {
    auto& tile = kernels.tile[kWidthIndex][kRows];
    tile[0][0] = RunTile<D, kRows, kWidth, false, false>;
    if constexpr (kHasMasks) tile[0][1] = RunTile<D, kRows, kWidth, false, true>;
    if constexpr (kWidth <= 2) {
      tile[1][0] = RunTile<D, kRows, kWidth, true, false>;
      if constexpr (kHasMasks) tile[1][1] = RunTile<D, kRows, kWidth, true, true>;
    }
  }
}

template <class T, int... kRows>
TileKernels<T> MakeKernels(std::integer_sequence<int, kRows...>) {
  using D = hn::ScalableTag<T>;
  const int lanes = static_cast<int>(hn::Lanes(D()));
  TileKernels<T> kernels;
  kernels.lanes = lanes;
  kernels.masked = kHasMasks;
  kernels.granule = kMaxRows[0] > 0 ? lanes / 2 : lanes;
  kernels.columns = {lanes / 2, lanes, 2 * lanes, 4 * lanes, 8 * lanes};
  kernels.max_rows = kMaxRows;
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  (AddTile<hn::Half<D>, 0, 1, kRows + 1>(kernels), ...);
#endif
  (AddTile<D, 1, 1, kRows + 1>(kernels), ...);
  (AddTile<D, 2, 2, kRows + 1>(kernels), ...);
  (AddTile<D, 3, 4, kRows + 1>(kernels), ...);
  (AddTile<D, 4, 8, kRows + 1>(kernels), ...);
  kernels.pack = Pack<T>;
  kernels.dot = Dot<T>;
  return kernels;
}

const TileKernels<float>& TilesF32() {
  static const TileKernels<float> kernels =
      MakeKernels<float>(std::make_integer_sequence<int, kMaxTileRows>());
  return kernels;
}
const TileKernels<double>& TilesF64() {
  static const TileKernels<double> kernels =
      MakeKernels<double>(std::make_integer_sequence<int, kMaxTileRows>());
  return kernels;
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace nnkernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace nnkernels {
HWY_EXPORT(TilesF32);
HWY_EXPORT(TilesF64);

namespace detail {

template <>
const TileKernels<float>& tile_kernels<float>() {
  return HWY_DYNAMIC_DISPATCH(TilesF32)();
}
template <>
const TileKernels<double>& tile_kernels<double>() {
  return HWY_DYNAMIC_DISPATCH(TilesF64)();
}

}  // namespace detail
}  // namespace nnkernels
#endif  // HWY_ONCE
