#include "kernels/softmax.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "kernels/blocks.h"
#include "kernels/check.h"
#include "kernels/cost.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/softmax.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "hwy/highway.h"
#include "kernels/exp-inl.h"
#include "kernels/simd-inl.h"

// Outside the per-target part, which is compiled several times.
#ifndef NNKERNELS_KERNELS_SOFTMAX_CC_
#define NNKERNELS_KERNELS_SOFTMAX_CC_
namespace nnkernels::detail {

template <class T>
struct SoftmaxKernels {
  void (*forward)(std::size_t rows, std::size_t cols, const T* x, T* y);
  void (*backward)(std::size_t rows, std::size_t cols, const T* y, const T* dy, T* dx);
  void (*log_forward)(std::size_t rows, std::size_t cols, const T* x, T* y);
  void (*log_backward)(std::size_t rows, std::size_t cols, const T* y, const T* dy, T* dx);
  void (*loss)(std::size_t rows, std::size_t cols, const T* x, const std::int32_t* labels, T* loss);
  void (*gradient)(std::size_t rows, std::size_t cols, const T* x, const std::int32_t* labels,
                   T scale, T* loss, T* dx);
};

}  // namespace nnkernels::detail
#endif  // NNKERNELS_KERNELS_SOFTMAX_CC_

HWY_BEFORE_NAMESPACE();
namespace nnkernels {
namespace HWY_NAMESPACE {
namespace {

// A row is `whole` columns in whole vectors and a tail of 1 to Lanes(d) columns. The tail stays in
// a register from pass to pass: a classifier's row is often the tail alone, and reading back what
// a masked store has just written would make it wait for the cache.
//
// NaN needs no care but in exp: whatever the largest element is then taken for, exp(x - max) is NaN
// in one lane, hence the sum, hence the whole row.

/// The number of columns before the tail.
template <class D>
HWY_INLINE std::size_t WholeColumns(D d, std::size_t cols) {
  return (cols - 1) / hn::Lanes(d) * hn::Lanes(d);
}

/// The tail of a row, and -Inf behind it: no maximum, and nothing after exp.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE hn::Vec<D> LoadTail(D d, FirstLanes rest, const T* p) {
  const auto padding = hn::Set(d, -std::numeric_limits<T>::infinity());
  return hn::IfThenElse(hn::FirstN(d, rest.count), rest.Load(d, p), padding);
}

/// The largest element of a row, in every lane.
template <class D, class T = hn::TFromD<D>, class V = hn::Vec<D>>
HWY_INLINE V MaxOfRow(D d, std::size_t whole, const T* x, V tail) {
  const std::size_t lanes = hn::Lanes(d);
  V max = tail;
  for (std::size_t j = 0; j < whole; j += lanes) max = hn::Max(max, hn::LoadU(d, x + j));
  return hn::MaxOfLanes(d, max);
}

/// exp(x - max) of whole vectors into y; returns the sum by lanes.
template <class D, class T = hn::TFromD<D>, class V = hn::Vec<D>>
HWY_INLINE V ExpOfRow(D d, std::size_t whole, const T* x, V max, T* y) {
  const std::size_t lanes = hn::Lanes(d);
  V sum = hn::Zero(d);
  for (std::size_t j = 0; j < whole; j += lanes) {
    const V e = ExpOfNegative(d, hn::Sub(hn::LoadU(d, x + j), max));
    hn::StoreU(e, d, y + j);
    sum = hn::Add(sum, e);
  }
  return sum;
}

/// The sum of exp(x - max) over a row, in every lane.
template <class D, class T = hn::TFromD<D>, class V = hn::Vec<D>>
HWY_INLINE V SumOfExp(D d, std::size_t whole, const T* x, V tail, V max) {
  const std::size_t lanes = hn::Lanes(d);
  V sum = hn::Zero(d);
  for (std::size_t j = 0; j < whole; j += lanes) {
    sum = hn::Add(sum, ExpOfNegative(d, hn::Sub(hn::LoadU(d, x + j), max)));
  }
  return hn::SumOfLanes(d, hn::Add(sum, ExpOfNegative(d, hn::Sub(tail, max))));
}

template <class D, class T = hn::TFromD<D>, class V = hn::Vec<D>>
HWY_INLINE void ScaleRow(D d, std::size_t whole, V factor, T* y) {
  const std::size_t lanes = hn::Lanes(d);
  for (std::size_t j = 0; j < whole; j += lanes) {
    hn::StoreU(hn::Mul(hn::LoadU(d, y + j), factor), d, y + j);
  }
}

template <class T>
void Forward(std::size_t rows, std::size_t cols, const T* x, T* y) {
  const hn::ScalableTag<T> d;
  const std::size_t whole = WholeColumns(d, cols);
  const FirstLanes rest{cols - whole};
  for (std::size_t row = 0; row < rows; ++row, x += cols, y += cols) {
    const auto tail = LoadTail(d, rest, x + whole);
    const auto max = MaxOfRow(d, whole, x, tail);
    const auto e = ExpOfNegative(d, hn::Sub(tail, max));
    const auto sum = hn::SumOfLanes(d, hn::Add(ExpOfRow(d, whole, x, max, y), e));
    const auto factor = hn::Div(hn::Set(d, T{1}), sum);
    ScaleRow(d, whole, factor, y);
    rest.Store(d, hn::Mul(e, factor), y + whole);
  }
}

template <class T>
void Backward(std::size_t rows, std::size_t cols, const T* y, const T* dy, T* dx) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  const std::size_t whole = WholeColumns(d, cols);
  const FirstLanes rest{cols - whole};
  for (std::size_t row = 0; row < rows; ++row, y += cols, dy += cols, dx += cols) {
    const auto y_tail = rest.Load(d, y + whole);
    const auto dy_tail = rest.Load(d, dy + whole);
    auto dot = hn::Mul(dy_tail, y_tail);
    for (std::size_t j = 0; j < whole; j += lanes) {
      dot = hn::MulAdd(hn::LoadU(d, dy + j), hn::LoadU(d, y + j), dot);
    }
    dot = hn::SumOfLanes(d, dot);
    for (std::size_t j = 0; j < whole; j += lanes) {
      const auto centred = hn::Sub(hn::LoadU(d, dy + j), dot);
      hn::StoreU(hn::Mul(hn::LoadU(d, y + j), centred), d, dx + j);
    }
    rest.Store(d, hn::Mul(y_tail, hn::Sub(dy_tail, dot)), dx + whole);
  }
}

template <class T>
void LogForward(std::size_t rows, std::size_t cols, const T* x, T* y) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  const std::size_t whole = WholeColumns(d, cols);
  const FirstLanes rest{cols - whole};
  for (std::size_t row = 0; row < rows; ++row, x += cols, y += cols) {
    const auto tail = LoadTail(d, rest, x + whole);
    const auto max = MaxOfRow(d, whole, x, tail);
    const auto log_sum = LogOfSum(d, SumOfExp(d, whole, x, tail, max));
    for (std::size_t j = 0; j < whole; j += lanes) {
      hn::StoreU(hn::Sub(hn::Sub(hn::LoadU(d, x + j), max), log_sum), d, y + j);
    }
    rest.Store(d, hn::Sub(hn::Sub(tail, max), log_sum), y + whole);
  }
}

