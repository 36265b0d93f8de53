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

/// Adam's factors, those that hold a power of beta computed once for all elements, in double.
template <class T>
struct AdamFactors {
  T rate;  // lr / (1 - beta1^step)
  T beta1;
  T one_minus_beta1;
  T beta2;
  T one_minus_beta2;
  T v_correction;  // 1 / (1 - beta2^step)
  T epsilon;
};

template <class T>
struct UpdateKernels {
  void (*sgd)(std::size_t size, T lr, const T* g, T* w);
  void (*momentum)(std::size_t size, T lr, T momentum, const T* g, T* v, T* w);
  void (*adam)(std::size_t size, const AdamFactors<T>& factors, const T* g, T* m, T* v, T* w);
};

}  // namespace nnkernels::detail
#endif  // NNKERNELS_KERNELS_UPDATE_CC_

HWY_BEFORE_NAMESPACE();
namespace nnkernels {
namespace HWY_NAMESPACE {
namespace {

template <class T, class Access>
HWY_INLINE void SgdStep(Access access, T lr, const T* g, T* w) {
  const hn::ScalableTag<T> d;
  access.Store(d, hn::NegMulAdd(hn::Set(d, lr), access.Load(d, g), access.Load(d, w)), w);
}

template <class T>
void Sgd(std::size_t size, T lr, const T* g, T* w) {
  const std::size_t lanes = hn::Lanes(hn::ScalableTag<T>());
  std::size_t i = 0;
  for (; i + lanes <= size; i += lanes) SgdStep(WholeVector(), lr, g + i, w + i);
  if (i < size) SgdStep(FirstLanes{size - i}, lr, g + i, w + i);
}

template <class T, class Access>
HWY_INLINE void MomentumStep(Access access, T lr, T momentum, const T* g, T* v, T* w) {
  const hn::ScalableTag<T> d;
  const auto kept = hn::Mul(hn::Set(d, momentum), access.Load(d, v));
  const auto velocity = hn::NegMulAdd(hn::Set(d, lr), access.Load(d, g), kept);
  access.Store(d, velocity, v);
  access.Store(d, hn::Add(access.Load(d, w), velocity), w);
}

template <class T>
void Momentum(std::size_t size, T lr, T momentum, const T* g, T* v, T* w) {
  const std::size_t lanes = hn::Lanes(hn::ScalableTag<T>());
  std::size_t i = 0;
  for (; i + lanes <= size; i += lanes) {
    MomentumStep(WholeVector(), lr, momentum, g + i, v + i, w + i);
  }
  if (i < size) MomentumStep(FirstLanes{size - i}, lr, momentum, g + i, v + i, w + i);
}

/// x, or 0 where it is denormal. NaN stays.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V FlushDenormal(D d, V x) {
  const V smallest = hn::Set(d, std::numeric_limits<hn::TFromD<D>>::min());
  return hn::IfThenZeroElse(hn::Lt(hn::Abs(x), smallest), x);
}

template <class T, class Access>
HWY_INLINE void AdamStepOne(Access access, const detail::AdamFactors<T>& f, const T* g, T* m, T* v,
                            T* w) {
  const hn::ScalableTag<T> d;
  const auto gradient = access.Load(d, g);
  const auto old_m = hn::Mul(hn::Set(d, f.beta1), access.Load(d, m));
  const auto new_m = FlushDenormal(d, hn::MulAdd(hn::Set(d, f.one_minus_beta1), gradient, old_m));
  const auto old_v = hn::Mul(hn::Set(d, f.beta2), access.Load(d, v));
  const auto scaled = hn::Mul(hn::Set(d, f.one_minus_beta2), gradient);
  const auto new_v = FlushDenormal(d, hn::MulAdd(scaled, gradient, old_v));
  access.Store(d, new_m, m);
  access.Store(d, new_v, v);

  const auto root = hn::Sqrt(hn::Mul(new_v, hn::Set(d, f.v_correction)));
  const auto step =
      hn::Div(hn::Mul(hn::Set(d, f.rate), new_m), hn::Add(root, hn::Set(d, f.epsilon)));
  access.Store(d, hn::Sub(access.Load(d, w), step), w);
}

template <class T>
void Adam(std::size_t size, const detail::AdamFactors<T>& factors, const T* g, T* m, T* v, T* w) {
  // A copy, since stores to m, v and w could otherwise change it in the compiler's eyes.
  const detail::AdamFactors<T> f = factors;
  const std::size_t lanes = hn::Lanes(hn::ScalableTag<T>());
  std::size_t i = 0;
  for (; i + lanes <= size; i += lanes) {
    AdamStepOne(WholeVector(), f, g + i, m + i, v + i, w + i);
  }
  if (i < size) AdamStepOne(FirstLanes{size - i}, f, g + i, m + i, v + i, w + i);
}

template <class T>
detail::UpdateKernels<T> Kernels() {
  return {Sgd<T>, Momentum<T>, Adam<T>};
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

template <class T>
void check_beta(const char* name, T beta) {
  if (beta >= 0 && beta < 1) return;
  throw std::invalid_argument(std::string("adam_update: expected 0 <= ") + name + " < 1, got " +
                              std::to_string(beta));
}

}  // namespace

template <class T>
void sgd_update(std::int64_t size, T lr, const T* g, T* w) {
  detail::check_size("sgd_update", "size", size);
  detail::check_array("sgd_update", "g", g, size);
  detail::check_array("sgd_update", "w", w, size);
  const auto kernel = kernels<T>().sgd;
  const double moved = 3 * static_cast<double>(size);
  detail::parallel_blocks(size, detail::kBlockElements, detail::transfer_microseconds<T>(moved),
                          [&](std::int64_t i, std::int64_t count) {
                            kernel(static_cast<std::size_t>(count), lr, g + i, w + i);
                          });
}

template <class T>
void momentum_update(std::int64_t size, T lr, T momentum, const T* g, T* v, T* w) {
  detail::check_size("momentum_update", "size", size);
  detail::check_array("momentum_update", "g", g, size);
  detail::check_array("momentum_update", "v", v, size);
  detail::check_array("momentum_update", "w", w, size);
  const auto kernel = kernels<T>().momentum;
  const double moved = 5 * static_cast<double>(size);
  detail::parallel_blocks(size, detail::kBlockElements, detail::transfer_microseconds<T>(moved),
                          [&](std::int64_t i, std::int64_t count) {
                            kernel(static_cast<std::size_t>(count), lr, momentum, g + i, v + i,
                                   w + i);
                          });
}

template <class T>
void adam_update(std::int64_t size, const AdamStep<T>& parameters, const T* g, T* m, T* v, T* w) {
  detail::check_size("adam_update", "size", size);
  detail::check_value(parameters.step >= 1, "adam_update", "step >= 1", "step", parameters.step);
  check_beta("beta1", parameters.beta1);
  check_beta("beta2", parameters.beta2);
  detail::check_array("adam_update", "g", g, size);
  detail::check_array("adam_update", "m", m, size);
  detail::check_array("adam_update", "v", v, size);
  detail::check_array("adam_update", "w", w, size);

  const double beta1 = parameters.beta1;
  const double beta2 = parameters.beta2;
  const auto step = static_cast<double>(parameters.step);
  const detail::AdamFactors<T> factors = {
      .rate = static_cast<T>(parameters.lr / (1 - std::pow(beta1, step))),
      .beta1 = parameters.beta1,
      .one_minus_beta1 = static_cast<T>(1 - beta1),
      .beta2 = parameters.beta2,
      .one_minus_beta2 = static_cast<T>(1 - beta2),
      .v_correction = static_cast<T>(1 / (1 - std::pow(beta2, step))),
      .epsilon = parameters.epsilon};
  const auto kernel = kernels<T>().adam;
  // The root and the division take about as long as moving five elements.
  const double cost = (7 + 5) * static_cast<double>(size);
  detail::parallel_blocks(size, detail::kBlockElements, detail::transfer_microseconds<T>(cost),
                          [&](std::int64_t i, std::int64_t count) {
                            kernel(static_cast<std::size_t>(count), factors, g + i, m + i, v + i,
                                   w + i);
                          });
}

template void sgd_update<float>(std::int64_t, float, const float*, float*);
template void sgd_update<double>(std::int64_t, double, const double*, double*);
template void momentum_update<float>(std::int64_t, float, float, const float*, float*, float*);
template void momentum_update<double>(std::int64_t, double, double, const double*, double*,
                                      double*);
template void adam_update<float>(std::int64_t, const AdamStep<float>&, const float*, float*, float*,
                                 float*);
template void adam_update<double>(std::int64_t, const AdamStep<double>&, const double*, double*,
                                  double*, double*);

}  // namespace nnkernels
#endif  // HWY_ONCE
