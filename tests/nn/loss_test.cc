#include "nn/loss.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stdexcept>

#include "nn/classifier_loss.h"
#include "tests/nn/fixtures.h"

namespace nnkernels::nn {
namespace {

TEST(SoftmaxWithLoss, IsTheMeanCrossEntropy) {
  const Tensor<double> x = random_tensor<double>({7, 5}, 1);
  const auto labels = random_labels(7, 5, 2);
  double expected = 0;
  Tensor<double> gradient({7, 5});
  for (std::int64_t i = 0; i < 7; ++i) {
    double sum = 0;
    for (std::int64_t j = 0; j < 5; ++j) sum += std::exp(x[i * 5 + j]);
    const std::int64_t label = labels[static_cast<std::size_t>(i)];
    expected -= std::log(std::exp(x[i * 5 + label]) / sum) / 7;
    for (std::int64_t j = 0; j < 5; ++j) {
      gradient[i * 5 + j] = (std::exp(x[i * 5 + j]) / sum - (j == label ? 1 : 0)) / 7;
    }
  }
  SoftmaxWithLoss<double> loss;
  Tensor<double> dx({7, 5});
  EXPECT_NEAR(loss.value(x.view(), labels), expected, 1e-14);
  EXPECT_EQ(loss.value(x.view(), labels), loss.value_and_gradient(x.view(), labels, dx.view()));
  EXPECT_EQ(loss.value(x.view(), labels), loss.value_and_gradient(x.view(), labels, {}));
  for (std::int64_t i = 0; i < dx.size(); ++i) EXPECT_NEAR(dx[i], gradient[i], 1e-15);
}

/// -sum of t log softmax(x), and its derivative by x, in the plainest form.
double cross_entropy(const Tensor<double>& x, const Tensor<double>& t, Tensor<double>& gradient) {
  const std::int64_t n = x.shape()[0], classes = x.shape()[1];
  double loss = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    double sum = 0;
    for (std::int64_t j = 0; j < classes; ++j) sum += std::exp(x[i * classes + j]);
    for (std::int64_t j = i * classes; j < (i + 1) * classes; ++j) {
      loss -= t[j] * std::log(std::exp(x[j]) / sum) / static_cast<double>(n);
      gradient[j] = (std::exp(x[j]) / sum - t[j]) / static_cast<double>(n);
    }
  }
  return loss;
}

TEST(SoftmaxWithLoss, SmoothsLabelsAndTakesProbabilities) {
  Tensor<double> x = random_tensor<double>({7, 5}, 1);
  const auto labels = random_labels(7, 5, 2);
  Tensor<double> t({7, 5}), expected({7, 5}), dx({7, 5});
  for (std::int64_t i = 0; i < 35; ++i) {
    t[i] = 0.25 / 5 + (labels[static_cast<std::size_t>(i / 5)] == i % 5 ? 0.75 : 0);
  }
  const double value = cross_entropy(x, t, expected);
  SoftmaxWithLoss<double> smoothed(0.25), plain;
  EXPECT_NEAR(smoothed.value(x.view(), labels), value, 1e-14);
  EXPECT_NEAR(smoothed.value_and_gradient(x.view(), labels, dx.view()), value, 1e-14);
  for (std::int64_t i = 0; i < 35; ++i) EXPECT_NEAR(dx[i], expected[i], 1e-15);
  EXPECT_NEAR(plain.value(x.view(), t.view()), value, 1e-14);
  EXPECT_NEAR(plain.value_and_gradient(x.view(), t.view(), dx.view()), value, 1e-14);
  for (std::int64_t i = 0; i < 35; ++i) EXPECT_NEAR(dx[i], expected[i], 1e-15);
  // One-hot targets are labels.
  for (std::int64_t i = 0; i < 35; ++i) {
    t[i] = labels[static_cast<std::size_t>(i / 5)] == i % 5 ? 1 : 0;
  }
  EXPECT_NEAR(plain.value(x.view(), t.view()), plain.value(x.view(), labels), 1e-14);
  // dx may be x.
  const double in_place = smoothed.value_and_gradient(x.view(), labels, x.view());
  EXPECT_NEAR(in_place, value, 1e-14);
  for (std::int64_t i = 0; i < 35; ++i) EXPECT_NEAR(x[i], expected[i], 1e-15);
  // A probability that has underflowed costs nothing where the target is 0.
  x[0] = 2000;
  Tensor<double> first({7, 5});
  for (std::int64_t i = 0; i < 7; ++i) first[i * 5] = 1;
  EXPECT_TRUE(std::isfinite(plain.value(x.view(), first.view())));
}

TEST(SoftmaxWithLoss, RefusesASmoothingThatIsNone) {
  EXPECT_THROW(SoftmaxWithLoss<float>(-0.1), std::invalid_argument);
  EXPECT_THROW(SoftmaxWithLoss<float>(1.0), std::invalid_argument);
}

TEST(SigmoidWithLoss, IsTheBinaryCrossEntropy) {
  Tensor<double> x = random_tensor<double>({6, 4}, 1);
  const auto labels = random_labels(6, 4, 2);
  Tensor<double> t({6, 4}), dx({6, 4});
  double expected = 0;
  for (std::int64_t i = 0; i < 24; ++i) {
    t[i] = labels[static_cast<std::size_t>(i / 4)] == i % 4 ? 0.875 : 0.25;
    const double p = 1 / (1 + std::exp(-x[i]));
    expected -= (t[i] * std::log(p) + (1 - t[i]) * std::log(1 - p)) / 6;
  }
  const SigmoidWithLoss<double> loss;
  EXPECT_NEAR(loss.value(x.view(), t.view()), expected, 1e-14);
  EXPECT_NEAR(loss.value_and_gradient(x.view(), labels, {0.25, 0.875}, dx.view()), expected, 1e-14);
  for (std::int64_t i = 0; i < 24; ++i) {
    EXPECT_NEAR(dx[i], (1 / (1 + std::exp(-x[i])) - t[i]) / 6, 1e-15);
  }
  // Where exp(-x) overflows.
  x[0] = -1000;
  x[1] = 1000;
  EXPECT_TRUE(std::isfinite(loss.value_and_gradient(x.view(), t.view(), dx.view())));
  EXPECT_EQ(dx[0], -t[0] / 6);
  EXPECT_EQ(dx[1], (1 - t[1]) / 6);
}

TEST(SigmoidWithLoss, RefusesWhatDoesNotFit) {
  const SigmoidWithLoss<float> loss;
  const Tensor<float> x({2, 3});
  const std::vector<std::int32_t> bad{0, 3};
  EXPECT_THROW(loss.value(x.view(), Tensor<float>({3, 2}).view()), std::invalid_argument);
  EXPECT_THROW(loss.value(x.view(), bad, {}), std::invalid_argument);
  EXPECT_THROW(loss.value(x.view(), std::span(bad).first(1), {}), std::invalid_argument);
}

TEST(MeanSquaredError, TakesLabels) {
  const Tensor<double> x = random_tensor<double>({6, 4}, 1);
  const auto labels = random_labels(6, 4, 2);
  Tensor<double> t({6, 4}), dx({6, 4}), expected({6, 4});
  for (std::int64_t i = 0; i < 24; ++i) {
    t[i] = labels[static_cast<std::size_t>(i / 4)] == i % 4 ? 0.99 : 0.01;
  }
  const MeanSquaredError<double> loss;
  EXPECT_EQ(loss.value_and_gradient(x.view(), labels, {0.01, 0.99}, dx.view()),
            loss.value_and_gradient(x.view(), t.view(), expected.view()));
  EXPECT_TRUE(same_bits<double>(dx.view(), expected.view()));
  EXPECT_THROW(loss.value(x.view(), std::span(labels).first(5), {}), std::invalid_argument);
}

TEST(ClassifierLoss, IsTheOneThatWasChosen) {
  const Tensor<double> x = random_tensor<double>({6, 4}, 1);
  const auto labels = random_labels(6, 4, 2);
  const ClassTargets targets{0.125, 0.75};
  ClassifierLoss<double> softmax({.label_smoothing = 0.25});
  ClassifierLoss<double> squared({.kind = loss_from_name("squared"), .targets = targets});
  ClassifierLoss<double> sigmoid({.kind = loss_from_name("sigmoid"), .targets = targets});
  EXPECT_EQ(softmax.value(x.view(), labels), SoftmaxWithLoss<double>(0.25).value(x.view(), labels));
  EXPECT_EQ(squared.value(x.view(), labels),
            MeanSquaredError<double>().value(x.view(), labels, targets));
  EXPECT_EQ(sigmoid.value(x.view(), labels),
            SigmoidWithLoss<double>().value(x.view(), labels, targets));
  for (ClassifierLoss<double>* loss : {&softmax, &squared, &sigmoid}) {
    const CheckedLoss checked = [&](TensorView<const double> y, TensorView<double> dy) {
      return dy.empty() ? loss->value(y, labels) : loss->value_and_gradient(y, labels, dy);
    };
    auto net = random_net<double>({4}, "affine 4");
    for (const GradientCheckResult& result : check_gradients(net, x.view(), checked)) {
      EXPECT_LE(result.scaled_error, 1e-7) << result.name;
    }
  }
}

TEST(ClassifierLoss, RefusesBadSettings) {
  EXPECT_THROW(ClassifierLoss<float>({.label_smoothing = 1}), std::invalid_argument);
  EXPECT_THROW(ClassifierLoss<float>({.kind = LossKind::squared, .label_smoothing = 0.1}),
               std::invalid_argument);
  EXPECT_THROW(ClassifierLoss<float>({.kind = LossKind::squared, .targets = {1, 0}}),
               std::invalid_argument);
  EXPECT_THROW(ClassifierLoss<float>({.kind = LossKind::sigmoid, .targets = {-1, 1}}),
               std::invalid_argument);
  EXPECT_NO_THROW(ClassifierLoss<float>({.kind = LossKind::squared, .targets = {-1, 1}}));
  EXPECT_THROW(loss_from_name("hinge"), std::invalid_argument);
  for (const std::string& name : loss_names()) EXPECT_NO_THROW(loss_from_name(name));
}

TEST(SoftmaxWithLoss, RefusesWhatDoesNotFit) {
  SoftmaxWithLoss<float> loss;
  const Tensor<float> x({2, 3});
  Tensor<float> dx({3, 2});
  const std::vector<std::int32_t> labels{0, 2};
  EXPECT_THROW(loss.value_and_gradient(x.view(), labels, dx.view()), std::invalid_argument);
  EXPECT_THROW(loss.value(x.view(), std::vector<std::int32_t>{0, 1, 2}), std::invalid_argument);
  EXPECT_THROW(loss.value(x.view(), std::vector<std::int32_t>{0, 3}), std::invalid_argument);
  EXPECT_THROW(loss.value(x.view(), std::vector<std::int32_t>{-1, 0}), std::invalid_argument);
  EXPECT_TRUE(
      std::isnan(loss.value(Tensor<float>({0, 3}).view(), std::span<const std::int32_t>())));
}

TEST(MeanSquaredError, IsHalfTheSquaredDistanceASample) {
  Tensor<float> x({2, 2});
  Tensor<float> target({2, 2});
  x[0] = 3;
  x[3] = -1;
  target[3] = 1;
  Tensor<float> dx({2, 2});
  const MeanSquaredError<float> loss;
  EXPECT_EQ(loss.value(x.view(), target.view()), (9.0 + 4.0) / 4);
  EXPECT_EQ(loss.value_and_gradient(x.view(), target.view(), dx.view()), (9.0 + 4.0) / 4);
  EXPECT_EQ(dx[0], 1.5F);
  EXPECT_EQ(dx[1], 0.0F);
  EXPECT_EQ(dx[3], -1.0F);
  loss.value_and_gradient(x.view(), target.view(), x.view());
  EXPECT_TRUE(same_bits<float>(x.view(), dx.view()));
}

TEST(MeanSquaredError, RefusesWhatDoesNotFit) {
  const MeanSquaredError<float> loss;
  const Tensor<float> x({2, 2});
  Tensor<float> dx({4});
  EXPECT_THROW(loss.value(x.view(), Tensor<float>({2, 3}).view()), std::invalid_argument);
  EXPECT_THROW(loss.value_and_gradient(x.view(), x.view(), dx.view()), std::invalid_argument);
  EXPECT_THROW(loss.value({x.data(), Shape()}, {x.data(), Shape()}), std::invalid_argument);
}

TEST(ClassProbabilities, AreThoseOfTheLoss) {
  std::vector<double> y = {-0.5, 0.25, 1.75};
  const TensorView<double> view{y.data(), {3}};
  EXPECT_EQ(class_probabilities(view, LossKind::squared), (std::vector<double>{0, 0.25, 1}));
  const std::vector<double> sigmoid = class_probabilities(view, LossKind::sigmoid);
  const std::vector<double> softmax = class_probabilities(view, LossKind::softmax);
  const double sum = std::exp(-0.5) + std::exp(0.25) + std::exp(1.75);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(sigmoid[i], 1 / (1 + std::exp(-y[i])), 1e-15);
    EXPECT_NEAR(softmax[i], std::exp(y[i]) / sum, 1e-15);
  }
}

}  // namespace
}  // namespace nnkernels::nn