template <class T>
void LogBackward(std::size_t rows, std::size_t cols, const T* y, const T* dy, T* dx) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  const std::size_t whole = WholeColumns(d, cols);
  const FirstLanes rest{cols - whole};
  for (std::size_t row = 0; row < rows; ++row, y += cols, dy += cols, dx += cols) {
    const auto dy_tail = rest.Load(d, dy + whole);
    auto sum = dy_tail;
    for (std::size_t j = 0; j < whole; j += lanes) sum = hn::Add(sum, hn::LoadU(d, dy + j));
    sum = hn::SumOfLanes(d, sum);
    for (std::size_t j = 0; j < whole; j += lanes) {
      const auto p = ExpOfNegative(d, hn::LoadU(d, y + j));
      hn::StoreU(hn::NegMulAdd(p, sum, hn::LoadU(d, dy + j)), d, dx + j);
    }
    const auto p = ExpOfNegative(d, rest.Load(d, y + whole));
    rest.Store(d, hn::NegMulAdd(p, sum, dy_tail), dx + whole);
  }
}

/// -log softmax(x)[label] from the row's largest element and its sum of exponentials.
template <class D, class T = hn::TFromD<D>, class V = hn::Vec<D>>
HWY_INLINE T LossOfRow(D d, T x_label, V max, V sum) {
  return hn::GetLane(hn::Sub(LogOfSum(d, sum), hn::Sub(hn::Set(d, x_label), max)));
}

template <class T>
void Loss(std::size_t rows, std::size_t cols, const T* x, const std::int32_t* labels, T* loss) {
  const hn::ScalableTag<T> d;
  const std::size_t whole = WholeColumns(d, cols);
  const FirstLanes rest{cols - whole};
  for (std::size_t row = 0; row < rows; ++row, x += cols) {
    const auto tail = LoadTail(d, rest, x + whole);
    const auto max = MaxOfRow(d, whole, x, tail);
    const auto sum = SumOfExp(d, whole, x, tail, max);
    loss[row] = LossOfRow(d, x[labels[row]], max, sum);
  }
}

