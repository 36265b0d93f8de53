// Exponential and logarithm for the kernels that need them. Included as simd-inl.h is.
// clang-format off: the toggle guard is Highway's idiom
#if defined(NNKERNELS_KERNELS_EXP_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NNKERNELS_KERNELS_EXP_INL_H_
#undef NNKERNELS_KERNELS_EXP_INL_H_
#else
#define NNKERNELS_KERNELS_EXP_INL_H_
#endif
// clang-format on

#include <cstddef>
#include <iterator>

#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"
#include "kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nnkernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// exp(x) = 2^n exp(r), n = round(x / ln 2), |r| <= ln 2 / 2, as usual; r = x - n ln 2 with ln 2 in
// two parts, of which the product of n with the first is exact (W. Cody and W. Waite, 1980).

template <class T>
struct ExpConstants;

template <>
struct ExpConstants<float> {
  static constexpr float kLog2E = 1.44269504f;
  static constexpr float kLn2High = 0.693359375f;
  static constexpr float kLn2Low = -2.12194440e-4f;
  /// Q in exp(r) = 1 + r + r^2 Q(r), highest power first: interpolates at Chebyshev's points. Its
  /// error is below 2^-26 of exp(r) (double: 2^-56).
  static constexpr float kQ[] = {0.001392617612f, 0.008363173075f, 0.04166655466f, 0.1666657703f,
                                 0.5f};
  static constexpr int kMantissaBits = 23;
  static constexpr float kBias = 127;
  static constexpr float kRounding = 0x1.8p23f;  // a number to which this is added has no fraction
  static constexpr float kZeroBelow = -105;      // exp(x) is 0 from here on
  static constexpr float kHeadroom = 100;        // exp(kZeroBelow) 2^kHeadroom is normal
  static constexpr float kUndoHeadroom = 0x1p-100f;
  static constexpr float kNothingBelow = -40;  // 1 + exp(x) is 1 from here on
};

template <>
struct ExpConstants<double> {
  static constexpr double kLog2E = 1.44269504088896339;
  static constexpr double kLn2High = 6.93147180369123816490e-01;
  static constexpr double kLn2Low = 1.90821492927058770002e-10;
  static constexpr double kQ[] = {2.5100375832561234e-08,  2.76200758799833672e-07,
                                  2.75572684803100238e-06, 2.48015213223686919e-05,
                                  0.00019841269863040545,  0.00138888889171967186,
                                  0.008333333333330065,    0.0416666666666241636,
                                  0.166666666666666685,    0.500000000000000111};
  static constexpr int kMantissaBits = 52;
  static constexpr double kBias = 1023;
  static constexpr double kRounding = 0x1.8p52;
  static constexpr double kZeroBelow = -746;
  static constexpr double kHeadroom = 600;
  static constexpr double kUndoHeadroom = 0x1p-600;
  static constexpr double kNothingBelow = -80;
};

/// exp(x) = scale * (1 + r + square) / 2^extra.
template <class D>
struct ExpParts {
  hn::Vec<D> r, square, scale;
};

/// x from kZeroBelow to 0, and from the lowest power of two that `extra` makes normal. Where x is
/// NaN, r is NaN and scale any number.
template <class D, class T = hn::TFromD<D>, class V = hn::Vec<D>>
HWY_INLINE ExpParts<D> SplitExp(D d, V x, T extra) {
  using C = ExpConstants<T>;
  const hn::RebindToUnsigned<D> bits;
  // The addition rounds x / ln 2 to n and leaves the exponent of 2^(n + extra), bias included, in
  // the lowest bits.
  const V shift = hn::Set(d, C::kRounding + C::kBias + extra);
  const V shifted = hn::MulAdd(x, hn::Set(d, C::kLog2E), shift);
  const V n = hn::Sub(shifted, shift);
  const V scale = hn::BitCast(d, hn::ShiftLeft<C::kMantissaBits>(hn::BitCast(bits, shifted)));
  const V r =
      hn::NegMulAdd(n, hn::Set(d, C::kLn2Low), hn::NegMulAdd(n, hn::Set(d, C::kLn2High), x));
  V q = hn::Set(d, C::kQ[0]);
  for (std::size_t i = 1; i < std::size(C::kQ); ++i) q = hn::MulAdd(q, r, hn::Set(d, C::kQ[i]));
  return {r, hn::Mul(hn::Mul(r, r), q), scale};
}

/// exp(x) for x <= 0 within 2 units in the last place, denormal results included; NaN stays NaN.
template <class D, class T = hn::TFromD<D>, class V = hn::Vec<D>>
HWY_INLINE V ExpOfNegative(D d, V x) {
  using C = ExpConstants<T>;
  // Zeros, such as those of -Inf, come from a scale of zero: underflow would take a hundred cycles.
  const auto is_zero = hn::Lt(x, hn::Set(d, C::kZeroBelow));
  // A power of two that is too large by 2^kHeadroom is a normal number also where exp(x) is not.
  auto parts = SplitExp(d, hn::IfThenZeroElse(is_zero, x), C::kHeadroom);
  parts.scale = hn::IfThenZeroElse(is_zero, parts.scale);
  const V exp_r = hn::Add(hn::Set(d, T{1}), hn::Add(parts.r, parts.square));
  return hn::Mul(hn::Mul(exp_r, parts.scale), hn::Set(d, C::kUndoHeadroom));
}

/// exp(x) - 1 for x <= 0 within 3 units in the last place; NaN stays NaN.
template <class D, class T = hn::TFromD<D>, class V = hn::Vec<D>>
HWY_INLINE V ExpMinusOneOfNegative(D d, V x) {
  using C = ExpConstants<T>;
  const auto parts = SplitExp(d, GreaterOrSecond(hn::Set(d, C::kNothingBelow), x), T{0});
  const V scale_minus_one = hn::Sub(parts.scale, hn::Set(d, T{1}));
  return hn::MulAdd(parts.scale, hn::Add(parts.r, parts.square), scale_minus_one);
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
