#include "kernels/activation.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "kernels/blocks.h"
#include "kernels/check.h"
#include "kernels/cost.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/activation.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "hwy/highway.h"
#include "kernels/exp-inl.h"
#include "kernels/simd-inl.h"

// As in gemm_tile-inl.h: a loop over vectors that is not unrolled keeps them in memory.
#define NNKERNELS_UNROLL _Pragma("GCC unroll 4")

// Outside the per-target part, which is compiled several times.
#ifndef NNKERNELS_KERNELS_ACTIVATION_CC_
#define NNKERNELS_KERNELS_ACTIVATION_CC_
namespace nnkernels::detail {

template <class T>
struct ActivationKernels {
  void (*forward)(Activation kind, std::size_t size, const T* x, T* y);
  void (*backward)(Activation kind, std::size_t size, const T* y, const T* dy, T* dx);
};

}  // namespace nnkernels::detail
#endif  // NNKERNELS_KERNELS_ACTIVATION_CC_

HWY_BEFORE_NAMESPACE();
namespace nnkernels {
namespace HWY_NAMESPACE {
namespace {

// Each activation maps one vector, forward x -> y and backward (y, dy) -> dx.

struct Relu {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Forward(D, V x) {
    return Rectified(x);
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Backward(D d, V y, V dy) {
    // y - y is zero but for NaN.
    return hn::IfThenElse(hn::Gt(y, hn::Zero(d)), dy, hn::Sub(y, y));
  }
};

struct Sigmoid {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Forward(D d, V x) {
    using T = hn::TFromD<D>;
    // With e <= 1 nothing overflows, and the small results of negative x keep their digits.
    const V one = hn::Set(d, T{1});
    const V e = ExpOfNegative(d, hn::Neg(hn::Abs(x)));
    const V numerator = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), e, one);
    return hn::Div(numerator, hn::Add(one, e));
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Backward(D d, V y, V dy) {
    using T = hn::TFromD<D>;
    return hn::Mul(dy, hn::Mul(y, hn::Sub(hn::Set(d, T{1}), y)));
  }
};

struct Tanh {
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Forward(D d, V x) {
    using T = hn::TFromD<D>;
    // tanh |x| = (1 - e) / (1 + e) = -(e - 1) / (2 + (e - 1)), e = exp(-2 |x|); e - 1 keeps the
    // digits of small x.
    const V e_minus_one = ExpMinusOneOfNegative(d, hn::Mul(hn::Set(d, T{-2}), hn::Abs(x)));
    const V magnitude = hn::Div(e_minus_one, hn::Add(hn::Set(d, T{2}), e_minus_one));
    return hn::CopySign(magnitude, x);
  }
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE V Backward(D d, V y, V dy) {
    using T = hn::TFromD<D>;
    // As (1 - y)(1 + y), which loses no digits near |y| = 1.
    const V one = hn::Set(d, T{1});
    return hn::Mul(dy, hn::Mul(hn::Sub(one, y), hn::Add(one, y)));
  }
};

inline constexpr std::size_t kTogether = 4;

template <class Function, class T>
void ForwardAll(std::size_t size, const T* x, T* y) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  // Several vectors are loaded before the first is stored: the processor lets a load wait for a
  // store before it that has the same place in another page.
  for (; i + kTogether * lanes <= size; i += kTogether * lanes) {
    hn::Vec<decltype(d)> v[kTogether];
    NNKERNELS_UNROLL
    for (std::size_t k = 0; k < kTogether; ++k) v[k] = hn::LoadU(d, x + i + k * lanes);
    NNKERNELS_UNROLL
    for (std::size_t k = 0; k < kTogether; ++k) v[k] = Function::Forward(d, v[k]);
    NNKERNELS_UNROLL
    for (std::size_t k = 0; k < kTogether; ++k) hn::StoreU(v[k], d, y + i + k * lanes);
  }
  for (; i + lanes <= size; i += lanes) {
    hn::StoreU(Function::Forward(d, hn::LoadU(d, x + i)), d, y + i);
  }
  const FirstLanes rest{size - i};
  if (rest.count != 0) rest.Store(d, Function::Forward(d, rest.Load(d, x + i)), y + i);
}

template <class Function, class T>
void BackwardAll(std::size_t size, const T* y, const T* dy, T* dx) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= size; i += lanes) {
    hn::StoreU(Function::Backward(d, hn::LoadU(d, y + i), hn::LoadU(d, dy + i)), d, dx + i);
  }
  const FirstLanes rest{size - i};
  if (rest.count != 0) {
    rest.Store(d, Function::Backward(d, rest.Load(d, y + i), rest.Load(d, dy + i)), dx + i);
  }
}

