// The tiles of gemm_tile.h for any element type. Included inside foreach_target by
// gemm_tile_float.cc and gemm_tile_double.cc, which two compilers can work on at once.
// clang-format off: the toggle guard is Highway's idiom
#if defined(NNKERNELS_KERNELS_GEMM_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NNKERNELS_KERNELS_GEMM_TILE_INL_H_
#undef NNKERNELS_KERNELS_GEMM_TILE_INL_H_
#else
#define NNKERNELS_KERNELS_GEMM_TILE_INL_H_
#endif
// clang-format on

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "kernels/aligned_buffer.h"
#include "kernels/even_rows.h"
#include "kernels/gemm_columns-inl.h"
#include "kernels/gemm_dot-inl.h"
#include "kernels/gemm_finish-inl.h"
#include "kernels/gemm_pack-inl.h"
#include "kernels/gemm_tile.h"
#include "kernels/simd-inl.h"
#include "kernels/simd.h"
#include "kernels/unroll.h"

HWY_BEFORE_NAMESPACE();
namespace nnkernels {
namespace HWY_NAMESPACE {
// Two sources include this, each for its own type. With external linkage the table of Tiles() would
// be one symbol for all libraries of a process that were built from this.
// NOLINTNEXTLINE(cert-dcl59-cpp,google-build-namespaces)
namespace {

using detail::AnyTile;
using detail::EvenRows;
using detail::hide_origin;
using detail::kMaxTileRows;
using detail::kTileWidths;
using detail::MatrixTile;
using detail::NextRow;
using detail::RowTile;
using detail::Tile;
using detail::TileKernel;
using detail::TileKernels;

/// How many rows fit: rows * width accumulators, `width` vectors of B and one broadcast element of
/// A (without FMA also the product) share 32 registers (AVX-512, NEON) or 16. 14 x 2, 9 x 3
/// and 6 x 4 vectors leave the fewest of the 32 idle at the best ratio of arithmetic to loads.
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3  // better targets have lower numbers
// One vector is 16 rows for the sake of 16 x 16.
inline constexpr std::array<int, kTileWidths> kMaxRows = {16, 16, 14, 9, 6, 2, 2, 2, 2};
#elif HWY_TARGET == HWY_NEON
inline constexpr std::array<int, kTileWidths> kMaxRows = {0, 8, 8, 4, 4, 2, 2, 2, 2};
#elif HWY_TARGET == HWY_SCALAR
inline constexpr std::array<int, kTileWidths> kMaxRows = {0, 4, 2};
#else
inline constexpr std::array<int, kTileWidths> kMaxRows = {0, 6, 6, 2, 2, 1, 1, 1, 1};
#endif

/// One row of B, for kRows rows of A. The last vector may be masked.
template <int kRows, int kWidth, bool kMasked, class D, class T>
HWY_INLINE void LoadRow(D d, const T* HWY_RESTRICT b, hn::Mask<D> mask, hn::Vec<D> (&row)[kWidth]) {
  const std::size_t lanes = hn::Lanes(d);
  NNKERNELS_UNROLL
  for (int j = 0; j < kWidth; ++j) {
    const bool masked = kMasked && j == kWidth - 1;
    row[j] = masked ? hn::MaskedLoad(mask, d, b + j * lanes) : hn::LoadU(d, b + j * lanes);
    row[j] = LoadedOnce<kRows>(row[j]);
  }
}

/// One step of the k loop: one row of B, and for each row i of the tile its element a(i).
template <int kRows, int kWidth, bool kMasked, class D, class T, class RowsOfA, class V>
HWY_INLINE void AddStep(D d, const T* HWY_RESTRICT b, hn::Mask<D> mask, const RowsOfA& a,
                        V (&sum)[kRows][kWidth]) {
  V b_row[kWidth];
  LoadRow<kRows, kWidth, kMasked>(d, b, mask, b_row);
  NNKERNELS_UNROLL
  for (int i = 0; i < kRows; ++i) {
    const V element = hn::Set(d, a[i]);
    NNKERNELS_UNROLL
    for (int j = 0; j < kWidth; ++j) sum[i][j] = hn::MulAdd(element, b_row[j], sum[i][j]);
  }
}

/// A store waits in a queue until its sum is complete, and a Zen 4 has places there for 14 vectors
/// of AVX-512: 28 stores in a row hold up all that follows, and the next tile begins late, when
/// they have left (measured: 50 to 80 cycles, a tenth of 25 steps). So such a tile leaves its last
/// steps to EndByPairs(), which has multiply-adds between the stores.
template <int kRows, int kWidth>
inline constexpr bool kManyStores = (HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3) &&
                                    (kRows * kWidth >= 12);
inline constexpr int kLastSteps = 2;

/// The same tile, of which the compiler does not know what it has read already: it reads again what
/// it is asked for instead of keeping it in a register, of which tiles have none to spare. (Where a
/// stride was needed again behind the k loop, g++ 12 kept it in a vector register, and so a row of
/// B on the stack: products of doubles took 1.2 times as long.)
template <class Tile>
HWY_INLINE const Tile& FromMemory(const Tile& tile) {
  const Tile* again = &tile;
  hide_origin(again);
  return *again;
}

/// How many of `steps` steps are left to EndByPairs(). Asked before the k loop and behind it.
template <int kRows, int kWidth, class T>
HWY_INLINE int StepsByPairs(const AnyTile<T>& tile, std::int64_t steps) {
  const AnyTile<T>& again = FromMemory(tile);
  const bool ends = kManyStores<kRows, kWidth> && steps >= kLastSteps && again.alpha == T{1} &&
                    again.beta == T{0};
  return ends ? kLastSteps : 0;
}

/// The last steps for two rows at a time, which are then finished (alpha is 1, beta 0) and stored.
/// `next_a` and `next_c` return the rows, at the first of the steps, one after the other.
template <int kRows, int kWidth, bool kMasked, bool kWhole, class D, class T, class V>
HWY_INLINE void EndByPairs(D d, const AnyTile<T>& tile, const T* HWY_RESTRICT b,
                           NextRow<const T> next_a, std::ptrdiff_t a_step, NextRow<T> next_c,
                           V (&sum)[kRows][kWidth]) {
  const std::size_t lanes = hn::Lanes(d);
  const std::ptrdiff_t b_step = tile.b_step;
  const hn::Mask<D> mask = hn::FirstN(d, LanesOfLast<kWidth>(d, tile));
  const auto is_part = [](int j) { return !kWhole && j == kWidth - 1; };
  NNKERNELS_UNROLL
  for (int first = 0; first < kRows; first += 2) {
    const int end = std::min(first + 2, kRows);
    const T* a[2];
    NNKERNELS_UNROLL
    for (int i = first; i < end; ++i) a[i - first] = next_a();
    NNKERNELS_UNROLL
    for (int p = 0; p < kLastSteps; ++p) {
      V b_row[kWidth];
      LoadRow<2, kWidth, kMasked>(d, b + p * b_step, mask, b_row);
      NNKERNELS_UNROLL
      for (int i = first; i < end; ++i) {
        const V element = hn::Set(d, a[i - first][p * a_step]);
        NNKERNELS_UNROLL
        for (int j = 0; j < kWidth; ++j) sum[i][j] = hn::MulAdd(element, b_row[j], sum[i][j]);
      }
    }
    // Bias and ReLU are read from memory each time: they, too, would take the place of pointers.
    if (const T* const bias = tile.bias; bias != nullptr) {
      NNKERNELS_UNROLL
      for (int j = 0; j < kWidth; ++j) {
        const V addend =
            is_part(j) ? hn::MaskedLoad(mask, d, bias + j * lanes) : hn::LoadU(d, bias + j * lanes);
        NNKERNELS_UNROLL
        for (int i = first; i < end; ++i) sum[i][j] = hn::Add(sum[i][j], addend);
      }
    }
    if (tile.relu) {
      NNKERNELS_UNROLL
      for (int i = first; i < end; ++i) {
        NNKERNELS_UNROLL
        for (int j = 0; j < kWidth; ++j) sum[i][j] = Rectified(sum[i][j]);
      }
    }
    NNKERNELS_UNROLL
    for (int i = first; i < end; ++i) {
      T* const c = next_c();
      NNKERNELS_UNROLL
      for (int j = 0; j < kWidth; ++j) {
        if (is_part(j)) {
          hn::BlendedStore(sum[i][j], mask, d, c + j * lanes);
        } else {
          hn::StoreU(sum[i][j], d, c + j * lanes);
        }
      }
    }
  }
}

/// The same for any number of columns.
template <int kRows, int kWidth, bool kMasked, class D, class T, class V>
HWY_INLINE void EndByPairs(D d, const AnyTile<T>& tile, const T* HWY_RESTRICT b,
                           NextRow<const T> next_a, std::ptrdiff_t a_step, NextRow<T> next_c,
                           V (&sum)[kRows][kWidth]) {
  if constexpr (kManyStores<kRows, kWidth>) {
    if (!kMasked && LanesOfLast<kWidth>(d, tile) == hn::Lanes(d)) {
      EndByPairs<kRows, kWidth, false, true>(d, tile, b, next_a, a_step, next_c, sum);
    } else {
      EndByPairs<kRows, kWidth, kMasked, false>(d, tile, b, next_a, a_step, next_c, sum);
    }
  }
}

/// Asks for the cache lines of `kWidth` vectors.
template <int kWidth, class D, class T>
HWY_INLINE void PrefetchRow([[maybe_unused]] D d, const T* row) {
  constexpr int kLine = kAlignment / sizeof(T);
  constexpr int kLines = (kWidth * static_cast<int>(hn::MaxLanes(d)) + kLine - 1) / kLine;
  NNKERNELS_UNROLL
  for (int i = 0; i < kLines; ++i) hwy::Prefetch(row + i * kLine);
}

/// Asks for the cache lines in which the first and the last of `kWidth` vectors begin.
template <int kWidth, class D, class T>
HWY_INLINE void PrefetchEnds([[maybe_unused]] D d, const T* row) {
  hwy::Prefetch(row);
  if (kWidth > 1) hwy::Prefetch(row + (kWidth - 1) * hn::Lanes(d));
}

template <int kRows, int kWidth, class V, class D>
HWY_INLINE void ClearTile(D d, V (&sum)[kRows][kWidth]) {
  NNKERNELS_UNROLL
  for (int i = 0; i < kRows; ++i) {
    NNKERNELS_UNROLL
    for (int j = 0; j < kWidth; ++j) sum[i][j] = hn::Zero(d);
  }
}

template <class D, int kRows, int kWidth, bool kMasked, class T = hn::TFromD<D>>
void RunMatrixTile(const MatrixTile<T>& tile) {
  const D d;
  const hn::Mask<D> mask = hn::FirstN(d, LanesOfLast<kWidth>(d, tile));
  hn::Vec<D> sum[kRows][kWidth];
  ClearTile(d, sum);

  EvenRows<kRows, const T> a(tile.a, tile.a_row_stride);
  std::ptrdiff_t a_step = tile.a_step, b_step = tile.b_step;
  const T* HWY_RESTRICT b = tile.b;
  const T* b_ahead = b + tile.b_ahead;
  const T* next_a = tile.next_a;
  // Each step asks for a line that is needed later, one at a time so that they do not queue up: of
  // the next tile's A in chunks of one line of a row, and in the last chunks of C.
  constexpr std::int64_t kChunk = kAlignment / sizeof(T);
  std::int64_t k = tile.k - StepsByPairs<kRows, kWidth>(tile, tile.k);
  for (; k >= 2 * kChunk; k -= kChunk) {
    const T* line = next_a;
    NNKERNELS_ROLLED
    for (std::int64_t p = 0; p < kChunk; ++p) {
      hwy::Prefetch(line);
      line += tile.next_a_row_stride;
      PrefetchRow<kWidth>(d, b_ahead);
      b_ahead += b_step;
      AddStep<kRows, kWidth, kMasked>(d, b, mask, a, sum);
      a.advance(a_step);
      b += b_step;
      hide_origin(b);
      hide_origin(b_ahead);
      hide_origin(line);
    }
    const MatrixTile<T>& again = FromMemory(tile);
    next_a += again.next_a_chunk_step;
    a_step = again.a_step;
    b_step = again.b_step;
  }
  const T* next_c = tile.next_c;
  for (; k > 0; --k) {
    PrefetchEnds<kWidth>(d, next_c);
    next_c += tile.c_row_stride;
    AddStep<kRows, kWidth, kMasked>(d, b, mask, a, sum);
    a.advance(a_step);
    b += b_step;
    hide_origin(b);
    hide_origin(next_c);
  }

  if (StepsByPairs<kRows, kWidth>(tile, tile.k) > 0) {
    return EndByPairs<kRows, kWidth, kMasked>(d, tile, b, {a.row(0), tile.a_row_stride}, a_step,
                                              {tile.c, tile.c_row_stride}, sum);
  }
  const EvenRows<kRows, T> c(tile.c, tile.c_row_stride);
  FinishTile<kRows, kWidth>(
      d, tile, [&c](int i) { return c.row(i); }, sum);
}

template <class D, int kRows, int kWidth, bool kMasked, class T = hn::TFromD<D>>
void RunTile(const Tile<T>& tile) {
  const D d;
  const hn::Mask<D> mask = hn::FirstN(d, LanesOfLast<kWidth>(d, tile));
  const T* rows[kRows];
  NNKERNELS_UNROLL
  for (int i = 0; i < kRows; ++i) rows[i] = tile.rows[i];

  // C is written at the end; asked for now, its lines arrive during the k loop.
  NNKERNELS_UNROLL
  for (int i = 0; i < kRows; ++i) PrefetchEnds<kWidth>(d, tile.c[i]);

  hn::Vec<D> sum[kRows][kWidth];
  ClearTile(d, sum);

  struct Rows {
    const T* const (&rows)[kRows];
    std::ptrdiff_t offset;
    HWY_INLINE T operator[](int i) const { return rows[i][offset]; }
  } a{rows, 0};
  const T* HWY_RESTRICT b = tile.b;
  const std::ptrdiff_t step = tile.step, b_step = tile.b_step;
  const std::int64_t length = tile.segment_length;
  for (std::int64_t s = 0; s < tile.segment_count; ++s) {
    a.offset = tile.segments[s];
    for (std::int64_t p = 0; p < length; ++p) {
      AddStep<kRows, kWidth, kMasked>(d, b, mask, a, sum);
      a.offset += step;
      b += b_step;
    }
  }
  FinishTile<kRows, kWidth>(
      d, tile, [&tile](int i) { return tile.c[i]; }, sum);
}

template <class D, int kRows, int kWidth, class T = hn::TFromD<D>>
void RunRowTile(const RowTile<T>& tile) {
  const D d;
  const hn::Mask<D> mask = hn::FirstN(d, LanesOfLast<kWidth>(d, tile));
  const std::ptrdiff_t b_step = tile.b_step;
  const T* a_tile = tile.a;
  T* c_tile = tile.c;
  for (std::int64_t t = tile.tiles; t > 0; --t) {
    // C is written at the end, so its lines are asked for: at once where they or the steps are few,
    // else a row each step. 28 on their way would leave an Intel core no place for those of x.
    constexpr bool kByStep = kManyStores<kRows, kWidth>;
    if (!kByStep || tile.segment_count * tile.segment_length < kRows) {
      NextRow<T> next_c(c_tile, tile.c_row_stride);
      NNKERNELS_UNROLL
      for (int i = 0; i < kRows; ++i) PrefetchEnds<kWidth>(d, next_c());
    }
    const T* row_of_c = c_tile;
    const T* const last_row = c_tile + (kRows - 1) * tile.c_row_stride;
    hn::Vec<D> sum[kRows][kWidth];
    ClearTile(d, sum);

    const T* HWY_RESTRICT b = tile.b;
    EvenRows<kRows, const T> a(a_tile, tile.a_row_stride);
    const std::ptrdiff_t* const end = tile.segments + tile.segment_count;
    for (const std::ptrdiff_t* segment = tile.segments; segment != end; ++segment) {
      a = {a_tile + *segment, tile.a_row_stride};
      std::int64_t length = tile.segment_length;
      if (segment + 1 == end) length -= StepsByPairs<kRows, kWidth>(tile, length);
      for (; length > 0; --length) {
        if constexpr (kByStep) {
          PrefetchEnds<kWidth>(d, row_of_c);
          row_of_c = row_of_c == last_row ? c_tile : row_of_c + tile.c_row_stride;
        }
        AddStep<kRows, kWidth, false>(d, b, mask, a, sum);
        a.advance(1);
        b += b_step;
        hide_origin(b);
      }
    }
    if (StepsByPairs<kRows, kWidth>(tile, tile.segment_length) > 0) {
      EndByPairs<kRows, kWidth, false>(d, tile, b, {a.row(0), tile.a_row_stride}, 1,
                                       {c_tile, tile.c_row_stride}, sum);
    } else {
      const EvenRows<kRows, T> c(c_tile, tile.c_row_stride);
      FinishTile<kRows, kWidth>(
          d, tile, [&c](int i) { return c.row(i); }, sum);
    }
    a_tile += kRows * tile.a_row_stride;
    c_tile += kRows * tile.c_row_stride;
  }
}

template <class D, int kWidthIndex, int kWidth, int kRows, class T>
void AddTile(TileKernels<T>& kernels) {
  if constexpr (kRows <= kMaxRows[kWidthIndex]) {
    auto& matrix_tile = kernels.matrix_tile[kWidthIndex][kRows];
    matrix_tile[0] = RunMatrixTile<D, kRows, kWidth, false>;
    if constexpr (kHasMasks) matrix_tile[1] = RunMatrixTile<D, kRows, kWidth, true>;
    if constexpr (kWidthIndex <= detail::kTwoVectors) {
      auto& tile = kernels.tile[kWidthIndex][kRows];
      tile[0] = RunTile<D, kRows, kWidth, false>;
      if constexpr (kHasMasks) tile[1] = RunTile<D, kRows, kWidth, true>;
      kernels.row_tile[kWidthIndex][kRows][0] = RunRowTile<D, kRows, kWidth>;
    }
  }
}

template <class D, int kWidthIndex, int kWidth, class T, int... kRows>
void AddTiles(TileKernels<T>& kernels, std::integer_sequence<int, kRows...>) {
  (AddTile<D, kWidthIndex, kWidth, kRows + 1>(kernels), ...);
}

template <class T, int... kWidths>
TileKernels<T> MakeKernels(std::integer_sequence<int, kWidths...>) {
  using D = hn::ScalableTag<T>;
  const int lanes = static_cast<int>(hn::Lanes(D()));
  constexpr auto kRows = std::make_integer_sequence<int, kMaxTileRows>();
  TileKernels<T> kernels;
  kernels.lanes = lanes;
  kernels.max_depth = static_cast<int>((kMaxRows[0] > 0 ? 4096 : 1024) / sizeof(T));
  kernels.masked = kHasMasks;
  kernels.unit_lanes = kMaxRows[0] > 0 && detail::has_half_wide_units() ? lanes / 2 : lanes;
  kernels.granule = kernels.unit_lanes;
  // Measured: on cores with two units of 512 bits tiles keep up with B for longer.
  constexpr std::int64_t kMegabyte = 1 << 20;
  const bool whole_units = kMaxRows[0] > 0 && kernels.unit_lanes == lanes;
  kernels.streamed_bytes = {(whole_units ? 24 : 12) * kMegabyte,
                            (whole_units ? 24 : 3) * kMegabyte};
  // The largest product is a cube: of 32 to 64 KB, as long as it takes less than 8 us by the
  // estimate of cost.h (WorthSharing).
  constexpr auto kSize = static_cast<std::int64_t>(sizeof(T));
  const double side = std::cbrt(40000.0 * kernels.unit_lanes);
  kernels.small_size = std::clamp<std::int64_t>(static_cast<std::int64_t>(3 * side * side),
                                                32768 / kSize, 65536 / kSize);
  kernels.columns = {lanes / 2, (kWidths + 1) * lanes...};
  kernels.max_rows = kMaxRows;
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  AddTiles<hn::Half<D>, 0, 1>(kernels, kRows);
#endif
  (AddTiles<D, kWidths + 1, kWidths + 1>(kernels, kRows), ...);
  kernels.pack = Pack<T>;
  kernels.pack_part = PackPart<T>;
  kernels.dot = Dot<T>;
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2
  kernels.most_few_columns = lanes / 4;
  kernels.few_columns = FewColumns<D>;
#endif
  return kernels;
}

/// The tiles of the instruction set that is being compiled for.
template <class T>
const TileKernels<T>& Tiles() {
  static const TileKernels<T> kernels =
      MakeKernels<T>(std::make_integer_sequence<int, kTileWidths - 1>());
  return kernels;
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace nnkernels
HWY_AFTER_NAMESPACE();

#endif  // NNKERNELS_KERNELS_GEMM_TILE_INL_H_
