// The end of a tile: from sums in registers to C. Included by gemm_tile-inl.h inside
// foreach_target.
// clang-format off: the toggle guard is Highway's idiom
#if defined(NNKERNELS_KERNELS_GEMM_FINISH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NNKERNELS_KERNELS_GEMM_FINISH_INL_H_
#undef NNKERNELS_KERNELS_GEMM_FINISH_INL_H_
#else
#define NNKERNELS_KERNELS_GEMM_FINISH_INL_H_
#endif
// clang-format on

#include <cstddef>

#include "hwy/highway.h"
#include "kernels/gemm_tile.h"
#include "kernels/simd-inl.h"
#include "kernels/unroll.h"

HWY_BEFORE_NAMESPACE();
namespace nnkernels {
namespace HWY_NAMESPACE {

using detail::AnyTile;

/// The lanes of the last vector of a row that belong to C.
template <int kWidth, class D, class T>
HWY_INLINE std::size_t LanesOfLast(D d, const AnyTile<T>& tile) {
  return static_cast<std::size_t>(tile.cols) - (kWidth - 1) * hn::Lanes(d);
}

/// Applies alpha, beta, bias and ReLU and stores the tile: one unrolled pass a step, so that the
/// accumulators stay in registers.
template <int kRows, int kWidth, class D, class T, class RowsOfC, class V>
HWY_INLINE void FinishTile(D d, const AnyTile<T>& tile, const RowsOfC& c, V (&sum)[kRows][kWidth]) {
  const std::size_t lanes = hn::Lanes(d);
  const std::size_t last = LanesOfLast<kWidth>(d, tile);
  const bool whole = last == lanes;
  constexpr int kLast = kWidth - 1;

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
        sum[i][j] = hn::MulAdd(beta, hn::LoadU(d, c(i) + j * lanes), sum[i][j]);
      }
      const V old =
          whole ? hn::LoadU(d, c(i) + kLast * lanes) : LoadFirst(d, c(i) + kLast * lanes, last);
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
    NNKERNELS_UNROLL
    for (int i = 0; i < kRows; ++i) {
      NNKERNELS_UNROLL
      for (int j = 0; j < kWidth; ++j) sum[i][j] = Rectified(sum[i][j]);
    }
  }
  if (whole) {
    NNKERNELS_UNROLL
    for (int i = 0; i < kRows; ++i) {
      NNKERNELS_UNROLL
      for (int j = 0; j < kWidth; ++j) hn::StoreU(sum[i][j], d, c(i) + j * lanes);
    }
  } else {
    NNKERNELS_UNROLL
    for (int i = 0; i < kRows; ++i) {
      NNKERNELS_UNROLL
      for (int j = 0; j < kLast; ++j) hn::StoreU(sum[i][j], d, c(i) + j * lanes);
      StoreFirst(d, sum[i][kLast], c(i) + kLast * lanes, last);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace nnkernels
HWY_AFTER_NAMESPACE();

#endif  // NNKERNELS_KERNELS_GEMM_FINISH_INL_H_
