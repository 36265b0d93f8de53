// Random max and average poolings, forward and backward.
#include "kernels/pool.h"

#include <cstddef>
#include <vector>

#include "tests/oracle/campaign.h"
#include "tests/oracle/shapes.h"
#include "tests/support/guarded_array.h"

namespace nnkernels::oracle {
namespace {

/// Calls use(y index, x index, position in the window) for each pixel inside of each window,
/// windows and positions in ascending order.
template <class Use>
void for_each_pixel(const PoolShape& s, Use use) {
  for (std::int64_t window = 0; window < s.n * s.oh() * s.ow(); ++window) {
    const std::int64_t n = window / (s.oh() * s.ow());
    const std::int64_t oh = window / s.ow() % s.oh(), ow = window % s.ow();
    for (std::int64_t position = 0; position < s.kh * s.kw; ++position) {
      const std::int64_t i = oh * s.stride_h + position / s.kw - s.pad_h;
      const std::int64_t j = ow * s.stride_w + position % s.kw - s.pad_w;
      if (i < 0 || i >= s.ih || j < 0 || j >= s.iw) continue;
      for (std::int64_t c = 0; c < s.c; ++c) {
        use(window * s.c + c, ((n * s.ih + i) * s.iw + j) * s.c + c, position);
      }
    }
  }
}

template <class T>
void run_max(const PoolShape& s, Data data, Values& values, Outcome& outcome) {
  const auto draw = [&](std::int64_t size) {
    // Few different integers: many ties, of which the first must win.
    return data == Data::integers ? values.integers<T>(size, -4, 4)
                                  : values.uniforms<T>(size, -1, 1);
  };
  const GuardedArray<T> x(draw(s.x_size()), values.integer(0, 15));
  const GuardedArray<T> dy(draw(s.y_size()), values.integer(0, 15));
  const GuardedArray<T> y(s.y_size(), values.integer(0, 15));
  const GuardedArray<T> dx(s.x_size(), values.integer(0, 15));
  const GuardedArray<std::int32_t> argmax(s.y_size(), values.integer(0, 15));
  max_pool_forward<T>(s, x.data(), y.data(), argmax.data());
  max_pool_backward<T>(s, dy.data(), argmax.data(), dx.data());

  const auto outputs = static_cast<std::size_t>(s.y_size());
  std::vector<std::int64_t> winner(outputs, -1), place(outputs);
  for_each_pixel(s, [&](std::int64_t to, std::int64_t from, std::int64_t position) {
    std::int64_t& best = winner[static_cast<std::size_t>(to)];
    if (best >= 0 && !(x[from] > x[best])) return;
    best = from;
    place[static_cast<std::size_t>(to)] = position;
  });
  // In T and in the promised order, so that reals too must agree in every bit.
  std::vector<T> gradient(static_cast<std::size_t>(s.x_size()));
  for (std::int64_t i = 0; i < s.y_size(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    gradient[static_cast<std::size_t>(winner[at])] += dy[i];
    const std::string where = "[" + std::to_string(i) + "]";
    compare_exactly<T>(y[i], x[winner[at]], "max y" + where, outcome);
    if (argmax[i] != place[at] && outcome.wrong.empty()) outcome.wrong = "argmax" + where;
  }
  for (std::int64_t i = 0; i < s.x_size(); ++i) {
    compare_exactly<T>(dx[i], gradient[static_cast<std::size_t>(i)],
                       "max dx[" + std::to_string(i) + "]", outcome);
  }
  if (!x.intact() || !dy.intact() || !y.intact() || !dx.intact() || !argmax.intact()) {
    outcome.wrong = "max pool: written outside of an array";
  }
}

template <class T>
void run_average(const PoolShape& s, PoolDivisor divisor, Values& values, Outcome& outcome) {
  const GuardedArray<T> x(values.uniforms<T>(s.x_size(), -1, 1), values.integer(0, 15));
  const GuardedArray<T> dy(values.uniforms<T>(s.y_size(), -1, 1), values.integer(0, 15));
  const GuardedArray<T> y(s.y_size(), values.integer(0, 15));
  const GuardedArray<T> dx(s.x_size(), values.integer(0, 15));
  average_pool_forward<T>(s, divisor, x.data(), y.data());
  average_pool_backward<T>(s, divisor, dy.data(), dx.data());

  const auto outputs = static_cast<std::size_t>(s.y_size());
  const auto inputs = static_cast<std::size_t>(s.x_size());
  std::vector<Wide<T>> count(outputs), sum(outputs), size(outputs), back(inputs), back_size(inputs);
  for_each_pixel(s, [&](std::int64_t to, std::int64_t from, std::int64_t) {
    const auto at = static_cast<std::size_t>(to);
    count[at] += 1;
    sum[at] += x[from];
    size[at] += std::abs(static_cast<Wide<T>>(x[from]));
  });
  if (divisor == PoolDivisor::window) {
    std::fill(count.begin(), count.end(), static_cast<Wide<T>>(s.kh * s.kw));
  }
  for_each_pixel(s, [&](std::int64_t to, std::int64_t from, std::int64_t) {
    const Wide<T> part = dy[to] / count[static_cast<std::size_t>(to)];
    back[static_cast<std::size_t>(from)] += part;
    back_size[static_cast<std::size_t>(from)] += std::abs(part);
  });
  const std::int64_t terms = s.kh * s.kw + 3;
  for (std::int64_t i = 0; i < s.y_size(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    compare(y[i], sum[at] / count[at], size[at] / count[at], terms, Wide<T>{1},
            "average y[" + std::to_string(i) + "]", outcome);
  }
  for (std::int64_t i = 0; i < s.x_size(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    compare(dx[i], back[at], back_size[at], terms, Wide<T>{1},
            "average dx[" + std::to_string(i) + "]", outcome);
  }
  if (!x.intact() || !dy.intact() || !y.intact() || !dx.intact()) {
    outcome.wrong = "average pool: written outside of an array";
  }
}

template <class T>
void run_case(const PoolShape& shape, Values& values, Outcome& outcome) {
  run_max<T>(shape, Data::integers, values, outcome);
  run_max<T>(shape, Data::reals, values, outcome);
  run_average<T>(shape, PoolDivisor::inside, values, outcome);
  run_average<T>(shape, PoolDivisor::window, values, outcome);
}

}  // namespace

Outcome pool_case(Values& values) {
  const PoolShape shape = draw_pool_shape(values);
  const bool is_double = values.integer(0, 3) == 0;
  Outcome outcome;
  outcome.shape = (is_double ? "double " : "float ") + str(shape);
  if (is_double) {
    run_case<double>(shape, values, outcome);
  } else {
    run_case<float>(shape, values, outcome);
  }
  return outcome;
}

}  // namespace nnkernels::oracle
