// Random convolutions, forward and both backward passes, on integers and on reals.
#include "kernels/conv.h"

#include <cstddef>
#include <vector>

#include "tests/oracle/campaign.h"
#include "tests/oracle/shapes.h"
#include "tests/support/conv_shape_text.h"
#include "tests/support/guarded_array.h"

namespace nnkernels::oracle {
namespace {

/// A sum, and the sum of the absolute values.
template <class T>
struct Sums {
  explicit Sums(std::int64_t count)
      : value(static_cast<std::size_t>(count)), size(static_cast<std::size_t>(count)) {}
  void add(std::int64_t at, Wide<T> product) {
    value[static_cast<std::size_t>(at)] += product;
    size[static_cast<std::size_t>(at)] += std::abs(product);
  }
  std::vector<Wide<T>> value, size;
};

template <class T>
struct Reference {
  Sums<T> y, dx, dw, db;
};

/// The definition of all three passes at once.
template <class T>
Reference<T> define(const ConvShape& s, const GuardedArray<T>& x, const GuardedArray<T>& w,
                    const GuardedArray<T>& dy) {
  Reference<T> r{Sums<T>(s.y_size()), Sums<T>(s.x_size()), Sums<T>(s.w_size()), Sums<T>(s.oc)};
  const std::int64_t group_ic = s.ic / s.groups, group_oc = s.oc / s.groups;
  const auto pixel = [&](std::int64_t y_at, std::int64_t x_at, std::int64_t w_at) {
    for (std::int64_t oc = 0; oc < s.oc; ++oc) {
      const Wide<T> gradient = dy[y_at + oc];
      for (std::int64_t ic = 0; ic < group_ic; ++ic) {
        const std::int64_t in = x_at + oc / group_oc * group_ic + ic,
                           weight = w_at + ic * s.oc + oc;
        r.y.add(y_at + oc, static_cast<Wide<T>>(x[in]) * w[weight]);
        r.dx.add(in, gradient * w[weight]);
        r.dw.add(weight, gradient * x[in]);
      }
    }
  };
  for (std::int64_t row = 0; row < s.n * s.oh(); ++row) {
    const std::int64_t n = row / s.oh(), oh = row % s.oh();
    for (std::int64_t ow = 0; ow < s.ow(); ++ow) {
      const std::int64_t y_at = (row * s.ow() + ow) * s.oc;
      for (std::int64_t oc = 0; oc < s.oc; ++oc) r.db.add(oc, dy[y_at + oc]);
      for (std::int64_t tap = 0; tap < s.kh * s.kw; ++tap) {
        const std::int64_t i = oh * s.stride_h + tap / s.kw * s.dilation_h - s.pad_h;
        const std::int64_t j = ow * s.stride_w + tap % s.kw * s.dilation_w - s.pad_w;
        if (i < 0 || i >= s.ih || j < 0 || j >= s.iw) continue;
        pixel(y_at, ((n * s.ih + i) * s.iw + j) * s.ic, tap * group_ic * s.oc);
      }
    }
  }
  return r;
}

template <class T>
void check(const GuardedArray<T>& actual, const Sums<T>& want, Data data, std::int64_t terms,
           const std::string& name, Outcome& outcome) {
  if (!actual.intact()) outcome.wrong = "written outside of " + name;
  for (std::int64_t i = 0; i < actual.size(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    const std::string where = name + "[" + std::to_string(i) + "]";
    if (data == Data::integers) {
      compare_exactly(actual[i], want.value[at], where, outcome);
    } else {
      compare(actual[i], want.value[at], want.size[at], terms, Wide<T>{1}, where, outcome);
    }
  }
}

template <class T>
void run_case(const ConvShape& s, Data data, Values& values, Outcome& outcome) {
  const auto draw = [&](std::int64_t size) {
    return data == Data::integers ? values.integers<T>(size, -4, 4)
                                  : values.uniforms<T>(size, -1, 1);
  };
  const auto shift = [&] { return values.integer(0, 15); };
  const GuardedArray<T> x(draw(s.x_size()), shift()), w(draw(s.w_size()), shift());
  const GuardedArray<T> dy(draw(s.y_size()), shift()), bias(draw(s.oc), shift());
  // Results are overwritten, so they start as NaN.
  const GuardedArray<T> y(s.y_size(), shift()), dx(s.x_size(), shift()), dw(s.w_size(), shift());
  const GuardedArray<T> db(s.oc, shift());
  Reference<T> want = define(s, x, w, dy);
  const Activation activation = values.integer(0, 2) == 0 ? Activation::relu : Activation::identity;
  for (std::int64_t i = 0; i < s.y_size(); ++i) {
    want.y.add(i, bias[i % s.oc]);
    Wide<T>& value = want.y.value[static_cast<std::size_t>(i)];
    if (activation == Activation::relu) value = std::max<Wide<T>>(value, 0);
  }

  conv_forward<T>(s, x.data(), w.data(), y.data(), {bias.data(), activation});
  conv_backward_data<T>(s, dy.data(), w.data(), dx.data());
  conv_backward_weights<T>(s, x.data(), dy.data(), dw.data(), db.data());

  const std::int64_t pixels = s.n * s.oh() * s.ow();
  check(y, want.y, data, s.kh * s.kw * (s.ic / s.groups) + 3, "y", outcome);
  check(dx, want.dx, data, s.kh * s.kw * (s.oc / s.groups) + 3, "dx", outcome);
  check(dw, want.dw, data, pixels + 3, "dw", outcome);
  check(db, want.db, data, pixels + 3, "db", outcome);
  if (!x.intact() || !w.intact() || !dy.intact() || !bias.intact()) {
    outcome.wrong = "written outside of an operand";
  }
}

}  // namespace

Outcome conv_case(Values& values) {
  const ConvShape shape = draw_conv_shape(values);
  const bool is_double = values.integer(0, 3) == 0;
  Outcome outcome;
  outcome.shape = (is_double ? "double " : "float ") + str(shape);
  for (const Data data : {Data::integers, Data::reals}) {
    if (is_double) {
      run_case<double>(shape, data, values, outcome);
    } else {
      run_case<float>(shape, data, values, outcome);
    }
  }
  return outcome;
}

}  // namespace nnkernels::oracle
