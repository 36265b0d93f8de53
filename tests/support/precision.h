// Measures of rounding error.
#ifndef NNKERNELS_TESTS_SUPPORT_PRECISION_H_
#define NNKERNELS_TESTS_SUPPORT_PRECISION_H_

#include <algorithm>
#include <cmath>
#include <limits>

namespace nnkernels {

/// The unit roundoff u: 2^-24 for float, 2^-53 for double.
template <class T>
constexpr double kRoundoff = std::numeric_limits<T>::epsilon() / 2;

/// gamma_n = n u / (1 - n u) bounds the relative error that n roundings build up (N. Higham,
/// "Accuracy and Stability of Numerical Algorithms", section 3.1).
template <class T>
double gamma(double n) {
  return n * kRoundoff<T> / (1 - n * kRoundoff<T>);
}

/// |actual - exact| in units in the last place of T at `exact`; 0 if both are NaN or the same
/// infinity, infinite if only one of them is not finite as a T.
template <class T>
double ulp_error(T actual, long double exact) {
  const T rounded = static_cast<T>(exact);
  if (std::isnan(actual) && std::isnan(rounded)) return 0;
  if (!std::isfinite(actual) || !std::isfinite(rounded)) {
    return actual == rounded ? 0 : std::numeric_limits<double>::infinity();
  }
  const long double magnitude =
      std::max(std::abs(exact), static_cast<long double>(std::numeric_limits<T>::min()));
  const long double ulp =
      std::ldexp(1.0L, std::ilogb(magnitude) + 1 - std::numeric_limits<T>::digits);
  return static_cast<double>(std::abs(static_cast<long double>(actual) - exact) / ulp);
}

}  // namespace nnkernels

#endif  // NNKERNELS_TESTS_SUPPORT_PRECISION_H_
