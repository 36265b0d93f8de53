#include "nn/sequential.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <stdexcept>

#include "nn/activation_layers.h"
#include "nn/affine.h"
#include "nn/avg_pool2d.h"
#include "nn/conv2d.h"
#include "nn/flatten.h"
#include "nn/max_pool2d.h"
#include "tests/nn/fixtures.h"
#include "tests/support/each_simd.h"

namespace nnkernels::nn {
namespace {

const char* const kDeepText =
    "conv 6 3x3 pad 1, tanh, sigmoid, conv 5 3x3, relu, maxpool 2, tanh, flatten, affine 20, relu, "
    "sigmoid, affine 10";

/// The same layers with the same parameters, each given the whole batch and memory of its own.
template <class T>
struct LayerByLayer {
  std::vector<Tensor<T>> y;
  std::vector<Tensor<T>> grads;
  Tensor<T> dx;

  LayerByLayer(Sequential<T>& net, const Tensor<T>& x, const Tensor<T>& dy) {
    const std::int64_t n = x.shape()[0];
    std::vector<std::unique_ptr<Sequential<T>>> single;
    const auto names = split(architecture_of(net));
    std::size_t parameter = 0;
    for (std::int64_t i = 0; i < net.layer_count(); ++i) {
      // Built alone, no layer has an activation fused into it.
      single.push_back(std::make_unique<Sequential<T>>(
          build<T>(net.shape_before(i), names[static_cast<std::size_t>(i)])));
      for (Parameter<T>* p : single.back()->parameters()) {
        p->value = net.parameters()[parameter++]->value.clone();
      }
      Layer<T>& layer = single.back()->layer(0);
      layer.plan(net.shape_before(i), n);
      y.emplace_back(net.shape_before(i + 1).batch(n));
      layer.forward(i == 0 ? x.view() : std::as_const(y[y.size() - 2]).view(), y.back().view(), 0);
    }
    Tensor<T> gradient = dy.clone();
    std::vector<Tensor<T>> reversed;
    for (std::size_t i = single.size(); i-- > 0;) {
      Layer<T>& layer = single[i]->layer(0);
      dx = Tensor<T>(layer_input(net, i, n));
      std::vector<TensorView<T>> views;
      for (Parameter<T>& p : layer.parameters()) views.push_back(p.grad.view());
      Gradients<T> results{std::span<const TensorView<T>>(views)};
      layer.backward(i == 0 ? x.view() : std::as_const(y[i - 1]).view(), std::as_const(y[i]).view(),
                     std::as_const(gradient).view(), dx.view(), results, 0);
      gradient = dx.clone();
    }
    for (const auto& net_of_one : single) {
      for (Parameter<T>* p : net_of_one->parameters()) grads.push_back(p->grad.clone());
    }
  }

