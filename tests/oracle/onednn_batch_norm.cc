// The layer BatchNorm in training, forward and backward, against oneDNN's batch normalization.
#include <algorithm>
#include <stdexcept>

#include "kernels/moments.h"
#include "nn/batch_norm.h"
#include "nn/sequential.h"
#include "tests/oracle/onednn.h"

namespace nnkernels::oracle {
namespace {

struct Size {
  std::int64_t n, h, w, c;
  std::int64_t rows() const { return n * h * w; }
};

struct Operands {
  Floats x, gamma, beta, dy;
};

struct Results {
  Floats y, mean, variance, dx, dgamma, dbeta;
};

constexpr float kEpsilon = 1e-5f;

Results by_us(const Size& s, const Operands& in) {
  using nn::Shape;
  nn::Sequential<float> net(Shape{s.h, s.w, s.c});
  // With a momentum of 1 the running moments are those of the batch.
  net.add<nn::BatchNorm<float>>(s.c, 1.0, kEpsilon);
  std::copy(in.gamma.begin(), in.gamma.end(), net.parameters()[0]->value.begin());
  std::copy(in.beta.begin(), in.beta.end(), net.parameters()[1]->value.begin());
  for (nn::Buffer<float>* const buffer : net.buffers()) std::ranges::fill(buffer->value, 0.0f);
  const Shape shape{s.n, s.h, s.w, s.c};
  const nn::TensorView<const float> x(in.x.data(), shape), dy(in.dy.data(), shape);
  const auto y = net.forward(x, {.training = true});
  Results out;
  out.y.assign(y.data, y.data + y.size());
  out.dx.resize(in.x.size());
  net.backward(x, dy, {out.dx.data(), shape});
  const auto copy = [](const nn::Tensor<float>& from) { return Floats(from.begin(), from.end()); };
  out.mean = copy(net.buffers()[0]->value);
  out.variance = copy(net.buffers()[1]->value);  // times rows / (rows - 1)
  out.dgamma = copy(net.parameters()[0]->grad);
  out.dbeta = copy(net.parameters()[1]->grad);
  return out;
}

/// The backward pass takes the moments that it is given.
Results by_onednn(const Size& s, const Operands& in, const Floats& mean, const Floats& variance) {
  using dnnl::memory;
  const memory::desc x = plain({s.n, s.c, s.h, s.w}, Tag::nhwc), column = plain({s.c}, Tag::x);
  const auto flags = dnnl::normalization_flags::use_scale | dnnl::normalization_flags::use_shift;
  const dnnl::batch_normalization_forward::primitive_desc forward(
      {dnnl::prop_kind::forward_training, x, kEpsilon, flags}, engine());
  const dnnl::batch_normalization_backward::primitive_desc backward(
      {dnnl::prop_kind::backward, x, x, kEpsilon, flags}, engine(), forward);
  const memory y(x, engine()), dx(x, engine()), mean_out(column, engine()),
      variance_out(column, engine()), dgamma(column, engine()), dbeta(column, engine());
  execute(dnnl::batch_normalization_forward(forward),
          {{DNNL_ARG_SRC, given(in.x, x)},
           {DNNL_ARG_SCALE, given(in.gamma, column)},
           {DNNL_ARG_SHIFT, given(in.beta, column)},  // unused, but it insists
           {DNNL_ARG_MEAN, mean_out},
           {DNNL_ARG_VARIANCE, variance_out},
           {DNNL_ARG_DST, y}});
  execute(dnnl::batch_normalization_backward(backward),
          {{DNNL_ARG_SRC, given(in.x, x)},
           {DNNL_ARG_MEAN, given(mean, column)},
           {DNNL_ARG_VARIANCE, given(variance, column)},
           {DNNL_ARG_SCALE, given(in.gamma, column)},
           {DNNL_ARG_SHIFT, given(in.beta, column)},  // unused, but it insists
           {DNNL_ARG_DIFF_DST, given(in.dy, x)},
           {DNNL_ARG_DIFF_SRC, dx},
           {DNNL_ARG_DIFF_SCALE, dgamma},
           {DNNL_ARG_DIFF_SHIFT, dbeta}});
  return {taken(y, x),  taken(mean_out, column), taken(variance_out, column),
          taken(dx, x), taken(dgamma, column),   taken(dbeta, column)};
}

/// What the bounds of one column depend on.
struct Column {
  double largest = 0;           // |x|
  double dy = 0, products = 0;  // sums of |dy| and of |dy (x - mean)|
  double mean = 0, variance = 0;
};

Column measure(const Size& s, const Operands& in, const Floats& mean, const Floats& variance,
               std::int64_t j) {
  Column column;
  column.mean = static_cast<double>(mean[index(j)]);
  column.variance = static_cast<double>(variance[index(j)]);
  for (std::int64_t i = j; i < s.rows() * s.c; i += s.c) {
    const auto x = static_cast<double>(in.x[index(i)]);
    const auto dy = std::abs(static_cast<double>(in.dy[index(i)]));
    column.largest = std::max(column.largest, std::abs(x));
    column.dy += dy;
    column.products += dy * std::abs(x - column.mean);
  }
  return column;
}

void compare_column(const Size& s, const Operands& in, const Results& ours, const Results& theirs,
                    const Column& column, std::int64_t j, Outcome& outcome) {
  const auto at = index(j);
  const auto rows = static_cast<double>(s.rows());
  // Means. A sum of up to 32 rows takes 34 roundings; merging 32 more moves a mean by numbers up to
  // twice the largest, in five; so rows + 40 of the largest number bound every order here.
  const double steps = gamma<float>(rows + 40);
  const double mean_error = 2 * steps * column.largest;
  compare_within(ours.mean[at], theirs.mean[at], mean_error, "mean", j, outcome);
  // Squares around a mean that is off by e: e^2 more, and 2 e sqrt(variance) in the differences of
  // the means that are merged.
  const double variance_error =
      2 * steps * column.variance + 2 * mean_error * (mean_error + 2 * std::sqrt(column.variance));
  const double unbiased = rows / (rows - 1);
  compare_within(ours.variance[at], static_cast<double>(theirs.variance[at]) * unbiased,
                 (variance_error + gamma<float>(3) * column.variance) * unbiased, "variance", j,
                 outcome);

  // y = gamma (x - mean) s + beta, s = 1 / sqrt(variance + epsilon). If variance + epsilon is off
  // by the part t, s is off by at most t / 2 (1 - t)^-1.5 of itself.
  const double spread = column.variance + static_cast<double>(kEpsilon);
  const double t = variance_error / spread;
  if (!(t < 1)) throw std::logic_error("onednn-batch-norm: a column that no bound holds for");
  const double s_error = t / 2 * std::pow(1 - t, -1.5);
  const double scale = std::abs(static_cast<double>(in.gamma[at])) / std::sqrt(spread);
  for (std::int64_t i = j; i < s.rows() * s.c; i += s.c) {
    const auto x = static_cast<double>(in.x[index(i)]);
    const double rounding = 2 * gamma<float>(8) *
                            (scale * (std::abs(x) + std::abs(column.mean) + mean_error) +
                             std::abs(static_cast<double>(in.beta[at])));
    const double bound =
        scale * (1 + s_error) * (mean_error + s_error * std::abs(x - column.mean)) + rounding;
    compare_within(ours.y[index(i)], theirs.y[index(i)], bound, "y", i, outcome);
  }

  // Backward, where both have the same moments. With z = (x - mean) s:
  // dbeta = sum dy, dgamma = sum dy z, dx = gamma s (dy - dbeta / rows - z dgamma / rows).
  const double roundings = 2 * gamma<float>(rows + 20), s_of_column = 1 / std::sqrt(spread);
  compare_within(ours.dbeta[at], theirs.dbeta[at], roundings * column.dy, "dbeta", j, outcome);
  compare_within(ours.dgamma[at], theirs.dgamma[at], roundings * column.products * s_of_column,
                 "dgamma", j, outcome);
  for (std::int64_t i = j; i < s.rows() * s.c; i += s.c) {
    const double z = std::abs(static_cast<double>(in.x[index(i)]) - column.mean) * s_of_column;
    const double size = std::abs(static_cast<double>(in.dy[index(i)])) +
                        (column.dy + z * column.products * s_of_column) / rows;
    compare_within(ours.dx[index(i)], theirs.dx[index(i)], roundings * scale * size, "dx", i,
                   outcome);
  }
}

}  // namespace

Outcome onednn_batch_norm_case(Values& values) {
  Size s{};
  s.c = draw_size(values, 70);
  do {
    s.n = values.integer(1, 6);
    s.h = values.integer(1, 12);
    s.w = values.integer(1, 12);
  } while (s.rows() < 2);
  const double middle = values.integer(0, 1) == 0 ? values.uniform(-4, 4) : 0;
  const double width = values.uniform(0.25, 4);
  Outcome outcome;
  outcome.shape = "n" + std::to_string(s.n) + " " + std::to_string(s.h) + "x" +
                  std::to_string(s.w) + "x" + std::to_string(s.c) + " of " +
                  std::to_string(middle) + " +- " + std::to_string(width);
  const std::int64_t size = s.rows() * s.c;
  const Operands in = {values.uniforms<float>(size, middle - width, middle + width),
                       values.uniforms<float>(s.c, -2, 2), values.uniforms<float>(s.c, -2, 2),
                       values.uniforms<float>(size, -1, 1)};
  // Those that the layer computes, too, and keeps to itself.
  Floats mean(index(s.c)), variance(index(s.c));
  column_moments<float>(s.rows(), s.c, in.x.data(), mean.data(), variance.data());
  const Results ours = by_us(s, in), theirs = by_onednn(s, in, mean, variance);
  for (std::int64_t j = 0; j < s.c; ++j) {
    compare_column(s, in, ours, theirs, measure(s, in, mean, variance, j), j, outcome);
  }
  return outcome;
}

}  // namespace nnkernels::oracle
