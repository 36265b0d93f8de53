// The update rules of optimizers, each one pass over a parameter, its gradient and its state.
#ifndef NNKERNELS_KERNELS_UPDATE_H_
#define NNKERNELS_KERNELS_UPDATE_H_

#include <cstdint>
#include <limits>

namespace nnkernels {

// All of them work element by element on dense arrays of `size` elements that must not overlap,
// in parallel where it pays; the bits do not depend on the number of threads. T is float or double.
// std::invalid_argument on a negative size, on null pointers to non-empty arrays, and unless alpha
// and the betas are in [0, 1).
//
// The rules and their constants are those of PyTorch's optimizers of the same names. State (m, v)
// starts from zero. NaN stays NaN.
//
// State that decays becomes zero where it is smaller in size than the smallest normal number s
// (1.2e-38, 2.2e-308), since arithmetic on denormal numbers would take many times as long: m of
// Momentum and Nesterov always, which changes w by less than lr s / (1 - momentum) in total; m and
// v of Adam and v of RMSprop if epsilon >= 4 sqrt(s / (1 - beta2)) / u with u the distance from 1
// to the next number (float: 1.2e-10 for beta2 = 0.999; alpha of RMSprop instead of beta2), so that
// sqrt(v) + epsilon changes by less than half a unit in the last place. With a smaller epsilon
// they are computed as the formulas say, denormal or not.

/// What happens to a gradient before a rule sees it, in the same pass:
///     g = clamp(scale g, -limit, limit) + decay w
/// `scale` is for clipping by norm, `limit` clips by value, `decay` is L2 regularisation. NaN
/// stays.
template <class T>
struct GradientTerms {
  T scale = 1;
  T limit = std::numeric_limits<T>::infinity();
  T decay = 0;
};

/// Stochastic gradient descent: w -= lr g.
template <class T>
void sgd_update(std::int64_t size, T lr, const T* g, T* w, const GradientTerms<T>& terms = {});

/// The same for a gradient that is an outer product, as a single sample's is: w[i,j] -= lr (x[i]
/// y[j]) for w of [rows][cols]. Reads and writes w, and no gradient; the same bits as sgd_update
/// with the rounded products.
template <class T>
void sgd_outer_update(std::int64_t rows, std::int64_t cols, T lr, const T* x, const T* y, T* w);

/// Momentum (B. Polyak, 1964): m = momentum m + g; w -= lr m.
template <class T>
void momentum_update(std::int64_t size, T lr, T momentum, const T* g, T* m, T* w,
                     const GradientTerms<T>& terms = {});

/// Nesterov's accelerated gradient, in the form of I. Sutskever et al. (ICML 2013), written for
/// the weights after the look-ahead: m = momentum m + g; w -= lr (g + momentum m).
template <class T>
void nesterov_update(std::int64_t size, T lr, T momentum, const T* g, T* m, T* w,
                     const GradientTerms<T>& terms = {});

/// AdaGrad (J. Duchi, E. Hazan and Y. Singer, JMLR 2011):
///     v = v + g^2;  w -= lr g / (sqrt(v) + epsilon)
template <class T>
void adagrad_update(std::int64_t size, T lr, T epsilon, const T* g, T* v, T* w,
                    const GradientTerms<T>& terms = {});

/// RMSprop (T. Tieleman and G. Hinton, lecture 6.5 of "Neural networks for machine learning",
/// 2012), epsilon outside the root:
///     v = alpha v + (1 - alpha) g^2;  w -= lr g / (sqrt(v) + epsilon)
template <class T>
void rmsprop_update(std::int64_t size, T lr, T alpha, T epsilon, const T* g, T* v, T* w,
                    const GradientTerms<T>& terms = {});

/// Adam (D. Kingma and J. Ba, arXiv:1412.6980, algorithm 1, epsilon outside the root), and, where
/// `decay` is not 0, AdamW (I. Loshchilov and F. Hutter, arXiv:1711.05101, algorithm 2):
///     m = beta1 m + (1 - beta1) g
///     v = beta2 v + (1 - beta2) g^2
///     w = (1 - lr decay) w
///         - lr (m / (1 - beta1^step)) / (sqrt(v / (1 - beta2^step)) + epsilon)
/// `step` counts from 1 (std::invalid_argument); the powers of beta are computed in double.
template <class T>
struct AdamStep {
  T lr;
  T beta1;
  T beta2;
  T epsilon;
  std::int64_t step;
  T decay = 0;
};
template <class T>
void adam_update(std::int64_t size, const AdamStep<T>& parameters, const T* g, T* m, T* v, T* w,
                 const GradientTerms<T>& terms = {});

/// The sum of the squares of x, in double, in pieces added in order: what clipping by norm needs.
/// Allocates in the first call of a size only.
template <class T>
double squared_norm(std::int64_t size, const T* x);

}  // namespace nnkernels

#endif  // NNKERNELS_KERNELS_UPDATE_H_
