// What every SIMD source of this folder needs beyond Highway: vectors that are only partly there.
// Included after hwy/highway.h inside foreach_target, hence once for each target.
// clang-format off: the toggle guard is Highway's idiom
#if defined(NNKERNELS_KERNELS_SIMD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NNKERNELS_KERNELS_SIMD_INL_H_
#undef NNKERNELS_KERNELS_SIMD_INL_H_
#else
#define NNKERNELS_KERNELS_SIMD_INL_H_
#endif
// clang-format on

#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace nnkernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Whether masked loads and stores touch nothing but the lanes of the mask. Elsewhere Highway
/// loads, or rewrites, whole vectors: that may fault at the end of a page, and another thread may
/// own the lanes behind the end.
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2  // better targets have lower numbers
inline constexpr bool kHasMasks = true;
#else
inline constexpr bool kHasMasks = false;
#endif

/// Whether there are 32 vector registers, not 16.
inline constexpr bool k32Registers =
    (HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3) || HWY_TARGET == HWY_NEON;

/// a where a > b, else b; so b, too, where one of them is NaN or both are zeros.
template <class V>
HWY_INLINE V GreaterOrSecond(V a, V b) {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_SSSE3
  return hn::Max(a, b);  // one instruction, which is defined in this way
#else
  return hn::IfThenElse(hn::Gt(a, b), a, b);
#endif
}

/// The ReLU of all kernels: 0 where v < 0, else v; so NaN stays NaN, and -0 stays -0.
template <class V>
HWY_INLINE V Rectified(V v) {
  return GreaterOrSecond(hn::Zero(hn::DFromV<V>()), v);
}

/// v, which has been loaded from memory, kept in a register for the kUses instructions that need
/// it. If there are two or three, g++ 12 lets each load it by itself, from whichever cache it lies
/// in.
template <int kUses, class V>
HWY_INLINE V LoadedOnce(V v) {
#if HWY_ARCH_X86 && HWY_COMPILER_GCC_ACTUAL && HWY_TARGET != HWY_EMU128
  if constexpr (kUses > 1) asm("" : "+v"(v.raw));
#endif
  return v;
}

/// The first `count` lanes from p, in [0, Lanes(d)], zeros behind them; reads nothing else.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE hn::Vec<D> LoadFirst(D d, const T* p, std::size_t count) {
  if constexpr (kHasMasks) {
    return hn::MaskedLoad(hn::FirstN(d, count), d, p);
  } else {
    HWY_ALIGN T lanes[hn::MaxLanes(d)] = {};
    for (std::size_t i = 0; i < count; ++i) lanes[i] = p[i];
    return hn::Load(d, lanes);
  }
}

#if HWY_TARGET == HWY_AVX2
/// The same as StoreFirst(), by halves. A masked store of AVX2 takes AMD's cores a dozen cycles and
/// more; the branches are foreseen, since whole loops have one count.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE void StoreHalves(D d, hn::Vec<D> v, T* p, std::size_t count) {
  constexpr std::size_t kLanes = hn::MaxLanes(d);
  if (count == kLanes) return hn::StoreU(v, d, p);
  if constexpr (kLanes > 1) {
    const hn::Half<D> half;
    if (count < kLanes / 2) return StoreHalves(half, hn::LowerHalf(half, v), p, count);
    hn::StoreU(hn::LowerHalf(half, v), half, p);
    StoreHalves(half, hn::UpperHalf(half, v), p + kLanes / 2, count - kLanes / 2);
  }
}
#endif

/// Stores the first `count` lanes of v at p, in [0, Lanes(d)]; touches nothing else.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE void StoreFirst(D d, hn::Vec<D> v, T* p, std::size_t count) {
#if HWY_TARGET == HWY_AVX2
  StoreHalves(d, v, p, count);
#else
  if constexpr (kHasMasks) {
    hn::BlendedStore(v, hn::FirstN(d, count), d, p);
  } else {
    HWY_ALIGN T lanes[hn::MaxLanes(d)];
    hn::Store(v, d, lanes);
    for (std::size_t i = 0; i < count; ++i) p[i] = lanes[i];
  }
#endif
}

/// Loads and stores of whole vectors, and (below) of the first lanes: with one of them as an
/// argument, the body of a loop and its tail are the same code.
struct WholeVector {
  template <class D, class T = hn::TFromD<D>>
  HWY_INLINE hn::Vec<D> Load(D d, const T* p) const {
    return hn::LoadU(d, p);
  }
  template <class D, class T = hn::TFromD<D>>
  HWY_INLINE void Store(D d, hn::Vec<D> v, T* p) const {
    hn::StoreU(v, d, p);
  }
};

struct FirstLanes {
  std::size_t count;

  template <class D, class T = hn::TFromD<D>>
  HWY_INLINE hn::Vec<D> Load(D d, const T* p) const {
    return LoadFirst(d, p, count);
  }
  template <class D, class T = hn::TFromD<D>>
  HWY_INLINE void Store(D d, hn::Vec<D> v, T* p) const {
    StoreFirst(d, v, p, count);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace nnkernels
HWY_AFTER_NAMESPACE();

#endif  // NNKERNELS_KERNELS_SIMD_INL_H_
