#include "nn/metrics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "nn/architecture.h"
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

// A text of a few words asks for 18 GB in batches of 500.
TEST(Evaluate, TakesFewSamplesOfALargeNetworkAtATime) {
  const auto most = [](const char* text, std::int64_t batch_size) {
    return evaluated_at_once(build<float>({28, 28, 1}, text), batch_size);
  };
  EXPECT_EQ(most("conv 1 1x1 pad 1500, globalavgpool, affine 10", 500),
            kMaxEvaluated / (784 + 3028 * 3028 + 1 + 10));
  EXPECT_EQ(most("conv 29 1x1 pad 1500, globalavgpool, affine 10", 500), 1);
  EXPECT_EQ(most("conv 30 5x5, relu, maxpool 2, flatten, affine 10", 500), 500);
}

TEST(WorstMistakes, AreTheWrongSamplesOfLargestLoss) {
  const Dataset data = blobs(40, 8, 4);
  auto net = random_net<double>({8, 8, 1}, "flatten, affine 4");
  std::vector<Mistake> all;
  for (std::int64_t i = 0; i < data.n; ++i) {
    Tensor<double> x({1, 8, 8, 1});
    for (std::int64_t p = 0; p < 64; ++p) {
      x[p] = data.pixels[static_cast<std::size_t>(i * 64 + p)] / 255.0;
    }
    const auto y = net.forward(x.view());
    const std::vector<std::int32_t> label{data.labels[static_cast<std::size_t>(i)]};
    std::vector<std::int32_t> predicted(1);
    predict_classes(y, predicted);
    if (predicted[0] == label[0]) continue;
    all.push_back({i, label[0], predicted[0], SoftmaxWithLoss<double>().value(y, label), {}});
  }
  ASSERT_GT(all.size(), 5u);
  std::sort(all.begin(), all.end(),
            [](const Mistake& a, const Mistake& b) { return a.loss > b.loss; });
  for (const std::int64_t batch_size : {1, 7, 500}) {
    const std::vector<Mistake> worst = worst_mistakes(net, data, {}, 5, batch_size);
    ASSERT_EQ(worst.size(), 5u);
    for (std::size_t i = 0; i < worst.size(); ++i) {
      EXPECT_EQ(worst[i].index, all[i].index) << i;
      EXPECT_EQ(worst[i].truth, all[i].truth) << i;
      EXPECT_EQ(worst[i].predicted, all[i].predicted) << i;
      EXPECT_NEAR(worst[i].loss, all[i].loss, 1e-9) << i;
      const std::vector<double>& p = worst[i].probabilities;
      ASSERT_EQ(p.size(), 4u);
      EXPECT_NEAR(p[0] + p[1] + p[2] + p[3], 1, 1e-12);
      EXPECT_NEAR(p[static_cast<std::size_t>(worst[i].truth)], std::exp(-worst[i].loss), 1e-12);
    }
  }
  EXPECT_EQ(worst_mistakes(net, data, {}, 1000).size(), all.size());
  EXPECT_TRUE(worst_mistakes(net, data, {}, 0).empty());
}

TEST(WorstMistakes, EqualLossesComeInTheOrderOfTheData) {
  const Dataset data = blobs(30, 8, 3);
  auto net = build<float>({8, 8, 1}, "flatten, affine 3");  // zero weights: class 0 for everything
  const std::vector<Mistake> worst = worst_mistakes(net, data, {}, 8, 4);
  std::int64_t next = 0;
  for (const Mistake& each : worst) {
    while (data.labels[static_cast<std::size_t>(next)] == 0) ++next;
    EXPECT_EQ(each.index, next++);
    EXPECT_NEAR(each.loss, std::log(3.0), 1e-12);
  }
  EXPECT_EQ(worst.size(), 8u);
}

TEST(WorstMistakes, ALossThatIsNotANumberIsTheWorst) {
  const Dataset data = blobs(10, 8, 3);
  auto net = build<float>({8, 8, 1}, "flatten, affine 3");
  for (float& bias : net.parameters()[1]->value) bias = std::nanf("");
  for (const Mistake& each : worst_mistakes(net, data, {}, 3)) EXPECT_TRUE(std::isinf(each.loss));
  EXPECT_THROW(worst_mistakes(net, blobs(10, 8, 4), {}, 3), std::invalid_argument);
  EXPECT_THROW(worst_mistakes(net, data, {}, 3, 0), std::invalid_argument);
}

TEST(Evaluate, RefusesWhatDoesNotFit) {
  Dataset data = blobs(10, 8, 4);
  auto net = random_net<float>({8, 8, 1}, "flatten, affine 4");
  auto more_classes = random_net<float>({8, 8, 1}, "flatten, affine 5");
  auto other_input = random_net<float>({8, 4, 2}, "flatten, affine 4");
  EXPECT_THROW(evaluate(more_classes, data, {}), std::invalid_argument);
  EXPECT_THROW(evaluate(other_input, data, {}), std::invalid_argument);
  EXPECT_THROW(evaluate(net, data, {}, 0), std::invalid_argument);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(evaluate(net, data, {.scale = nan}), std::invalid_argument);
  EXPECT_THROW(worst_mistakes(net, data, {.scale = 1, .shift = nan}, 3), std::invalid_argument);
  data.labels[3] = 4;
  try {
    evaluate(net, data, {});
    ADD_FAILURE() << "no exception";
  } catch (const std::invalid_argument& error) {
    EXPECT_STREQ(error.what(),
                 "evaluate: sample 3 has the label 4, expected one from 0 to 3, since the data set "
                 "has 4 classes");
  }
  data.labels.pop_back();
  EXPECT_THROW(evaluate(net, data, {}), std::invalid_argument);
  EXPECT_THROW(evaluate(net, blobs(0, 8, 4), {}), std::invalid_argument);
}

}  // namespace
}  // namespace nnkernels::nn
