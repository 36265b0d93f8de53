// The update rules of optimizers, each one pass over a parameter, its gradient and its state.
#ifndef NNKERNELS_KERNELS_UPDATE_H_
#define NNKERNELS_KERNELS_UPDATE_H_

#include <cstdint>

namespace nnkernels {

// All of them work element by element on dense arrays of `size` elements that must not overlap,
// in parallel where it pays; the bits do not depend on the number of threads. T is float or double.
// std::invalid_argument on a negative size and on null pointers to non-empty arrays.

/// Stochastic gradient descent: w -= lr g.
template <class T>
void sgd_update(std::int64_t size, T lr, const T* g, T* w);

/// Momentum (B. Polyak, 1964; in the tutorials' form): v = momentum v - lr g; w += v.
template <class T>
void momentum_update(std::int64_t size, T lr, T momentum, const T* g, T* v, T* w);

/// Adam (D. Kingma and J. Ba, arXiv:1412.6980, algorithm 1, epsilon outside the root):
///     m = beta1 m + (1 - beta1) g
///     v = beta2 v + (1 - beta2) g^2
///     w -= lr (m / (1 - beta1^step)) / (sqrt(v / (1 - beta2^step)) + epsilon)
/// `step` counts from 1; the powers of beta are computed in double. Moments smaller in size than
/// the smallest normal number become zero: they cannot change w, and arithmetic on denormal numbers
/// would take many times as long. NaN stays NaN.
/// Throws std::invalid_argument, too, unless step >= 1 and both betas are in [0, 1).
template <class T>
struct AdamStep {
  T lr;
  T beta1;
  T beta2;
  T epsilon;
  std::int64_t step;
};
template <class T>
void adam_update(std::int64_t size, const AdamStep<T>& parameters, const T* g, T* m, T* v, T* w);

}  // namespace nnkernels

#endif  // NNKERNELS_KERNELS_UPDATE_H_
