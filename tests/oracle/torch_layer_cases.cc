// Cases of layers, run by Sequential in training unless their name says otherwise.
#include "nn/activation_layers.h"
#include "nn/affine.h"
#include "nn/avg_pool2d.h"
#include "nn/batch_norm.h"
#include "nn/conv2d.h"
#include "nn/flatten.h"
#include "nn/global_avg_pool.h"
#include "nn/leaky_relu.h"
#include "nn/max_pool2d.h"
#include "nn/sequential.h"
#include "tests/oracle/campaign.h"
#include "tests/oracle/torch_cases.h"

namespace nnkernels::oracle {
namespace {

using nn::Sequential;
using nn::Shape;
using nn::Tensor;

enum class Passes { training, inference };

template <class T>
void fill(Tensor<T>& tensor, Values& values, double low, double high) {
  for (T& each : tensor) each = static_cast<T>(values.uniform(low, high));
}

template <class T>
void fill(Tensor<T>& tensor, Values& values, std::int64_t low, std::int64_t high) {
  for (T& each : tensor) each = static_cast<T>(values.integer(low, high));
}

/// Runs n samples between low and high, integers if these are, through the network and writes
/// everything. dy is between -1 and 1.
template <class T, class Number>
void run(Sequential<T>& net, std::int64_t n, Number low, Number high, Passes passes, Values& values,
         CaseArrays& out) {
  Tensor<T> x(net.input_shape().batch(n)), dx(net.input_shape().batch(n));
  Tensor<T> dy(net.output_shape().batch(n)), y(net.output_shape().batch(n));
  fill(x, values, low, high);
  fill(dy, values, Number{-1}, Number{1});
  for (nn::Parameter<T>* const each : net.parameters()) out.add(each->name, each->value);
  for (nn::Buffer<T>* const each : net.buffers()) out.add(each->name, each->value);
  const bool training = passes == Passes::training;
  const auto result = net.forward(x.view(), {.training = training});
  std::copy_n(result.data, result.size(), y.data());
  out.add("x", x);
  out.add("our_y", y);
  for (nn::Buffer<T>* const each : net.buffers()) out.add("our_" + each->name, each->value);
  if (!training) return;
  net.backward(x.view(), dy.view(), dx.view());
  out.add("dy", dy);
  out.add("our_dx", dx);
  for (nn::Parameter<T>* const each : net.parameters()) out.add("our_d" + each->name, each->grad);
}

Shape draw_image(Values& values) {
  return {values.integer(1, 9), values.integer(1, 9), draw_size(values, 40)};
}

template <class T>
void batch_norm(Values& values, CaseArrays& out, Passes passes) {
  const bool image = values.integer(0, 1) == 0;
  const Shape shape = image ? draw_image(values) : Shape{draw_size(values, 100)};
  const std::int64_t n = image ? values.integer(2, 5) : values.integer(2, 100);
  const double momentum = values.uniform(0, 1), epsilon = values.uniform(1e-5, 1e-2);
  Sequential<T> net(shape);
  net.template add<nn::BatchNorm<T>>(shape[-1], momentum, epsilon);
  for (nn::Parameter<T>* const each : net.parameters()) fill(each->value, values, -2.0, 2.0);
  fill(net.buffers()[0]->value, values, -2.0, 2.0);
  fill(net.buffers()[1]->value, values, 0.1, 2.0);
  out.settings({momentum, epsilon});
  const double middle = values.uniform(-3, 3), width = values.uniform(0.25, 4);
  run(net, n, middle - width, middle + width, passes, values, out);
}

template <class T>
void batch_norm_training(Values& values, CaseArrays& out) {
  batch_norm<T>(values, out, Passes::training);
}

template <class T>
void batch_norm_inference(Values& values, CaseArrays& out) {
  batch_norm<T>(values, out, Passes::inference);
}

template <class T>
void affine(Values& values, CaseArrays& out) {
  const std::int64_t in = draw_size(values, 200), to = draw_size(values, 70);
  Sequential<T> net(Shape{in});
  net.template add<nn::Affine<T>>(in, to);
  for (nn::Parameter<T>* const each : net.parameters()) fill(each->value, values, -1.0, 1.0);
  run(net, draw_size(values, 40), -1.0, 1.0, Passes::training, values, out);
}

/// An element-wise layer on numbers of every size.
template <class T, class L, class... Arguments>
void element_wise(Values& values, CaseArrays& out, Arguments... arguments) {
  Sequential<T> net(draw_image(values));
  net.template add<L>(arguments...);
  constexpr double kSizes[] = {0.01, 1, 10, 120};
  const double size = kSizes[values.integer(0, 3)];
  run(net, values.integer(1, 4), -size, size, Passes::training, values, out);
}

template <class T>
void relu(Values& values, CaseArrays& out) {
  element_wise<T, nn::ReLU<T>>(values, out);
}

template <class T>
void leaky_relu(Values& values, CaseArrays& out) {
  const double slope = values.uniform(0.001, 0.999);
  out.settings({slope});
  element_wise<T, nn::LeakyReLU<T>>(values, out, slope);
}

template <class T>
void sigmoid(Values& values, CaseArrays& out) {
  element_wise<T, nn::Sigmoid<T>>(values, out);
}

template <class T>
void tanh(Values& values, CaseArrays& out) {
  element_wise<T, nn::Tanh<T>>(values, out);
}

template <class T>
void global_average_pool(Values& values, CaseArrays& out) {
  Sequential<T> net(draw_image(values));
  net.template add<nn::GlobalAvgPool2d<T>>();
  run(net, values.integer(1, 4), -1.0, 1.0, Passes::training, values, out);
}

/// What Sequential makes one of: a convolution, ReLU and max pool in a single pass, with gradients
/// from the winners alone. On integers, ties and zeros included, that leaves no room for an error.
template <class T>
void stack(Values& values, CaseArrays& out) {
  const std::int64_t ic = values.integer(1, 12), oc = draw_size(values, 40),
                     kernel = values.integer(1, 5), pad = values.integer(0, kernel / 2),
                     classes = values.integer(1, 20);
  const auto image = [&] { return kernel + 1 + values.integer(0, 12); };
  Sequential<T> net(Shape{image(), image(), ic});
  net.template add<nn::Conv2d<T>>(nn::Conv2dOptions{
      .ic = ic, .oc = oc, .kh = kernel, .kw = kernel, .pad_h = pad, .pad_w = pad});
  net.template add<nn::ReLU<T>>();
  net.template add<nn::MaxPool2d<T>>(nn::Pool2dOptions{.kh = 2, .kw = 2});
  net.template add<nn::Flatten<T>>();
  net.template add<nn::Affine<T>>(net.output_shape().size(), classes);
  const std::vector<nn::Parameter<T>*> parameters = net.parameters();
  // Two layers have a "w".
  parameters[2]->name = "w2";
  parameters[3]->name = "b2";
  for (nn::Parameter<T>* const each : parameters) {
    fill(each->value, values, std::int64_t{-2}, std::int64_t{2});
  }
  out.settings({static_cast<double>(pad)});
  run(net, values.integer(1, 5), std::int64_t{-2}, std::int64_t{2}, Passes::training, values, out);
}

}  // namespace

std::span<const Kind> layer_kinds() {
  static constexpr Kind kKinds[] = {
      {"batch_norm_training", batch_norm_training<float>, batch_norm_training<double>},
      {"batch_norm_inference", batch_norm_inference<float>, batch_norm_inference<double>},
      {"affine", affine<float>, affine<double>},
      {"relu", relu<float>, relu<double>},
      {"leaky_relu", leaky_relu<float>, leaky_relu<double>},
      {"sigmoid", sigmoid<float>, sigmoid<double>},
      {"tanh", tanh<float>, tanh<double>},
      {"global_average_pool", global_average_pool<float>, global_average_pool<double>},
      {"stack", stack<float>, stack<double>},
  };
  return kKinds;
}

}  // namespace nnkernels::oracle
