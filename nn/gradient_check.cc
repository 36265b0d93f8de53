#include "nn/gradient_check.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "nn/conv2d.h"
#include "nn/leaky_relu.h"
#include "nn/max_pool2d.h"
#include "nn/random.h"

namespace nnkernels::nn {
namespace {

/// Which side of every kink the last forward() of `net` was on: for each ReLU and LeakyReLU whether
/// y > 0, for each max pool the winner of each window. The batch had n samples.
void read_pattern(const Sequential<double>& net, std::int64_t n,
                  std::vector<std::int32_t>& pattern) {
  pattern.clear();
  const std::uint8_t* winner = nullptr;  // of a convolution that has absorbed the next max pool
  for (std::int64_t i = 0; i < net.layer_count(); ++i) {
    const Layer<double>& layer = net.layer(i);
    const std::int64_t size = n * net.shape_before(i + 1).size();
    const bool leaky = dynamic_cast<const LeakyReLU<double>*>(&layer) != nullptr;
    if (layer.activation() == Activation::relu || leaky) {
      // With a max pool that was absorbed together with the ReLU, only the pooled y exists.
      TensorView<const double> y = net.output(i);
      if (y.empty() && winner != nullptr) y = net.output(i + 1);
      for (std::int64_t k = 0; k < y.size() && !y.empty(); ++k) {
        pattern.push_back(y.data[k] > 0 ? 1 : 0);
      }
    }
    if (const auto* pool = dynamic_cast<const MaxPool2d<double>*>(&layer)) {
      if (winner != nullptr) {
        pattern.insert(pattern.end(), winner, winner + size);
      } else {
        pattern.insert(pattern.end(), pool->argmax(), pool->argmax() + size);
      }
      winner = nullptr;
    }
    if (const auto* conv = dynamic_cast<const Conv2d<double>*>(&layer)) winner = conv->winner();
  }
}

/// What is checked is training, and always the same step of it: the same elements are dropped.
constexpr Pass kPass{.training = true};

/// Puts the buffers of a network, which every training pass changes, back to what they were.
class KeepBuffers {
 public:
  explicit KeepBuffers(const Sequential<double>& net) : buffers_(net.buffers()) {
    values_.reserve(buffers_.size());
    for (const Buffer<double>* buffer : buffers_) values_.push_back(buffer->value.clone());
  }
  ~KeepBuffers() {
    for (std::size_t i = 0; i < buffers_.size(); ++i) std::swap(buffers_[i]->value, values_[i]);
  }
  KeepBuffers(const KeepBuffers&) = delete;
  KeepBuffers& operator=(const KeepBuffers&) = delete;

 private:
  std::vector<Buffer<double>*> buffers_;
  std::vector<Tensor<double>> values_;
};

/// The function whose derivative is checked, and which kinks it was evaluated at.
class Function {
 public:
  Function(Sequential<double>& net, const Tensor<double>& x, const CheckedLoss& loss)
      : net_(net), x_(x), loss_(loss) {}

  double operator()(std::vector<std::int32_t>& pattern) const {
    const double value = loss_(net_.forward(x_.view(), kPass), {});
    read_pattern(net_, x_.shape()[0], pattern);
    return value;
  }

 private:
  Sequential<double>& net_;
  const Tensor<double>& x_;
  const CheckedLoss& loss_;
};

/// Puts a variable back to what it was, also when a layer or the loss throws.
struct Restore {
  double& variable;
  double value;
  ~Restore() { variable = value; }
};

/// Checks one tensor whose elements are the variables `value`, in the order `order`.
GradientCheckResult check_tensor(const Function& function, Tensor<double>& value,
                                 const Tensor<double>& gradient,
                                 const std::vector<std::int64_t>& order, double h,
                                 std::int64_t most) {
  GradientCheckResult result;
  std::vector<std::int32_t> pattern_above;
  std::vector<std::int32_t> pattern_below;
  double scale = 1e-8;
  double worst = -1;
  for (const std::int64_t i : order) {
    if (result.checked == most) break;
    const double original = value[i];
    const double above = original + h;
    const double below = original - h;
    const Restore restore{value[i], original};
    value[i] = above;
    const double loss_above = function(pattern_above);
    value[i] = below;
    const double loss_below = function(pattern_below);
    if (pattern_above != pattern_below) {
      ++result.skipped;
      continue;
    }
    ++result.checked;
    // h as it was added, after rounding.
    const double numeric = (loss_above - loss_below) / (above - below);
    const double analytic = gradient[i];
    const double difference = std::abs(analytic - numeric);
    scale = std::max({scale, std::abs(analytic), std::abs(numeric)});
    // A difference that is NaN is the worst there is, and stays.
    if (difference > worst || (std::isnan(difference) && !std::isnan(worst))) {
      worst = difference;
      result.worst_index = i;
      result.analytic = analytic;
      result.numeric = numeric;
    }
  }
  result.scaled_error =
      result.checked == 0 ? std::numeric_limits<double>::quiet_NaN() : worst / scale;
  return result;
}

}  // namespace

std::vector<GradientCheckResult> check_gradients(Sequential<double>& net,
                                                 TensorView<const double> x,
                                                 const CheckedLoss& loss,
                                                 const GradientCheckOptions& options) {
  if (!std::isfinite(options.h) || options.h <= 0 || options.max_elements < 0) {
    throw std::invalid_argument(
        "check_gradients: h must be positive and max_elements at least 0, "
        "got " +
        std::to_string(options.h) + " and " + std::to_string(options.max_elements));
  }
  const KeepBuffers keep(net);
  const TensorView<const double> y = net.forward(x, kPass);
  Tensor<double> input(x.shape);
  std::copy_n(x.data, x.size(), input.data());
  Tensor<double> dx(x.shape);
  Tensor<double> dy(y.shape);
  loss(y, dy.view());
  net.backward(x, dy.view(), dx.view());

  const Function function(net, input, loss);
  const Random random(options.seed, Purpose::gradient_check);
  std::uint64_t tensor = 0;
  const auto check = [&](const std::string& name, Tensor<double>& value,
                         const Tensor<double>& gradient) {
    std::vector<std::int64_t> order(static_cast<std::size_t>(value.size()));
    std::iota(order.begin(), order.end(), std::int64_t{0});
    if (options.max_elements > 0) shuffle(random, tensor, order);
    ++tensor;
    const std::int64_t most = options.max_elements > 0 ? options.max_elements : value.size();
    GradientCheckResult result = check_tensor(function, value, gradient, order, options.h, most);
    result.name = name;
    return result;
  };

  std::vector<GradientCheckResult> results{check("x", input, dx)};
  const std::vector<Parameter<double>*> parameters = net.parameters();
  const std::vector<std::string> names = net.parameter_names();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    results.push_back(check(names[i], parameters[i]->value, parameters[i]->grad));
  }
  return results;
}

}  // namespace nnkernels::nn
