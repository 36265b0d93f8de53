// Exponential and logarithm for the kernels that need them. Included as simd-inl.h is.
// clang-format off: the toggle guard is Highway's idiom
#if defined(NNKERNELS_KERNELS_EXP_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NNKERNELS_KERNELS_EXP_INL_H_
#undef NNKERNELS_KERNELS_EXP_INL_H_
#else
#define NNKERNELS_KERNELS_EXP_INL_H_
#endif
// clang-format on

#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace nnkernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// exp(x) for x <= 0 within 2 units in the last place, denormal results included; NaN stays NaN.
/// Highway's function turns NaN into 0, after converting it to an integer, which portable code must
/// not do.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V ExpOfNegative(D d, V x) {
  const auto is_nan = hn::IsNaN(x);
  return hn::IfThenElse(is_nan, x, hn::Exp(d, hn::IfThenZeroElse(is_nan, x)));
}

/// log(x) for normal x >= 1 within 4 units in the last place; 0 for 1; NaN stays NaN.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V LogOfSum(D d, V x) {
  return hn::IfThenElse(hn::IsNaN(x), x, hn::Log(d, x));
}

}  // namespace HWY_NAMESPACE
}  // namespace nnkernels
HWY_AFTER_NAMESPACE();

#endif  // NNKERNELS_KERNELS_EXP_INL_H_