template <class T>
void Gradient(std::size_t rows, std::size_t cols, const T* x, const std::int32_t* labels, T scale,
              T* loss, T* dx) {
  const hn::ScalableTag<T> d;
  const std::size_t whole = WholeColumns(d, cols);
  const FirstLanes rest{cols - whole};
  const auto lane = hn::Iota(d, T{0});
  for (std::size_t row = 0; row < rows; ++row, x += cols, dx += cols) {
    const auto label = static_cast<std::size_t>(labels[row]);
    const auto tail = LoadTail(d, rest, x + whole);
    const auto max = MaxOfRow(d, whole, x, tail);
    const auto e = ExpOfNegative(d, hn::Sub(tail, max));
    const T x_label = x[label];  // dx may be x
    const auto sum = hn::SumOfLanes(d, hn::Add(ExpOfRow(d, whole, x, max, dx), e));
    loss[row] = LossOfRow(d, x_label, max, sum);

    const auto factor = hn::Div(hn::Set(d, scale), sum);
    ScaleRow(d, whole, factor, dx);
    auto dx_tail = hn::Mul(e, factor);
    if (label >= whole) {
      const auto is_label = hn::Eq(lane, hn::Set(d, static_cast<T>(label - whole)));
      dx_tail = hn::Sub(dx_tail, hn::IfThenElseZero(is_label, hn::Set(d, scale)));
    } else {
      dx[label] -= scale;
    }
    rest.Store(d, dx_tail, dx + whole);
  }
}

template <class T>
detail::SoftmaxKernels<T> Kernels() {
  return {Forward<T>, Backward<T>, LogForward<T>, LogBackward<T>, Loss<T>, Gradient<T>};
}
detail::SoftmaxKernels<float> FloatKernels() { return Kernels<float>(); }
detail::SoftmaxKernels<double> DoubleKernels() { return Kernels<double>(); }

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
detail::SoftmaxKernels<T> kernels() {
  if constexpr (std::is_same_v<T, float>) {
    return HWY_DYNAMIC_DISPATCH(FloatKernels)();
  } else {
    return HWY_DYNAMIC_DISPATCH(DoubleKernels)();
  }
}

/// Checks the sizes; returns the number of elements.
std::int64_t check_shape(const char* function, std::int64_t rows, std::int64_t cols) {
  detail::check_size(function, "rows", rows);
  detail::check_size(function, "cols", cols);
  return detail::element_count(function, {rows, cols});
}

void check_labels(const char* function, std::int64_t rows, std::int64_t cols,
                  const std::int32_t* labels) {
  detail::check_array(function, "labels", labels, rows);
  for (std::int64_t row = 0; row < rows; ++row) {
    if (labels[row] >= 0 && labels[row] < cols) continue;
    throw std::invalid_argument(std::string(function) + ": expected labels in [0, " +
                                std::to_string(cols) + "), got labels[" + std::to_string(row) +
                                "] = " + std::to_string(labels[row]));
  }
}

/// Calls body(row, count) for blocks of rows. An element of a row takes as long as `accesses`
/// transfers of one; an exponential counts for three.
template <class T, class Body>
void for_rows(std::int64_t rows, std::int64_t cols, double accesses, const Body& body) {
  const double cost = accesses * static_cast<double>(rows) * static_cast<double>(cols);
  detail::parallel_blocks(rows, detail::block_rows(cols), transfer_microseconds<T>(cost),
                          [&](std::int64_t row, std::int64_t count) {
                            body(row * cols, static_cast<std::size_t>(count));
                          });
}

}  // namespace

template <class T>
void softmax_forward(std::int64_t rows, std::int64_t cols, const T* x, T* y) {
  constexpr const char* kFunction = "softmax_forward";
  const std::int64_t size = check_shape(kFunction, rows, cols);
  if (size == 0) return;
  detail::check_array(kFunction, "x", x, size);
  detail::check_array(kFunction, "y", y, size);
  const auto kernel = kernels<T>().forward;
  for_rows<T>(rows, cols, 5, [&](std::int64_t i, std::size_t count) {
    kernel(count, static_cast<std::size_t>(cols), x + i, y + i);
  });
}

template <class T>
void softmax_backward(std::int64_t rows, std::int64_t cols, const T* y, const T* dy, T* dx) {
  constexpr const char* kFunction = "softmax_backward";
  const std::int64_t size = check_shape(kFunction, rows, cols);
  if (size == 0) return;
  detail::check_array(kFunction, "y", y, size);
  detail::check_array(kFunction, "dy", dy, size);
  detail::check_array(kFunction, "dx", dx, size);
  const auto kernel = kernels<T>().backward;
  for_rows<T>(rows, cols, 3, [&](std::int64_t i, std::size_t count) {
    kernel(count, static_cast<std::size_t>(cols), y + i, dy + i, dx + i);
  });
}

