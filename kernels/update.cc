#include "kernels/update.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "kernels/blocks.h"
#include "kernels/check.h"
#include "kernels/cost.h"
#include "kernels/scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/update.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "hwy/highway.h"
#include "kernels/simd-inl.h"

// Outside the per-target part, which is compiled several times.
#ifndef NNKERNELS_KERNELS_UPDATE_CC_
#define NNKERNELS_KERNELS_UPDATE_CC_
namespace nnkernels::detail {

enum UpdateRule { kSgd, kMomentum, kNesterov, kAdagrad, kRmsprop, kAdam, kUpdateRules };

/// The constants of one step, as the loops need them.
template <class T>
struct UpdateFactors {
  T rate = 0;    // what g, or the rule's quotient, is multiplied by
  T decay1 = 0;  // of the first state: momentum, beta1, alpha
  T gain1 = 0;   // 1 - decay1
  T decay2 = 0;  // of the second
  T gain2 = 0;
  T correction = 1;  // of the second state, under the root
  T epsilon = 0;
  T keep = 1;      // what decoupled weight decay leaves of w
  T smallest = 0;  // state that is smaller in size becomes 0
  GradientTerms<T> terms = {};
};

/// m and v are null where the rule has no such state.
template <class T>
using UpdateKernel = void (*)(std::size_t size, const UpdateFactors<T>& factors, const T* g, T* m,
                              T* v, T* w);

/// For each rule, for gradients as they are and for gradients with terms.
template <class T>
struct UpdateKernels {
  UpdateKernel<T> of[kUpdateRules][2];
  void (*sgd_outer)(std::size_t rows, std::size_t cols, T rate, const T* x, const T* y, T* w);
};

}  // namespace nnkernels::detail
#endif  // NNKERNELS_KERNELS_UPDATE_CC_