template <class T>
void Forward(Activation kind, std::size_t size, const T* x, T* y) {
  switch (kind) {
    case Activation::identity:
      if (x != y) std::copy_n(x, size, y);
      return;
    case Activation::relu:
      return ForwardAll<Relu>(size, x, y);
    case Activation::sigmoid:
      return ForwardAll<Sigmoid>(size, x, y);
    case Activation::tanh:
      return ForwardAll<Tanh>(size, x, y);
  }
}

template <class T>
void Backward(Activation kind, std::size_t size, const T* y, const T* dy, T* dx) {
  switch (kind) {
    case Activation::identity:
      if (dy != dx) std::copy_n(dy, size, dx);
      return;
    case Activation::relu:
      return BackwardAll<Relu>(size, y, dy, dx);
    case Activation::sigmoid:
      return BackwardAll<Sigmoid>(size, y, dy, dx);
    case Activation::tanh:
      return BackwardAll<Tanh>(size, y, dy, dx);
  }
}

detail::ActivationKernels<float> FloatKernels() { return {Forward<float>, Backward<float>}; }
detail::ActivationKernels<double> DoubleKernels() { return {Forward<double>, Backward<double>}; }

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
detail::ActivationKernels<T> kernels() {
  if constexpr (std::is_same_v<T, float>) {
    return HWY_DYNAMIC_DISPATCH(FloatKernels)();
  } else {
    return HWY_DYNAMIC_DISPATCH(DoubleKernels)();
  }
}

/// An exponential takes about as long as moving three elements.
constexpr double kExponential = 3;

}  // namespace

template <class T>
void activation_forward(Activation kind, std::int64_t size, const T* x, T* y) {
  constexpr const char* kFunction = "activation_forward";
  detail::check_size(kFunction, "size", size);
  detail::check_array(kFunction, "x", x, size);
  detail::check_array(kFunction, "y", y, size);
  const auto forward = kernels<T>().forward;
  const bool exponential = kind == Activation::sigmoid || kind == Activation::tanh;
  const double cost = (2 + (exponential ? kExponential : 0)) * static_cast<double>(size);
  detail::parallel_blocks(size, detail::kBlockElements, transfer_microseconds<T>(cost),
                          [&](std::int64_t i, std::int64_t count) {
                            forward(kind, static_cast<std::size_t>(count), x + i, y + i);
                          });
}

template <class T>
void activation_backward(Activation kind, std::int64_t size, const T* y, const T* dy, T* dx) {
  constexpr const char* kFunction = "activation_backward";
  detail::check_size(kFunction, "size", size);
  detail::check_array(kFunction, "y", y, size);
  detail::check_array(kFunction, "dy", dy, size);
  detail::check_array(kFunction, "dx", dx, size);
  const auto backward = kernels<T>().backward;
  const double cost = 3 * static_cast<double>(size);
  detail::parallel_blocks(size, detail::kBlockElements, transfer_microseconds<T>(cost),
                          [&](std::int64_t i, std::int64_t count) {
                            backward(kind, static_cast<std::size_t>(count), y + i, dy + i, dx + i);
                          });
}

template <class T>
void activation_backward(Activation kind, std::type_identity_t<MatrixView<const T>> y,
                         MatrixView<T> dx) {
  if (y.rows != dx.rows || y.cols != dx.cols || y.col_stride != 1 || dx.col_stride != 1) {
    const auto text = [](std::int64_t rows, std::int64_t cols, std::int64_t stride) {
      return std::to_string(rows) + "x" + std::to_string(cols) + " with column stride " +
             std::to_string(stride);
    };
    throw std::invalid_argument(
        "activation_backward: expected y and dx of one shape with column stride 1, got " +
        text(y.rows, y.cols, y.col_stride) + " and " + text(dx.rows, dx.cols, dx.col_stride));
  }
  constexpr const char* kFunction = "activation_backward";
  detail::check_size(kFunction, "rows", y.rows);
  detail::check_size(kFunction, "cols", y.cols);
  const std::int64_t size = detail::element_count(kFunction, {y.rows, y.cols});
  detail::check_array(kFunction, "y", y.data, size);
  detail::check_array(kFunction, "dx", dx.data, size);
  if (size == 0) return;
  const auto backward = kernels<T>().backward;
  for (std::int64_t i = 0; i < y.rows; ++i) {
    T* const row = dx.data + i * dx.row_stride;
    backward(kind, static_cast<std::size_t>(y.cols), y.data + i * y.row_stride, row, row);
  }
}

template void activation_forward<float>(Activation, std::int64_t, const float*, float*);
template void activation_forward<double>(Activation, std::int64_t, const double*, double*);
template void activation_backward<float>(Activation, std::int64_t, const float*, const float*,
                                         float*);
template void activation_backward<double>(Activation, std::int64_t, const double*, const double*,
                                          double*);
template void activation_backward<float>(Activation, MatrixView<const float>, MatrixView<float>);
template void activation_backward<double>(Activation, MatrixView<const double>, MatrixView<double>);

}  // namespace nnkernels
#endif  // HWY_ONCE