template <class T>
void log_softmax_forward(std::int64_t rows, std::int64_t cols, const T* x, T* y) {
  constexpr const char* kFunction = "log_softmax_forward";
  const std::int64_t size = check_shape(kFunction, rows, cols);
  if (size == 0) return;
  detail::check_array(kFunction, "x", x, size);
  detail::check_array(kFunction, "y", y, size);
  const auto kernel = kernels<T>().log_forward;
  for_rows<T>(rows, cols, 5, [&](std::int64_t i, std::size_t count) {
    kernel(count, static_cast<std::size_t>(cols), x + i, y + i);
  });
}

template <class T>
void log_softmax_backward(std::int64_t rows, std::int64_t cols, const T* y, const T* dy, T* dx) {
  constexpr const char* kFunction = "log_softmax_backward";
  const std::int64_t size = check_shape(kFunction, rows, cols);
  if (size == 0) return;
  detail::check_array(kFunction, "y", y, size);
  detail::check_array(kFunction, "dy", dy, size);
  detail::check_array(kFunction, "dx", dx, size);
  const auto kernel = kernels<T>().log_backward;
  for_rows<T>(rows, cols, 5, [&](std::int64_t i, std::size_t count) {
    kernel(count, static_cast<std::size_t>(cols), y + i, dy + i, dx + i);
  });
}

template <class T>
void softmax_cross_entropy_forward(std::int64_t rows, std::int64_t cols, const T* x,
                                   const std::int32_t* labels, T* loss) {
  constexpr const char* kFunction = "softmax_cross_entropy_forward";
  const std::int64_t size = check_shape(kFunction, rows, cols);
  check_labels(kFunction, rows, cols, labels);
  detail::check_array(kFunction, "x", x, size);
  detail::check_array(kFunction, "loss", loss, rows);
  const auto kernel = kernels<T>().loss;
  for_rows<T>(rows, cols, 4, [&](std::int64_t i, std::size_t count) {
    const std::int64_t row = i / cols;
    kernel(count, static_cast<std::size_t>(cols), x + i, labels + row, loss + row);
  });
}

template <class T>
void softmax_cross_entropy_backward(std::int64_t rows, std::int64_t cols, const T* x,
                                    const std::int32_t* labels, T scale, T* loss, T* dx) {
  constexpr const char* kFunction = "softmax_cross_entropy_backward";
  const std::int64_t size = check_shape(kFunction, rows, cols);
  check_labels(kFunction, rows, cols, labels);
  detail::check_array(kFunction, "x", x, size);
  detail::check_array(kFunction, "loss", loss, rows);
  detail::check_array(kFunction, "dx", dx, size);
  const auto kernel = kernels<T>().gradient;
  for_rows<T>(rows, cols, 5, [&](std::int64_t i, std::size_t count) {
    const std::int64_t row = i / cols;
    kernel(count, static_cast<std::size_t>(cols), x + i, labels + row, scale, loss + row, dx + i);
  });
}

template void softmax_forward<float>(std::int64_t, std::int64_t, const float*, float*);
template void softmax_forward<double>(std::int64_t, std::int64_t, const double*, double*);
template void softmax_backward<float>(std::int64_t, std::int64_t, const float*, const float*,
                                      float*);
template void softmax_backward<double>(std::int64_t, std::int64_t, const double*, const double*,
                                       double*);
template void log_softmax_forward<float>(std::int64_t, std::int64_t, const float*, float*);
template void log_softmax_forward<double>(std::int64_t, std::int64_t, const double*, double*);
template void log_softmax_backward<float>(std::int64_t, std::int64_t, const float*, const float*,
                                          float*);
template void log_softmax_backward<double>(std::int64_t, std::int64_t, const double*, const double*,
                                           double*);
template void softmax_cross_entropy_forward<float>(std::int64_t, std::int64_t, const float*,
                                                   const std::int32_t*, float*);
template void softmax_cross_entropy_forward<double>(std::int64_t, std::int64_t, const double*,
                                                    const std::int32_t*, double*);
template void softmax_cross_entropy_backward<float>(std::int64_t, std::int64_t, const float*,
                                                    const std::int32_t*, float, float*, float*);
template void softmax_cross_entropy_backward<double>(std::int64_t, std::int64_t, const double*,
                                                     const std::int32_t*, double, double*, double*);

}  // namespace nnkernels
#endif  // HWY_ONCE
