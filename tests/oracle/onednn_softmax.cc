// Softmax and its logarithm, forward and backward, against oneDNN's.
#include <algorithm>
#include <limits>

#include "kernels/softmax.h"
#include "tests/oracle/onednn.h"

namespace nnkernels::oracle {
namespace {

using dnnl::memory;

// The relative error of a softmax, in units of u, for a row of `cols` numbers that are at most
// `spread` below the largest: `spread` for the rounding of x - max, log(cols) for that in the terms
// of the sum, weighted with the terms; a rounding a column for the sum; 8 for exp, here and in the
// sum, quotient and product. In the place of the 8, oneDNN gets what its own tester lets pass, 10
// epsilons (tests/benchdnn/softmax), on integers, where x - max is exact.
constexpr double kOurs = 8, kTheirs = 20;

/// Both errors together.
double both(double n, double spread) {
  const double terms = n + spread + std::log(n);
  return gamma<float>(terms + kOurs) + gamma<float>(terms + kTheirs);
}

/// oneDNN's exp is 0 where the result would not be a normal number.
constexpr double kSmallest = std::numeric_limits<float>::min();

struct Row {
  double spread = 0, dy = 0, dot = 0;  // dy: sum of |dy|; dot: sum of |dy y|
};

Row measure(std::int64_t cols, const float* x, const float* y, const float* dy) {
  const auto [low, high] = std::minmax_element(x, x + cols);
  Row row;
  row.spread = static_cast<double>(*high) - static_cast<double>(*low);
  for (std::int64_t j = 0; j < cols; ++j) {
    const auto gradient = std::abs(static_cast<double>(dy[j]));
    row.dy += gradient;
    row.dot += gradient * std::abs(static_cast<double>(y[j]));
  }
  return row;
}

struct Results {
  Floats y, dx;
};

/// The backward pass takes the y that it is given.
template <class Forward, class Backward>
Results by_onednn(std::int64_t rows, std::int64_t cols, const Floats& x, const Floats& y,
                  const Floats& dy) {
  const memory::desc desc = plain({rows, cols}, Tag::nc);
  constexpr int kAxis = 1;
  const typename Forward::primitive_desc forward({dnnl::prop_kind::forward_training, desc, kAxis},
                                                 engine());
  const typename Backward::primitive_desc backward({desc, desc, kAxis}, engine(), forward);
  const memory y_out(desc, engine()), dx(desc, engine());
  execute(Forward(forward), {{DNNL_ARG_SRC, given(x, desc)}, {DNNL_ARG_DST, y_out}});
  execute(Backward(backward), {{DNNL_ARG_DST, given(y, desc)},
                               {DNNL_ARG_DIFF_DST, given(dy, desc)},
                               {DNNL_ARG_DIFF_SRC, dx}});
  return {taken(y_out, desc), taken(dx, desc)};
}

void run_softmax(std::int64_t rows, std::int64_t cols, const Floats& x, const Floats& dy,
                 Outcome& outcome) {
  Floats y(x.size()), dx(x.size());
  softmax_forward<float>(rows, cols, x.data(), y.data());
  softmax_backward<float>(rows, cols, y.data(), dy.data(), dx.data());
  const Results theirs =
      by_onednn<dnnl::softmax_forward, dnnl::softmax_backward>(rows, cols, x, y, dy);
  const auto n = static_cast<double>(cols);
  for (std::int64_t i = 0; i < rows * cols; ++i) {
    const auto first = index(i / cols * cols), at = index(i);
    const Row row = measure(cols, &x[first], &y[first], &dy[first]);
    const auto p = static_cast<double>(y[at]);
    compare_within(y[at], theirs.y[at], both(n, row.spread) * p + kSmallest, "y", i, outcome);
    // y (dy - sum of dy y), for the same y: no exp in it, and at most cols + 2 roundings.
    const double size = p * (std::abs(static_cast<double>(dy[at])) + row.dot);
    compare_within(dx[at], theirs.dx[at], 2 * gamma<float>(n + 3) * size + kSmallest, "dx", i,
                   outcome);
  }
}

void run_log_softmax(std::int64_t rows, std::int64_t cols, const Floats& x, const Floats& dy,
                     Outcome& outcome) {
  Floats y(x.size()), dx(x.size());
  log_softmax_forward<float>(rows, cols, x.data(), y.data());
  log_softmax_backward<float>(rows, cols, y.data(), dy.data(), dx.data());
  const Results theirs =
      by_onednn<dnnl::logsoftmax_forward, dnnl::logsoftmax_backward>(rows, cols, x, y, dy);
  const auto n = static_cast<double>(cols);
  for (std::int64_t i = 0; i < rows * cols; ++i) {
    const auto first = index(i / cols * cols), at = index(i);
    const Row row = measure(cols, &x[first], &y[first], &dy[first]);
    // x - max - log(sum): a relative error of the sum is an absolute one of its logarithm, which is
    // at most log(cols); the difference is rounded twice.
    const double size = 1 + row.spread + std::log(n);
    compare_within(y[at], theirs.y[at], both(n, row.spread) * size, "log y", i, outcome);
    // dy - exp(y) sum of dy, for the same y.
    const double gradients = std::exp(static_cast<double>(y[at])) * row.dy;
    const double bound =
        both(n, 0) * (std::abs(static_cast<double>(dy[at])) + gradients) + kSmallest * (1 + row.dy);
    compare_within(dx[at], theirs.dx[at], bound, "log dx", i, outcome);
  }
}

}  // namespace

Outcome onednn_softmax_case(Values& values) {
  const std::int64_t cols =
      values.integer(0, 9) == 0 ? values.integer(200, 1200) : draw_size(values, 200);
  const std::int64_t rows = std::min<std::int64_t>(draw_size(values, 60), 1 + 6'000 / cols);
  // How far apart the numbers of a row are, and where it lies: beyond 88, exp(x) itself overflows.
  const double spread = values.integer(0, 2) == 0 ? values.uniform(10, 80) : values.uniform(0, 10);
  const double middle = values.integer(0, 1) == 0 ? values.uniform(-200, 200) : 0;
  Outcome outcome;
  outcome.shape = std::to_string(rows) + "x" + std::to_string(cols) + " of " +
                  std::to_string(middle) + " +- " + std::to_string(spread / 2);
  const auto x = values.uniforms<float>(rows * cols, middle - spread / 2, middle + spread / 2);
  const auto dy = values.uniforms<float>(rows * cols, -1, 1);
  run_softmax(rows, cols, x, dy, outcome);
  run_log_softmax(rows, cols, x, dy, outcome);
  return outcome;
}

}  // namespace nnkernels::oracle
