// Transposition in registers: from lines of memory to vectors across them. Included by
// gemm_tile-inl.h inside foreach_target.
// clang-format off: the toggle guard is Highway's idiom
#if defined(NNKERNELS_KERNELS_GEMM_TURN_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NNKERNELS_KERNELS_GEMM_TURN_INL_H_
#undef NNKERNELS_KERNELS_GEMM_TURN_INL_H_
#else
#define NNKERNELS_KERNELS_GEMM_TURN_INL_H_
#endif
// clang-format on

#include <cstddef>

#include "hwy/highway.h"
#include "kernels/simd-inl.h"
#include "kernels/unroll.h"

HWY_BEFORE_NAMESPACE();
namespace nnkernels {
namespace HWY_NAMESPACE {

#if HWY_TARGET != HWY_SCALAR
/// Elements in 128 bits: blocks of so many lines and steps are turned in registers.
template <class D>
inline constexpr int kBlockLanes = 16 / sizeof(hn::TFromD<D>);

/// Turns the square matrix in each 128-bit block of v, of which v[i] has row i.
template <class D, class V>
HWY_INLINE void TurnBlocks(D d, V* HWY_RESTRICT v) {
  if constexpr (kBlockLanes<D> == 2) {
    const V low = hn::InterleaveLower(d, v[0], v[1]);
    v[1] = hn::InterleaveUpper(d, v[0], v[1]);
    v[0] = low;
  } else {
    const hn::Repartition<double, D> pairs;
    const auto low01 = hn::BitCast(pairs, hn::InterleaveLower(d, v[0], v[1]));
    const auto low23 = hn::BitCast(pairs, hn::InterleaveLower(d, v[2], v[3]));
    const auto high01 = hn::BitCast(pairs, hn::InterleaveUpper(d, v[0], v[1]));
    const auto high23 = hn::BitCast(pairs, hn::InterleaveUpper(d, v[2], v[3]));
    v[0] = hn::BitCast(d, hn::InterleaveLower(pairs, low01, low23));
    v[1] = hn::BitCast(d, hn::InterleaveUpper(pairs, low01, low23));
    v[2] = hn::BitCast(d, hn::InterleaveLower(pairs, high01, high23));
    v[3] = hn::BitCast(d, hn::InterleaveUpper(pairs, high01, high23));
  }
}

#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2  // better targets have lower numbers
/// Half a vector: so many steps of all lines are turned at once.
template <class D>
inline constexpr int kTurnedSteps = hn::MaxLanes(D()) / 2;

/// Vectors across lines of memory: turned[p] has step p of as many lines as a vector has lanes,
/// those of its lower half from `lower` on, `stride` apart, those of its upper half from `upper`.
template <class Loads, class D, class T, class V>
HWY_INLINE void LoadTurned(D d, const Loads& loads, const T* lower, const T* upper,
                           std::ptrdiff_t stride, V (&turned)[kTurnedSteps<D>]) {
  const hn::Half<D> half;
  constexpr int kBlock = kBlockLanes<D>, kSteps = kTurnedSteps<D>;
  V lines[kSteps];
  NNKERNELS_UNROLL
  for (int i = 0; i < kSteps; ++i) {
    lines[i] =
        hn::Combine(d, loads.Load(half, upper + i * stride), loads.Load(half, lower + i * stride));
  }
  NNKERNELS_UNROLL
  for (int i = 0; i < kSteps; i += kBlock) TurnBlocks(d, lines + i);
  NNKERNELS_UNROLL
  for (int p = 0; p < kBlock; ++p) {
    if constexpr (kSteps == kBlock) {
      turned[p] = lines[p];
    } else {
      // A block has one step of some lines, but odd blocks have a later step than even ones.
      const V first = lines[p], second = lines[kBlock + p];
      turned[p] = hn::OddEvenBlocks(hn::SwapAdjacentBlocks(second), first);
      turned[kBlock + p] = hn::OddEvenBlocks(second, hn::SwapAdjacentBlocks(first));
    }
  }
}
#endif  // AVX2 or better
#endif  // HWY_TARGET != HWY_SCALAR

}  // namespace HWY_NAMESPACE
}  // namespace nnkernels
HWY_AFTER_NAMESPACE();

#endif  // NNKERNELS_KERNELS_GEMM_TURN_INL_H_
