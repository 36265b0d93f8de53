#include "nn/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>

#include "tests/nn/fixtures.h"

namespace nnkernels::nn {
namespace {

TEST(ConfusionMatrix, CountsRowsByTruth) {
  ConfusionMatrix matrix(3);
  EXPECT_TRUE(std::isnan(matrix.accuracy()));
  matrix.add(0, 0);
  matrix.add(2, 1);
  matrix.add(2, 1);
  matrix.add(1, 1);
  EXPECT_EQ(matrix.at(2, 1), 2);
  EXPECT_EQ(matrix.at(1, 2), 0);
  EXPECT_EQ(matrix.total(), 4);
  EXPECT_EQ(matrix.correct(), 2);
  EXPECT_EQ(matrix.accuracy(), 0.5);
  EXPECT_THROW(matrix.add(3, 0), std::invalid_argument);
  EXPECT_THROW(matrix.at(0, -1), std::invalid_argument);
  EXPECT_THROW(ConfusionMatrix(-1), std::invalid_argument);
}

TEST(PredictClasses, TakesTheFirstOfTheLargest) {
  Tensor<float> y({2, 3});
  y[1] = 5;
  y[2] = 5;
  y[3] = -1;
  y[4] = -2;
  y[5] = -3;
  std::vector<std::int32_t> predicted(2);
  predict_classes<float>(y.view(), predicted);
  EXPECT_EQ(predicted, (std::vector<std::int32_t>{1, 0}));
  predicted.resize(3);
  EXPECT_THROW(predict_classes<float>(y.view(), predicted), std::invalid_argument);
}

TEST(Evaluate, AgreesWithOneSampleAtATime) {
  const Dataset data = blobs(23, 8, 4);
  auto net = random_net<double>({8, 8, 1}, "conv 3 3x3, relu, maxpool 2, flatten, affine 4");
  const Preprocessing preprocessing{.scale = 0.01, .shift = -0.5};
  double loss = 0;
  ConfusionMatrix confusion(4);
  for (std::int64_t i = 0; i < data.n; ++i) {
    Tensor<double> x({1, 8, 8, 1});
    for (std::int64_t p = 0; p < 64; ++p) {
      x[p] = 0.01 * data.pixels[static_cast<std::size_t>(i * 64 + p)] - 0.5;
    }
    const auto y = net.forward(x.view());
    const std::vector<std::int32_t> label{data.labels[static_cast<std::size_t>(i)]};
    std::vector<std::int32_t> predicted(1);
    predict_classes(y, predicted);
    confusion.add(label[0], predicted[0]);
    loss += SoftmaxWithLoss<double>().value(y, label) / static_cast<double>(data.n);
  }
  for (const std::int64_t batch_size : {1, 5, 23, 1000}) {
    const Evaluation result = evaluate(net, data, preprocessing, batch_size);
    EXPECT_NEAR(result.loss, loss, 1e-12);
    EXPECT_EQ(result.accuracy, confusion.accuracy());
    for (std::int32_t t = 0; t < 4; ++t) {
      for (std::int32_t p = 0; p < 4; ++p) EXPECT_EQ(result.confusion.at(t, p), confusion.at(t, p));
    }
  }
}

TEST(Evaluate, RefusesWhatDoesNotFit) {
  Dataset data = blobs(10, 8, 4);
  auto net = random_net<float>({8, 8, 1}, "flatten, affine 4");
  auto more_classes = random_net<float>({8, 8, 1}, "flatten, affine 5");
  auto other_input = random_net<float>({8, 4, 2}, "flatten, affine 4");
  EXPECT_THROW(evaluate(more_classes, data, {}), std::invalid_argument);
  EXPECT_THROW(evaluate(other_input, data, {}), std::invalid_argument);
  EXPECT_THROW(evaluate(net, data, {}, 0), std::invalid_argument);
  data.labels[3] = 4;
  EXPECT_THROW(evaluate(net, data, {}), std::invalid_argument);
  data.labels.pop_back();
  EXPECT_THROW(evaluate(net, data, {}), std::invalid_argument);
  EXPECT_THROW(evaluate(net, blobs(0, 8, 4), {}), std::invalid_argument);
}

}  // namespace
}  // namespace nnkernels::nn
