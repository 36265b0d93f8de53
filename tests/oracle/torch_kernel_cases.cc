// Cases of the kernels themselves.
#include <cstddef>

#include "kernels/conv.h"
#include "kernels/pool.h"
#include "kernels/softmax.h"
#include "tests/oracle/campaign.h"
#include "tests/oracle/shapes.h"
#include "tests/oracle/torch_cases.h"

namespace nnkernels::oracle {
namespace {

/// Results are overwritten, so they start as NaN.
template <class T>
std::vector<T> nothing(std::int64_t size) {
  return std::vector<T>(static_cast<std::size_t>(size), std::numeric_limits<T>::quiet_NaN());
}

template <class T>
void conv(Values& values, CaseArrays& out) {
  const ConvShape s = draw_conv_shape(values);
  const bool relu = values.integer(0, 2) == 0;
  const auto x = values.uniforms<T>(s.x_size(), -1, 1), w = values.uniforms<T>(s.w_size(), -1, 1),
             b = values.uniforms<T>(s.oc, -1, 1), dy = values.uniforms<T>(s.y_size(), -1, 1);
  auto y = nothing<T>(s.y_size()), dx = nothing<T>(s.x_size()), dw = nothing<T>(s.w_size()),
       db = nothing<T>(s.oc);
  conv_forward<T>(s, x.data(), w.data(), y.data(),
                  {b.data(), relu ? Activation::relu : Activation::identity});
  conv_backward_data<T>(s, dy.data(), w.data(), dx.data());
  conv_backward_weights<T>(s, x.data(), dy.data(), dw.data(), db.data());

  const auto number = [](std::int64_t i) { return static_cast<double>(i); };
  out.settings({number(s.stride_h), number(s.stride_w), number(s.pad_h), number(s.pad_w),
                number(s.dilation_h), number(s.dilation_w), number(s.groups), relu ? 1.0 : 0.0});
  const Dims x_dims = {s.n, s.ih, s.iw, s.ic}, y_dims = {s.n, s.oh(), s.ow(), s.oc},
             w_dims = {s.kh, s.kw, s.ic / s.groups, s.oc};
  out.add("x", x_dims, x);
  out.add("w", w_dims, w);
  out.add("b", {s.oc}, b);
  out.add("dy", y_dims, dy);
  out.add("our_y", y_dims, y);
  out.add("our_dx", x_dims, dx);
  out.add("our_dw", w_dims, dw);
  out.add("our_db", {s.oc}, db);
}

/// Sizes for windows, then the divisor: 0 for max, 1 inside, 2 window.
template <class T>
void pool(Values& values, CaseArrays& out, int kind) {
  const PoolShape s = draw_pool_shape(values);
  // Few different integers: many ties, of which the first must win here and there.
  const bool integers = kind == 0 && values.integer(0, 1) == 0;
  const auto draw = [&](std::int64_t size) {
    return integers ? values.integers<T>(size, -4, 4) : values.uniforms<T>(size, -1, 1);
  };
  const auto x = draw(s.x_size()), dy = draw(s.y_size());
  auto y = nothing<T>(s.y_size()), dx = nothing<T>(s.x_size());
  if (kind == 0) {
    std::vector<std::int32_t> argmax(y.size());
    max_pool_forward<T>(s, x.data(), y.data(), argmax.data());
    max_pool_backward<T>(s, dy.data(), argmax.data(), dx.data());
  } else {
    const auto divisor = kind == 1 ? PoolDivisor::inside : PoolDivisor::window;
    average_pool_forward<T>(s, divisor, x.data(), y.data());
    average_pool_backward<T>(s, divisor, dy.data(), dx.data());
  }
  const auto number = [](std::int64_t i) { return static_cast<double>(i); };
  out.settings({number(s.kh), number(s.kw), number(s.stride_h), number(s.stride_w), number(s.pad_h),
                number(s.pad_w), number(kind), integers ? 1.0 : 0.0});
  const Dims x_dims = {s.n, s.ih, s.iw, s.c}, y_dims = {s.n, s.oh(), s.ow(), s.c};
  out.add("x", x_dims, x);
  out.add("dy", y_dims, dy);
  out.add("our_y", y_dims, y);
  out.add("our_dx", x_dims, dx);
}

template <class T>
void max_pool(Values& values, CaseArrays& out) {
  pool<T>(values, out, 0);
}

template <class T>
void average_pool(Values& values, CaseArrays& out) {
  pool<T>(values, out, static_cast<int>(values.integer(1, 2)));
}

template <class T, class Forward, class Backward>
void softmax_of(Values& values, CaseArrays& out, Forward forward, Backward backward) {
  const std::int64_t cols = draw_size(values, 300), rows = values.integer(1, 1 + 3'000 / cols);
  const double spread = values.uniform(0, 40), middle = values.uniform(-200, 200);
  const auto x = values.uniforms<T>(rows * cols, middle - spread, middle + spread);
  const auto dy = values.uniforms<T>(rows * cols, -1, 1);
  auto y = nothing<T>(rows * cols), dx = nothing<T>(rows * cols);
  forward(rows, cols, x.data(), y.data());
  backward(rows, cols, y.data(), dy.data(), dx.data());
  out.add("x", {rows, cols}, x);
  out.add("dy", {rows, cols}, dy);
  out.add("our_y", {rows, cols}, y);
  out.add("our_dx", {rows, cols}, dx);
}

template <class T>
void softmax(Values& values, CaseArrays& out) {
  softmax_of<T>(values, out, softmax_forward<T>, softmax_backward<T>);
}

template <class T>
void log_softmax(Values& values, CaseArrays& out) {
  softmax_of<T>(values, out, log_softmax_forward<T>, log_softmax_backward<T>);
}

}  // namespace

std::span<const Kind> kernel_kinds() {
  static constexpr Kind kKinds[] = {
      {"conv", conv<float>, conv<double>},
      {"conv", conv<float>, conv<double>},  // the most to vary: twice as many
      {"max_pool", max_pool<float>, max_pool<double>},
      {"average_pool", average_pool<float>, average_pool<double>},
      {"softmax", softmax<float>, softmax<double>},
      {"log_softmax", log_softmax<float>, log_softmax<double>},
  };
  return kKinds;
}

}  // namespace nnkernels::oracle