HWY_BEFORE_NAMESPACE();
namespace nnkernels {
namespace HWY_NAMESPACE {
namespace {

/// x, or 0 where it is smaller in size than `smallest`. NaN stays.
template <class D, class T, class V = hn::Vec<D>>
HWY_INLINE V Flush(D d, T smallest, V x) {
  return hn::IfThenZeroElse(hn::Lt(hn::Abs(x), hn::Set(d, smallest)), x);
}

/// The gradient that a rule sees. NaN stays.
template <bool kTerms, class D, class T, class V = hn::Vec<D>>
HWY_INLINE V Gradient(D d, const GradientTerms<T>& terms, V g, V w) {
  if constexpr (!kTerms) return g;
  const V limit = hn::Set(d, terms.limit);
  const V scaled = hn::Mul(g, hn::Set(d, terms.scale));
  const V large = hn::CopySign(limit, scaled);
  const V clipped = hn::IfThenElse(hn::Gt(hn::Abs(scaled), limit), large, scaled);
  return hn::MulAdd(hn::Set(d, terms.decay), w, clipped);
}

/// One vector of elements from index `i` on.
template <detail::UpdateRule kRule, bool kTerms, class T, class Access>
HWY_INLINE void Step(Access access, const detail::UpdateFactors<T>& f, std::size_t i, const T* g,
                     T* m, T* v, T* w) {
  const hn::ScalableTag<T> d;
  const auto old_w = access.Load(d, w + i);
  const auto gradient = Gradient<kTerms>(d, f.terms, access.Load(d, g + i), old_w);
  const auto rate = hn::Set(d, f.rate);
  if constexpr (kRule == detail::kSgd) {
    access.Store(d, hn::NegMulAdd(rate, gradient, old_w), w + i);
  } else if constexpr (kRule == detail::kMomentum || kRule == detail::kNesterov) {
    const auto momentum = hn::Set(d, f.decay1);
    const auto sum = hn::MulAdd(momentum, access.Load(d, m + i), gradient);
    const auto velocity = Flush(d, f.smallest, sum);
    access.Store(d, velocity, m + i);
    const auto ahead =
        kRule == detail::kNesterov ? hn::MulAdd(momentum, velocity, gradient) : velocity;
    access.Store(d, hn::NegMulAdd(rate, ahead, old_w), w + i);
  } else {
    auto direction = gradient;
    auto square = hn::Mul(gradient, gradient);
    if constexpr (kRule == detail::kAdam) {
      const auto old_m = hn::Mul(hn::Set(d, f.decay1), access.Load(d, m + i));
      direction = Flush(d, f.smallest, hn::MulAdd(hn::Set(d, f.gain1), gradient, old_m));
      access.Store(d, direction, m + i);
    }
    if constexpr (kRule == detail::kAdagrad) {
      square = hn::Add(access.Load(d, v + i), square);
    } else {
      const auto old_v = hn::Mul(hn::Set(d, f.decay2), access.Load(d, v + i));
      square =
          Flush(d, f.smallest, hn::MulAdd(hn::Mul(hn::Set(d, f.gain2), gradient), gradient, old_v));
    }
    access.Store(d, square, v + i);
    const auto root = hn::Sqrt(hn::Mul(square, hn::Set(d, f.correction)));
    const auto step = hn::Div(hn::Mul(rate, direction), hn::Add(root, hn::Set(d, f.epsilon)));
    access.Store(d, hn::Sub(hn::Mul(old_w, hn::Set(d, f.keep)), step), w + i);
  }
}

template <detail::UpdateRule kRule, bool kTerms, class T>
void Update(std::size_t size, const detail::UpdateFactors<T>& factors, const T* g, T* m, T* v,
            T* w) {
  // A copy, since stores to m, v and w could otherwise change it in the compiler's eyes.
  const detail::UpdateFactors<T> f = factors;
  const std::size_t lanes = hn::Lanes(hn::ScalableTag<T>());
  std::size_t i = 0;
  for (; i + lanes <= size; i += lanes) Step<kRule, kTerms>(WholeVector(), f, i, g, m, v, w);
  if (i < size) Step<kRule, kTerms>(FirstLanes{size - i}, f, i, g, m, v, w);
}

template <class T, class Access>
HWY_INLINE void SgdOuterStep(Access access, T rate, T x, const T* y, T* w) {
  const hn::ScalableTag<T> d;
  const auto gradient = hn::Mul(hn::Set(d, x), access.Load(d, y));
  access.Store(d, hn::NegMulAdd(hn::Set(d, rate), gradient, access.Load(d, w)), w);
}

template <class T>
void SgdOuter(std::size_t rows, std::size_t cols, T rate, const T* x, const T* y, T* w) {
  const std::size_t lanes = hn::Lanes(hn::ScalableTag<T>());
  for (std::size_t i = 0; i < rows; ++i, w += cols) {
    std::size_t j = 0;
    for (; j + lanes <= cols; j += lanes) SgdOuterStep(WholeVector(), rate, x[i], y + j, w + j);
    if (j < cols) SgdOuterStep(FirstLanes{cols - j}, rate, x[i], y + j, w + j);
  }
}

template <class T>
detail::UpdateKernels<T> Kernels() {
  return {{{Update<detail::kSgd, false, T>, Update<detail::kSgd, true, T>},
           {Update<detail::kMomentum, false, T>, Update<detail::kMomentum, true, T>},
           {Update<detail::kNesterov, false, T>, Update<detail::kNesterov, true, T>},
           {Update<detail::kAdagrad, false, T>, Update<detail::kAdagrad, true, T>},
           {Update<detail::kRmsprop, false, T>, Update<detail::kRmsprop, true, T>},
           {Update<detail::kAdam, false, T>, Update<detail::kAdam, true, T>}},
          SgdOuter<T>};
}
detail::UpdateKernels<float> FloatKernels() { return Kernels<float>(); }
detail::UpdateKernels<double> DoubleKernels() { return Kernels<double>(); }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace nnkernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace nnkernels {
namespace {

HWY_EXPORT(FloatKernels);
HWY_EXPORT(DoubleKernels);

template <class T>
detail::UpdateKernels<T> kernels() {
  if constexpr (std::is_same_v<T, float>) {
    return HWY_DYNAMIC_DISPATCH(FloatKernels)();
  } else {
    return HWY_DYNAMIC_DISPATCH(DoubleKernels)();
  }
}

/// The arrays of one update; m and v are null where the rule has no such state.
template <class T>
struct Arrays {
  const T* g;
  T* m;
  T* v;
  T* w;
};

template <class T>
void check_fraction(const char* function, const char* name, T value) {
  if (value >= 0 && value < 1) return;
  throw std::invalid_argument(std::string(function) + ": expected 0 <= " + name + " < 1, got " +
                              std::to_string(value));
}

template <class T>
void check_arrays(const char* function, std::int64_t size, const Arrays<T>& arrays, bool has_m,
                  bool has_v) {
  detail::check_size(function, "size", size);
  detail::check_array(function, "g", arrays.g, size);
  if (has_m) detail::check_array(function, "m", arrays.m, size);
  if (has_v) detail::check_array(function, "v", arrays.v, size);
  detail::check_array(function, "w", arrays.w, size);
}

/// `cost` is the time of one element, in elements moved.
template <class T>
void update(detail::UpdateRule rule, std::int64_t size, double cost,
            const detail::UpdateFactors<T>& factors, const Arrays<T>& arrays) {
  const GradientTerms<T>& terms = factors.terms;
  const bool plain =
      terms.scale == 1 && terms.decay == 0 && terms.limit == std::numeric_limits<T>::infinity();
  const auto kernel = kernels<T>().of[rule][plain ? 0 : 1];
  const auto from = [](T* array, std::int64_t i) { return array == nullptr ? nullptr : array + i; };
  detail::parallel_blocks(size, detail::kBlockElements,
                          transfer_microseconds<T>(cost * static_cast<double>(size)),
                          [&](std::int64_t i, std::int64_t count) {
                            kernel(static_cast<std::size_t>(count), factors, arrays.g + i,
                                   from(arrays.m, i), from(arrays.v, i), arrays.w + i);
                          });
}

/// Below what size state becomes 0 in Adam and RMSprop. Without denormal numbers where that cannot
/// be seen: what is lost of v adds up to less than the smallest normal number / gain2, which Adam's
/// correction is counted in, and its root must be less than half a unit in the last place of
/// epsilon.
template <class T>
T smallest_state(T epsilon, T gain2) {
  const double lost = std::sqrt(static_cast<double>(std::numeric_limits<T>::min()) / gain2);
  const double unit = static_cast<double>(epsilon) * std::numeric_limits<T>::epsilon();
  return unit >= 4 * lost ? std::numeric_limits<T>::min() : T{0};
}

/// A root and a division take about as long as moving so many elements.
constexpr double kQuotientCost = 5;

}  // namespace

template <class T>
void sgd_update(std::int64_t size, T lr, const T* g, T* w, const GradientTerms<T>& terms) {
  const Arrays<T> arrays{g, nullptr, nullptr, w};
  check_arrays("sgd_update", size, arrays, false, false);
  update(detail::kSgd, size, 3, {.rate = lr, .terms = terms}, arrays);
}

template <class T>
void sgd_outer_update(std::int64_t rows, std::int64_t cols, T lr, const T* x, const T* y, T* w) {
  detail::check_size("sgd_outer_update", "rows", rows);
  detail::check_size("sgd_outer_update", "cols", cols);
  detail::check_array("sgd_outer_update", "x", x, rows);
  detail::check_array("sgd_outer_update", "y", y, cols);
  const std::int64_t size = detail::element_count("sgd_outer_update", {rows, cols});
  detail::check_array("sgd_outer_update", "w", w, size);
  if (size == 0) return;
  const auto kernel = kernels<T>().sgd_outer;
  const double moved = 2 * static_cast<double>(rows) * static_cast<double>(cols);
  detail::parallel_blocks(rows, detail::block_rows(cols), transfer_microseconds<T>(moved),
                          [&](std::int64_t i, std::int64_t count) {
                            kernel(static_cast<std::size_t>(count), static_cast<std::size_t>(cols),
                                   lr, x + i, y, w + i * cols);
                          });
}

template <class T>
void momentum_update(std::int64_t size, T lr, T momentum, const T* g, T* m, T* w,
                     const GradientTerms<T>& terms) {
  const Arrays<T> arrays{g, m, nullptr, w};
  check_arrays("momentum_update", size, arrays, true, false);
  update(
      detail::kMomentum, size, 5,
      {.rate = lr, .decay1 = momentum, .smallest = std::numeric_limits<T>::min(), .terms = terms},
      arrays);
}

template <class T>
void nesterov_update(std::int64_t size, T lr, T momentum, const T* g, T* m, T* w,
                     const GradientTerms<T>& terms) {
  const Arrays<T> arrays{g, m, nullptr, w};
  check_arrays("nesterov_update", size, arrays, true, false);
  update(
      detail::kNesterov, size, 5,
      {.rate = lr, .decay1 = momentum, .smallest = std::numeric_limits<T>::min(), .terms = terms},
      arrays);
}

template <class T>
void adagrad_update(std::int64_t size, T lr, T epsilon, const T* g, T* v, T* w,
                    const GradientTerms<T>& terms) {
  const Arrays<T> arrays{g, nullptr, v, w};
  check_arrays("adagrad_update", size, arrays, false, true);
  update(detail::kAdagrad, size, 5 + kQuotientCost,
         {.rate = lr, .epsilon = epsilon, .terms = terms}, arrays);
}

template <class T>
void rmsprop_update(std::int64_t size, T lr, T alpha, T epsilon, const T* g, T* v, T* w,
                    const GradientTerms<T>& terms) {
  const Arrays<T> arrays{g, nullptr, v, w};
  check_arrays("rmsprop_update", size, arrays, false, true);
  check_fraction("rmsprop_update", "alpha", alpha);
  const T gain = static_cast<T>(1 - static_cast<double>(alpha));
  update(detail::kRmsprop, size, 5 + kQuotientCost,
         {.rate = lr,
          .decay2 = alpha,
          .gain2 = gain,
          .epsilon = epsilon,
          .smallest = smallest_state(epsilon, gain),
          .terms = terms},
         arrays);
}

template <class T>
void adam_update(std::int64_t size, const AdamStep<T>& parameters, const T* g, T* m, T* v, T* w,
                 const GradientTerms<T>& terms) {
  const Arrays<T> arrays{g, m, v, w};
  check_arrays("adam_update", size, arrays, true, true);
  detail::check_value(parameters.step >= 1, "adam_update", "step >= 1", "step", parameters.step);
  check_fraction("adam_update", "beta1", parameters.beta1);
  check_fraction("adam_update", "beta2", parameters.beta2);
  const double beta1 = parameters.beta1;
  const double beta2 = parameters.beta2;
  const auto step = static_cast<double>(parameters.step);
  const T gain2 = static_cast<T>(1 - beta2);
  const auto decayed = static_cast<double>(parameters.lr) * static_cast<double>(parameters.decay);
  update(detail::kAdam, size, 7 + kQuotientCost,
         {.rate = static_cast<T>(parameters.lr / (1 - std::pow(beta1, step))),
          .decay1 = parameters.beta1,
          .gain1 = static_cast<T>(1 - beta1),
          .decay2 = parameters.beta2,
          .gain2 = gain2,
          .correction = static_cast<T>(1 / (1 - std::pow(beta2, step))),
          .epsilon = parameters.epsilon,
          .keep = static_cast<T>(1 - decayed),
          .smallest = smallest_state(parameters.epsilon, gain2),
          .terms = terms},
         arrays);
}

template <class T>
double squared_norm(std::int64_t size, const T* x) {
  detail::check_size("squared_norm", "size", size);
  detail::check_array("squared_norm", "x", x, size);
  const std::int64_t blocks = (size + detail::kBlockElements - 1) / detail::kBlockElements;
  auto* const sums = detail::scratch<double>(detail::Purpose::column_sums, blocks);
  detail::parallel_blocks(size, detail::kBlockElements,
                          transfer_microseconds<T>(2 * static_cast<double>(size)),
                          [&](std::int64_t i, std::int64_t count) {
                            double chains[8] = {};
                            for (std::int64_t k = 0; k < count; ++k) {
                              const auto value = static_cast<double>(x[i + k]);
                              chains[k % 8] += value * value;
                            }
                            double sum = 0;
                            for (const double chain : chains) sum += chain;
                            sums[i / detail::kBlockElements] = sum;
                          });
  double sum = 0;
  for (std::int64_t block = 0; block < blocks; ++block) sum += sums[block];
  return sum;
}

template void sgd_update(std::int64_t, float, const float*, float*, const GradientTerms<float>&);
template void sgd_outer_update(std::int64_t, std::int64_t, float, const float*, const float*,
                               float*);
template void momentum_update(std::int64_t, float, float, const float*, float*, float*,
                              const GradientTerms<float>&);
template void nesterov_update(std::int64_t, float, float, const float*, float*, float*,
                              const GradientTerms<float>&);
template void adagrad_update(std::int64_t, float, float, const float*, float*, float*,
                             const GradientTerms<float>&);
template void rmsprop_update(std::int64_t, float, float, float, const float*, float*, float*,
                             const GradientTerms<float>&);
template void adam_update(std::int64_t, const AdamStep<float>&, const float*, float*, float*,
                          float*, const GradientTerms<float>&);
template double squared_norm(std::int64_t, const float*);
template void sgd_update(std::int64_t, double, const double*, double*,
                         const GradientTerms<double>&);
template void sgd_outer_update(std::int64_t, std::int64_t, double, const double*, const double*,
                               double*);
template void momentum_update(std::int64_t, double, double, const double*, double*, double*,
                              const GradientTerms<double>&);
template void nesterov_update(std::int64_t, double, double, const double*, double*, double*,
                              const GradientTerms<double>&);
template void adagrad_update(std::int64_t, double, double, const double*, double*, double*,
                             const GradientTerms<double>&);
template void rmsprop_update(std::int64_t, double, double, double, const double*, double*, double*,
                             const GradientTerms<double>&);
template void adam_update(std::int64_t, const AdamStep<double>&, const double*, double*, double*,
                          double*, const GradientTerms<double>&);
template double squared_norm(std::int64_t, const double*);

}  // namespace nnkernels
#endif  // HWY_ONCE