  static Shape layer_input(const Sequential<T>& net, std::size_t i, std::int64_t n) {
    return net.shape_before(static_cast<std::int64_t>(i)).batch(n);
  }
  static std::vector<std::string> split(const std::string& text) {
    std::vector<std::string> parts{""};
    for (const char c : text) {
      if (c == ',') {
        parts.emplace_back();
      } else {
        parts.back() += c;
      }
    }
    return parts;
  }
};

template <class T>
double scaled_difference(TensorView<const T> a, TensorView<const T> b) {
  double difference = 0;
  double scale = 1e-30;
  for (std::int64_t i = 0; i < a.size(); ++i) {
    difference = std::max(difference, std::abs(static_cast<double>(a.data[i] - b.data[i])));
    scale = std::max(scale, std::abs(static_cast<double>(b.data[i])));
  }
  return difference / scale;
}

class Fusion : public testing::TestWithParam<const char*> {};

// Each way in which a layer does the work of its neighbours, and where none can.
INSTANTIATE_TEST_SUITE_P(
    Networks, Fusion,
    testing::Values(
        kDeepText, "conv 6 3x3, relu, maxpool 2, flatten, affine 100, relu, affine 10",
        "conv 6 3x3, maxpool 2, relu, flatten, affine 10",
        "conv 6 3x3, sigmoid, maxpool 3, flatten, affine 10",
        "conv 6 3x3, tanh, avgpool 2, flatten, affine 10, sigmoid",
        "conv 6 3x3, relu, maxpool 2, maxpool 2, conv 4 2x2, tanh, maxpool 2, flatten, affine 4",
        "conv 20 3x3, relu, conv 6 3x3 stride 2, relu, maxpool 2",
        "conv 6 3x3, maxpool 2, relu, tanh", "conv 6 3x3, relu, maxpool 3 stride 2",
        "maxpool 2, relu, maxpool 2, flatten, relu, affine 5", "conv 6 3x3, relu, relu, maxpool 2",
        "conv 6 3x3, flatten, sigmoid, affine 130, sigmoid, affine 600, tanh, affine 3"));

TEST_P(Fusion, GivesWhatTheLayersGiveOneByOne) {
  auto net = random_net<double>({14, 14, 3}, GetParam());
  for (const std::int64_t n : {1, 2, 7, 64, 150}) {
    const auto x = random_tensor<double>(net.input_shape().batch(n), 1);
    const auto dy = random_tensor<double>(net.output_shape().batch(n), 2);
    const LayerByLayer<double> expected(net, x, dy);
    Tensor<double> dx(x.shape());
    const auto y = net.forward(x.view());
    EXPECT_LE(scaled_difference(y, std::as_const(expected.y.back()).view()), 1e-14) << n;
    net.backward(x.view(), dy.view(), dx.view());
    EXPECT_LE(scaled_difference<double>(dx.view(), expected.dx.view()), 1e-13) << n;
    for (std::size_t i = 0; i < expected.grads.size(); ++i) {
      EXPECT_LE(
          scaled_difference<double>(net.parameters()[i]->grad.view(), expected.grads[i].view()),
          1e-13)
          << n << " " << net.parameter_names()[i];
    }
  }
}

TEST(Sequential, FloatFollowsDouble) {
  auto net = random_net<float>({14, 14, 3}, kDeepText);
  auto exact = random_net<double>({14, 14, 3}, kDeepText);
  for (std::size_t i = 0; i < net.parameters().size(); ++i) {
    const Tensor<float>& value = net.parameters()[i]->value;
    for (std::int64_t k = 0; k < value.size(); ++k) {
      exact.parameters()[i]->value[k] = static_cast<double>(value[k]);
    }
  }
  constexpr std::int64_t kN = 20;
  const auto x = random_tensor<float>(net.input_shape().batch(kN), 1);
  const auto dy = random_tensor<float>(net.output_shape().batch(kN), 2);
  Tensor<double> exact_x(x.shape());
  Tensor<double> exact_dy(dy.shape());
  std::copy(x.begin(), x.end(), exact_x.begin());
  std::copy(dy.begin(), dy.end(), exact_dy.begin());
  Tensor<float> dx(x.shape());
  Tensor<double> exact_dx(x.shape());
  net.forward(x.view());
  net.backward(x.view(), dy.view(), dx.view());
  exact.forward(exact_x.view());
  exact.backward(exact_x.view(), exact_dy.view(), exact_dx.view());
  for (std::size_t i = 0; i < net.parameters().size(); ++i) {
    const Tensor<float>& grad = net.parameters()[i]->grad;
    const Tensor<double>& wanted = exact.parameters()[i]->grad;
    double difference = 0;
    double scale = 0;
    for (std::int64_t k = 0; k < grad.size(); ++k) {
      difference = std::max(difference, std::abs(static_cast<double>(grad[k]) - wanted[k]));
      scale = std::max(scale, std::abs(wanted[k]));
    }
    EXPECT_LE(difference / scale, 2e-5) << net.parameter_names()[i];
  }
}

TEST(Sequential, AnyBatchSizeAfterAnyOther) {
  auto net = random_net<float>({14, 14, 3}, kDeepText);
  auto fresh_gradients = [](std::int64_t n) {
    auto fresh = random_net<float>({14, 14, 3}, kDeepText);
    const auto x = random_tensor<float>(fresh.input_shape().batch(n), 1);
    const auto dy = random_tensor<float>(fresh.output_shape().batch(n), 2);
    fresh.forward(x.view());
    fresh.backward(x.view(), dy.view());
    return fresh.parameters()[0]->grad.clone();
  };
  for (const std::int64_t n : {8, 200, 8, 31, 0, 1}) {
    const auto x = random_tensor<float>(net.input_shape().batch(n), 1);
    const auto dy = random_tensor<float>(net.output_shape().batch(n), 2);
    EXPECT_EQ(net.forward(x.view()).shape, (Shape{n, 10}));
    net.backward(x.view(), dy.view());
    EXPECT_TRUE(same_bits<float>(net.parameters()[0]->grad.view(), fresh_gradients(n).view())) << n;
  }
}

TEST(Sequential, GradientsAreOverwrittenAndTheInputIsLeftAlone) {
  auto net = random_net<float>({8}, "relu, affine 5, sigmoid, relu");
  const auto x = random_tensor<float>({3, 8}, 1);
  const auto before = x.clone();
  const auto dy = random_tensor<float>({3, 5}, 2);
  const auto dy_before = dy.clone();
  net.forward(x.view());
  net.backward(x.view(), dy.view());
  const auto grad = net.parameters()[0]->grad.clone();
  net.backward(x.view(), dy.view());
  EXPECT_TRUE(same_bits<float>(grad.view(), net.parameters()[0]->grad.view()));
  EXPECT_TRUE(same_bits<float>(before.view(), x.view()));
  EXPECT_TRUE(same_bits<float>(dy_before.view(), dy.view()));
}

TEST(Sequential, WorksWithoutLayersOrWithFlattenOnly) {
  for (const bool flatten : {false, true}) {
    Sequential<float> net({2, 3});
    if (flatten) net.add<Flatten<float>>();
    const auto x = random_tensor<float>({4, 2, 3}, 1);
    const auto y = net.forward(x.view());
    EXPECT_EQ(y.data, x.data());
    EXPECT_EQ(y.shape, (flatten ? Shape{4, 6} : Shape{4, 2, 3}));
    const auto dy = random_tensor<float>(y.shape, 2);
    Tensor<float> dx(x.shape());
    net.backward(x.view(), dy.view(), dx.view());
    EXPECT_TRUE(same_bits<float>({dx.data(), dy.shape()}, dy.view()));
  }
}

TEST(Sequential, ShowsTheOutputOfItsLayers) {
  auto net = random_net<double>({6}, "affine 5, relu, affine 4, sigmoid, tanh");
  const auto x = random_tensor<double>({3, 6}, 1);
  const auto y = net.forward(x.view());
  EXPECT_EQ(net.output(0).data, net.output(1).data);
  EXPECT_EQ(net.output(4).data, y.data);
  EXPECT_EQ(net.output(2).shape, (Shape{3, 4}));
  EXPECT_NE(net.output(3).data, y.data);
  EXPECT_THROW(net.output(5), std::invalid_argument);
  // A max pool's output is not kept when the activation after it works in place.
  auto pool = random_net<double>({4, 4, 1}, "maxpool 2, sigmoid");
  EXPECT_THROW(pool.output(0), std::invalid_argument);
  pool.forward(random_tensor<double>({1, 4, 4, 1}, 1).view());
  EXPECT_TRUE(pool.output(0).empty());
  EXPECT_FALSE(pool.output(1).empty());
}

TEST(Sequential, HasNoOutputOfALayerThatNeverStoresIt) {
  auto net = random_net<double>({6, 6, 1}, "conv 2 3x3, relu, maxpool 2, flatten, affine 3");
  net.forward(random_tensor<double>({2, 6, 6, 1}, 1).view());
  EXPECT_TRUE(net.output(0).empty());
  EXPECT_TRUE(net.output(1).empty());
  EXPECT_EQ(net.output(2).shape, (Shape{2, 2, 2, 2}));
  EXPECT_EQ(net.output(3).shape, (Shape{2, 8}));
  EXPECT_EQ(net.output(3).data, net.output(2).data);
}

TEST(Sequential, RefusesWhatDoesNotFit) {
  auto net = random_net<float>({8}, "affine 5");
  const Tensor<float> x({3, 8});
  const Tensor<float> dy({3, 5});
  Tensor<float> dx({3, 8});
  Tensor<float> wrong({2, 8});
  EXPECT_THROW(net.backward(x.view(), dy.view()), std::invalid_argument);  // no forward() yet
  EXPECT_THROW(net.forward(Tensor<float>({3, 7}).view()), std::invalid_argument);
  EXPECT_THROW(net.forward({x.data(), Shape()}), std::invalid_argument);
  net.forward(x.view());
  EXPECT_THROW(net.backward(std::as_const(wrong).view(), dy.view()), std::invalid_argument);
  EXPECT_THROW(net.backward(x.view(), x.view()), std::invalid_argument);
  EXPECT_THROW(net.backward(x.view(), dy.view(), wrong.view()), std::invalid_argument);
  EXPECT_NO_THROW(net.backward(x.view(), dy.view(), dx.view()));
  EXPECT_THROW(net.backward({nullptr, x.shape()}, dy.view()), std::invalid_argument);
  EXPECT_THROW(net.backward(x.view(), {nullptr, dy.shape()}), std::invalid_argument);
  EXPECT_THROW(net.forward({nullptr, x.shape()}), std::invalid_argument);
  EXPECT_NO_THROW(net.forward({nullptr, Shape{0, 8}}));
  EXPECT_THROW(net.add(nullptr), std::invalid_argument);
  EXPECT_THROW(net.add<Affine<float>>(4, 4), std::invalid_argument);
  EXPECT_EQ(net.layer_count(), 1);
  EXPECT_THROW(net.plan(-1), std::invalid_argument);
  EXPECT_THROW(net.plan(std::int64_t{1} << 62), std::invalid_argument);
  EXPECT_NO_THROW(net.forward(x.view())) << "a plan that was refused changes nothing";
  EXPECT_THROW(net.layer(1), std::invalid_argument);
  EXPECT_THROW(net.shape_before(2), std::invalid_argument);
  EXPECT_THROW(Affine<float>(0, 3), std::invalid_argument);
  EXPECT_THROW(Conv2d<float>(Conv2dOptions{.ic = 1, .oc = 1, .kh = 0}), std::invalid_argument);
  EXPECT_THROW(Conv2d<float>(Conv2dOptions{.pad_w = -1}), std::invalid_argument);
  EXPECT_THROW(MaxPool2d<float>(Pool2dOptions{.kh = 1 << 20, .kw = 1 << 20}),
               std::invalid_argument);
  EXPECT_THROW(MaxPool2d<float>(Pool2dOptions{.kh = 2, .kw = 2, .pad_h = 2}),
               std::invalid_argument);
}

TEST(Sequential, GrowsAfterAPass) {
  const auto whole = random_net<float>({4}, "affine 5, tanh, affine 3");
  auto net = build<float>({4}, "affine 5");
  const auto x = random_tensor<float>({6, 4}, 1);
  net.forward(x.view());
  net.add<Tanh<float>>();
  net.forward(x.view());
  net.add<Affine<float>>(5, 3);
  for (std::size_t i = 0; i < net.parameters().size(); ++i) {
    net.parameters()[i]->value = whole.parameters()[i]->value.clone();
  }
  auto other = random_net<float>({4}, "affine 5, tanh, affine 3");
  EXPECT_TRUE(same_bits<float>(net.forward(x.view()), other.forward(x.view())));
  const auto dy = random_tensor<float>({6, 3}, 2);
  Tensor<float> dx({6, 4}), other_dx({6, 4});
  net.backward(x.view(), dy.view(), dx.view());
  other.backward(x.view(), dy.view(), other_dx.view());
  EXPECT_TRUE(same_bits<float>(dx.view(), other_dx.view()));
}

TEST(Layers, SayWhichOptionsTheyRefuse) {
  const auto message = [](const auto& make) -> std::string {
    try {
      make();
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "nothing thrown";
  };
  const Conv2dOptions conv{.ic = 2,
                           .oc = 3,
                           .kh = 4,
                           .kw = 5,
                           .stride_h = 6,
                           .stride_w = 7,
                           .pad_h = 8,
                           .pad_w = -1,
                           .dilation_h = 10,
                           .dilation_w = 11,
                           .groups = 12};
  EXPECT_EQ(message([&] { Conv2d<float>{conv}; }),
            "Conv2d: sizes, strides, dilations and groups must be at least 1 and pads at least 0, "
            "got ic 2, oc 3, kernel 4x5, stride 6x7, pad 8x-1, dilation 10x11, groups 12");
  EXPECT_EQ(message([] { Conv2d<float>(Conv2dOptions{.ic = 4, .oc = 3, .groups = 2}); }),
            "Conv2d: groups must divide the channels, got ic 4, oc 3, groups 2");
  EXPECT_EQ(message([] { Conv2d<float>(Conv2dOptions{.ic = 3, .oc = 4, .groups = 2}); }),
            "Conv2d: groups must divide the channels, got ic 3, oc 4, groups 2");
  const Pool2dOptions pool{.kh = 4, .kw = 5, .stride_h = 6, .stride_w = 7, .pad_h = 1, .pad_w = 3};
  EXPECT_EQ(message([&] { AvgPool2d<float>{pool}; }),
            "AvgPool2d: kernel sizes must be at least 1, strides at least 0 and pads between 0 and "
            "half the kernel, got kernel 4x5, stride 6x7, pad 1x3");
}

/// y[i] = x[i] * s[i] + (the mean over the batch of x): not sample by sample, and with a parameter.
class ScaleAndMean : public Layer<double> {
 public:
  explicit ScaleAndMean(std::int64_t size) {
    parameters_.push_back({"s", Tensor<double>({size}), Tensor<double>({size}), size, 1});
  }
  std::string type() const override { return "ScaleAndMean"; }
  Shape output_shape(const Shape& x) const override { return x; }
  std::span<Parameter<double>> parameters() override { return parameters_; }
  void forward(TensorView<const double> x, TensorView<double> y, std::int64_t) override {
    const std::int64_t n = x.shape[0];
    const std::int64_t size = x.size() / n;
    for (std::int64_t j = 0; j < size; ++j) {
      double mean = 0;
      for (std::int64_t i = 0; i < n; ++i) mean += x.data[i * size + j] / static_cast<double>(n);
      for (std::int64_t i = 0; i < n; ++i) {
        y.data[i * size + j] = x.data[i * size + j] * parameters_[0].value[j] + mean;
      }
    }
  }
  void backward(TensorView<const double> x, TensorView<const double>, TensorView<const double> dy,
                TensorView<double> dx, Gradients<double>& grads, std::int64_t) override {
    const std::int64_t n = x.shape[0];
    const std::int64_t size = x.size() / n;
    for (std::int64_t j = 0; j < size; ++j) {
      double mean = 0;
      grads[0].data[j] = 0;
      for (std::int64_t i = 0; i < n; ++i) {
        mean += dy.data[i * size + j] / static_cast<double>(n);
        grads[0].data[j] += dy.data[i * size + j] * x.data[i * size + j];
      }
      for (std::int64_t i = 0; !dx.empty() && i < n; ++i) {
        dx.data[i * size + j] = dy.data[i * size + j] * parameters_[0].value[j] + mean;
      }
    }
  }

 private:
  std::vector<Parameter<double>> parameters_;
};

TEST(Sequential, TakesLayersThatItDoesNotKnow) {
  Sequential<double> net({6, 6, 1});
  net.add<Conv2d<double>>(Conv2dOptions{.ic = 1, .oc = 3, .kh = 3, .kw = 3});
  net.add<ScaleAndMean>(48);
  net.add<Sigmoid<double>>();
  net.add<Conv2d<double>>(Conv2dOptions{.ic = 3, .oc = 2, .kh = 2, .kw = 2});
  net.add<Flatten<double>>();
  net.add<ScaleAndMean>(18);
  initialize(net, Initialization::he, 1);
  const auto x = random_tensor<double>({70, 6, 6, 1}, 1);
  for (const auto& result : check_gradients(net, x.view(), linear_loss(), {.max_elements = 50})) {
    EXPECT_LE(result.scaled_error, 1e-7) << result.name;
  }
}

/// Counts how often it is given each element; also as outer products, if it takes these.
class CountingUpdater : public Updater<double> {
 public:
  CountingUpdater(const Sequential<double>& net, bool takes_outer) : takes_outer_(takes_outer) {
    for (const Parameter<double>* p : net.parameters()) {
      counts.emplace_back(static_cast<std::size_t>(p->value.size()));
    }
  }
  void update(std::int64_t index, std::int64_t first, std::int64_t count) override {
    for (std::int64_t i = first; i < first + count; ++i) {
      ++counts.at(static_cast<std::size_t>(index)).at(static_cast<std::size_t>(i));
    }
  }
  bool update_outer(std::int64_t index, std::int64_t first, std::span<const double> x,
                    std::span<const double> y) override {
    if (takes_outer_) update(index, first, static_cast<std::int64_t>(x.size() * y.size()));
    return takes_outer_;
  }
  std::vector<std::vector<int>> counts;

 private:
  bool takes_outer_;
};

TEST(Sequential, GivesEachElementToTheUpdaterOnce) {
  const ForceThreads force(3);
  Sequential<double> net({14, 14, 1});
  net.add<Conv2d<double>>(Conv2dOptions{.ic = 1, .oc = 6, .kh = 3, .kw = 3});
  net.add<Flatten<double>>();
  net.add<ScaleAndMean>(864);
  net.add<Affine<double>>(864, 7);
  net.add<ReLU<double>>();
  net.add<Affine<double>>(7, 3);
  initialize(net, Initialization::he, 1);
  for (const std::int64_t n : {0, 1, 40}) {
    const auto x = random_tensor<double>({n, 14, 14, 1}, 1);
    const auto dy = random_tensor<double>({n, 3}, 2);
    for (const bool takes_outer : {false, true}) {
      CountingUpdater updater(net, takes_outer);
      net.forward(x.view());
      net.backward(x.view(), dy.view(), {}, &updater);
      for (const std::vector<int>& counts : updater.counts) {
        EXPECT_EQ(counts, std::vector<int>(counts.size(), 1)) << n;
      }
    }
  }
}

class ThreadCounts : public EachSimd {};
NNKERNELS_EACH_SIMD(ThreadCounts);

TEST_P(ThreadCounts, DoNotChangeABit) {
  constexpr std::int64_t kN = 50;
  std::vector<Tensor<float>> expected;
  for (const int count : {1, 2, 3, 8}) {
    const ForceThreads force(count);
    auto net = random_net<float>({14, 14, 3}, kDeepText);
    const auto x = random_tensor<float>(net.input_shape().batch(kN), 1);
    const auto dy = random_tensor<float>(net.output_shape().batch(kN), 2);
    Tensor<float> dx(x.shape());
    net.forward(x.view());
    net.backward(x.view(), dy.view(), dx.view());
    std::vector<Tensor<float>> results;
    results.push_back(std::move(dx));
    for (Parameter<float>* p : net.parameters()) results.push_back(p->grad.clone());
    if (expected.empty()) expected = std::move(results);
    for (std::size_t i = 0; i < results.size(); ++i) {
      EXPECT_TRUE(same_bits<float>(results[i].view(), expected[i].view())) << count << " " << i;
    }
  }
}

TEST(Sequential, FollowsAChangeOfThreadsBetweenForwardAndBackward) {
  auto net = random_net<float>({14, 14, 3}, kDeepText);
  const auto x = random_tensor<float>(net.input_shape().batch(40), 1);
  const auto dy = random_tensor<float>(net.output_shape().batch(40), 2);
  net.forward(x.view());
  net.backward(x.view(), dy.view());
  const auto expected = net.parameters()[0]->grad.clone();
  net.forward(x.view());
  const ForceThreads force(7);
  net.backward(x.view(), dy.view());
  EXPECT_TRUE(same_bits<float>(net.parameters()[0]->grad.view(), expected.view()));
}

}  // namespace
}  // namespace nnkernels::nn
