#include "nn/trainer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/loop_record.h"
#include "kernels/parallel.h"
#include "nn/metrics.h"
#include "nn/update_rules.h"
#include "tests/nn/fixtures.h"
#include "tests/support/each_simd.h"

namespace nnkernels::nn {
namespace {

const char* const kSmallCnn = "conv 4 3x3, relu, maxpool 2, flatten, affine 12, relu, affine 4";

TEST(Trainer, LearnsToTellBlobsApart) {
  const Dataset data = blobs(303, 10, 4);
  const Dataset unseen = blobs(100, 10, 4, 99);
  auto net = build<float>({10, 10, 1}, kSmallCnn);
  initialize(net, Initialization::he, 1);
  const auto adam = make_optimizer<float>("adam", 0.01);
  Trainer<float> trainer(net, *adam, data, {.epochs = 6, .batch_size = 20});
  std::vector<EpochResult> epochs;
  trainer.on_epoch = [&](const EpochResult& result) {
    epochs.push_back(result);
    return true;
  };
  EXPECT_TRUE(trainer.run());
  ASSERT_EQ(epochs.size(), 6U);
  EXPECT_EQ(epochs[5].epoch, 6);
  EXPECT_EQ(epochs[5].samples, 303);
  EXPECT_LT(epochs[5].loss, 0.1 * epochs[0].loss);
  EXPECT_GT(epochs[5].epoch_seconds, 0);
  EXPECT_EQ(evaluate(net, unseen, {}).accuracy, 1.0);
}

// Each shared loop costs its start and its end, which is what limits many threads at small models.
TEST(Trainer, SharesFiveLoopsAStepOfTheBuiltInModels) {
  for (const std::string& model : model_names()) {
    const Dataset data = blobs(400, 28, 10);
    auto net = random_net<float>({28, 28, 1}, model_architecture(model));
    const auto adam = make_optimizer<float>("adam", 0.001);
    Trainer<float> trainer(net, *adam, data, {.epochs = 1, .batch_size = 100});
    std::vector<detail::LoopRecord> records;
    trainer.on_batch = [&](const BatchProgress& progress) {
      const auto worth_sharing = [](const detail::LoopRecord& loop) {
        return loop.pieces > 1 && loop.estimate >= detail::WorthSharing{}.hot;
      };
      EXPECT_LE(std::count_if(records.begin(), records.end(), worth_sharing), 5)
          << model << ", batch " << progress.batch;
      EXPECT_GE(std::count_if(records.begin(), records.end(), worth_sharing), 2);
      records.clear();
      return true;
    };
    detail::record_loops(&records);
    trainer.run();
    detail::record_loops(nullptr);
  }
}

TEST(Trainer, AugmentsWhatItTrainsOnIfAsked) {
  const Dataset data = blobs(60, 10, 4);
  const auto losses = [&](const Augmentation& augmentation) {
    auto net = random_net<float>({10, 10, 1}, kSmallCnn);
    const auto sgd = make_optimizer<float>("sgd", 0.01);
    TrainerOptions options{.epochs = 2, .batch_size = 20};
    options.augmentation = augmentation;
    Trainer<float> trainer(net, *sgd, data, options);
    std::vector<double> all;
    trainer.on_batch = [&](const BatchProgress& progress) {
      all.push_back(progress.loss);
      return true;
    };
    trainer.run();
    return all;
  };
  const std::vector<double> plain = losses({}), shifted = losses({.shift = 2});
  EXPECT_EQ(plain, losses({}));
  EXPECT_EQ(shifted, losses({.shift = 2}));
  ASSERT_EQ(plain.size(), 6u);
  EXPECT_NE(plain[0], shifted[0]);  // before any update, so the images differ
}

// The loop of Trainer, written out: the same samples in the same batches, the last one smaller.
TEST(Trainer, DoesWhatItsDocumentationSays) {
  const Dataset data = blobs(53, 6, 3);
  auto a = random_net<double>({6, 6, 1}, "flatten, affine 3");
  auto b = random_net<double>({6, 6, 1}, "flatten, affine 3");
  SGD<double> sgd(0.5);
  const TrainerOptions options{
      .epochs = 2, .batch_size = 20, .seed = 9, .preprocessing = {.scale = 0.02, .shift = -1}};
  Trainer<double> trainer(a, sgd, data, options);
  std::vector<double> losses;
  trainer.on_batch = [&](const BatchProgress& progress) {
    losses.push_back(progress.loss);
    EXPECT_EQ(progress.batches, 3);
    EXPECT_EQ(progress.samples, progress.batch == 3 ? 53 : progress.batch * 20);
    return true;
  };
  double epoch_loss = 0;
  trainer.on_epoch = [&](const EpochResult& result) {
    epoch_loss = result.loss;
    return true;
  };
  trainer.run();

  SoftmaxWithLoss<double> loss;
  std::vector<std::int64_t> order(53);
  std::size_t batch = 0;
  double sum = 0;
  for (std::uint64_t epoch = 1; epoch <= 2; ++epoch) {
    permutation(9, epoch, order);
    sum = 0;
    for (std::int64_t first = 0; first < 53; first += 20) {
      const std::int64_t count = std::min<std::int64_t>(20, 53 - first);
      Tensor<double> x({count, 6, 6, 1});
      std::vector<std::int32_t> labels;
      for (std::int64_t i = 0; i < count; ++i) {
        const std::int64_t sample = order[static_cast<std::size_t>(first + i)];
        labels.push_back(data.labels[static_cast<std::size_t>(sample)]);
        for (std::int64_t p = 0; p < 36; ++p) {
          x[i * 36 + p] = 0.02 * data.pixels[static_cast<std::size_t>(sample * 36 + p)] - 1;
        }
      }
      Tensor<double> dy({count, 3});
      const double value = loss.value_and_gradient(b.forward(x.view()), labels, dy.view());
      EXPECT_NEAR(losses.at(batch++), value, 1e-12);
      sum += value * static_cast<double>(count);
      b.backward(x.view(), dy.view());
      for (Parameter<double>* p : b.parameters()) {
        for (std::int64_t i = 0; i < p->value.size(); ++i) p->value[i] -= 0.5 * p->grad[i];
      }
    }
  }
  EXPECT_EQ(batch, losses.size());
  EXPECT_NEAR(epoch_loss, sum / 53, 1e-12);
  for (std::int64_t i = 0; i < 108; ++i) {
    EXPECT_NEAR(a.parameters()[0]->value[i], b.parameters()[0]->value[i], 1e-12);
  }
}

// Ten steps of a small network, against tests/nn/golden_trajectory.py: plain loops, no library.
TEST(Trainer, FollowsTheGoldenTrajectory) {
  auto net =
      build<double>({6, 6, 1}, "conv 2 3x3, relu, maxpool 2, flatten, affine 5, tanh, affine 3");
  for (Parameter<double>* p : net.parameters()) {
    for (std::int64_t i = 0; i < p->value.size(); ++i) {
      p->value[i] = static_cast<double>((i * 37 + 11) % 41 - 20) / 40;
    }
  }
  Tensor<double> x({4, 6, 6, 1});
  for (std::int64_t i = 0; i < x.size(); ++i)
    x[i] = static_cast<double>((i * i * 53 + 7 * i) % 127) / 126;
  const std::vector<std::int32_t> labels{0, 2, 1, 2};
  const double golden[] = {1.0160823768964002, 0.984069777133865,  0.9753867407593733,
                           0.9651903056001822, 0.9520620505102164, 0.9360932445386891,
                           0.9204882072920564, 0.9035937677653874, 0.8847518415515867,
                           0.8638722039545672};
  SGD<double> sgd(0.25);
  sgd.bind(net);
  SoftmaxWithLoss<double> loss;
  Tensor<double> dy({4, 3});
  for (const double expected : golden) {
    EXPECT_NEAR(loss.value_and_gradient(net.forward(x.view()), labels, dy.view()), expected, 1e-12);
    net.backward(x.view(), dy.view());
    sgd.step();
  }
}

TEST(Trainer, ThreadsDoNotChangeTheWeights) {
  const Dataset data = blobs(130, 28, 10);
  std::vector<Tensor<float>> expected;
  for (const int count : {1, 2, 3, 8}) {
    const ForceThreads force(count);
    auto net = build<float>(model_input(), model_architecture("cnn"));
    initialize(net, Initialization::he, 1);
    const auto adam = make_optimizer<float>("adam", 0.001);
    Trainer<float> trainer(net, *adam, data, {.epochs = 2, .batch_size = 50});
    trainer.run();
    std::vector<Tensor<float>> weights;
    for (Parameter<float>* p : net.parameters()) weights.push_back(p->value.clone());
    if (expected.empty()) expected = std::move(weights);
    for (std::size_t i = 0; i < weights.size(); ++i) {
      EXPECT_TRUE(same_bits<float>(weights[i].view(), expected[i].view())) << count << " " << i;
    }
  }
}

TEST(Trainer, StopsWhenACallbackSaysSo) {
  const Dataset data = blobs(50, 6, 3);
  auto net = random_net<float>({6, 6, 1}, "flatten, affine 3");
  SGD<float> sgd(0.1);
  Trainer<float> trainer(net, sgd, data, {.epochs = 3, .batch_size = 10});
  int batches = 0;
  int epochs = 0;
  trainer.on_batch = [&](const BatchProgress&) { return ++batches < 7; };
  trainer.on_epoch = [&](const EpochResult&) { return ++epochs < 2; };
  EXPECT_FALSE(trainer.run());
  EXPECT_EQ(batches, 7);
  EXPECT_EQ(epochs, 1);
  EXPECT_EQ(sgd.steps(), 7);
  trainer.on_batch = nullptr;
  EXPECT_FALSE(trainer.run());
  EXPECT_EQ(epochs, 2);
}

/// What ended a run that must diverge.
Diverged divergence_of(Trainer<float>& trainer) {
  try {
    trainer.run();
  } catch (const Diverged& error) {
    return error;
  }
  throw std::logic_error("the run did not diverge");
}

TEST(Trainer, ThrowsWhenTheLossIsNoNumber) {
  const Dataset data = blobs(50, 6, 3);
  auto net = random_net<float>({6, 6, 1}, "flatten, affine 20, relu, affine 3");
  SGD<float> sgd(1e30);
  Trainer<float> trainer(net, sgd, data, {.epochs = 3, .batch_size = 10});
  const Diverged error = divergence_of(trainer);
  EXPECT_EQ(error.epoch(), 1);
  EXPECT_GE(error.batch(), 2);
  EXPECT_EQ(sgd.steps(), error.batch() - 1);
  const std::string message = error.what();
  EXPECT_NE(message.find("epoch 1, batch " + std::to_string(error.batch())), std::string::npos);
  EXPECT_NE(message.find("try a learning rate lower than 1e+30"), std::string::npos);
}

TEST(Trainer, DoesNotBlameTheLearningRateBeforeTheFirstUpdate) {
  Dataset data = blobs(50, 6, 3);
  data.values.assign(data.pixels.begin(), data.pixels.end());
  data.pixels.clear();
  std::fill(data.values.begin(), data.values.end(), std::numeric_limits<float>::quiet_NaN());
  auto net = random_net<float>({6, 6, 1}, "flatten, affine 3");
  SGD<float> sgd(0.1);
  Trainer<float> trainer(net, sgd, data, {.epochs = 3, .batch_size = 10});
  const Diverged error = divergence_of(trainer);
  EXPECT_EQ(error.epoch(), 1);
  EXPECT_EQ(error.batch(), 1);
  const std::string message = error.what();
  EXPECT_EQ(message.find("learning rate"), std::string::npos) << message;
  EXPECT_NE(message.find("the loss is not a number in epoch 1, batch 1, before any update: the "
                         "data, their preprocessing or the first weights"),
            std::string::npos)
      << message;
}

TEST(Trainer, MayEndAfterANumberOfSteps) {
  const Dataset data = blobs(50, 6, 3);
  auto net = random_net<float>({6, 6, 1}, "flatten, affine 3");
  SGD<float> sgd(0.1);
  Trainer<float> trainer(net, sgd, data, {.epochs = 1, .batch_size = 20, .steps = 7});
  std::vector<EpochResult> epochs;
  std::vector<std::int64_t> batches;
  trainer.on_batch = [&](const BatchProgress& progress) {
    batches.push_back(progress.batches);
    return true;
  };
  trainer.on_epoch = [&](const EpochResult& result) {
    epochs.push_back(result);
    return true;
  };
  EXPECT_TRUE(trainer.run());
  EXPECT_EQ(sgd.steps(), 7);
  EXPECT_EQ(batches, (std::vector<std::int64_t>{3, 3, 3, 3, 3, 3, 1}));
  ASSERT_EQ(epochs.size(), 3U);
  EXPECT_EQ(epochs[0].epochs, 3);
  EXPECT_EQ(epochs[1].samples, 50);
  EXPECT_EQ(epochs[2].samples, 20);
}

// With replacement, full batches of draws(seed, epoch): the first step's gradient says which.
TEST(Trainer, MayDrawSamplesWithReplacement) {
  const Dataset data = blobs(30, 6, 3);
  std::vector<std::int64_t> order(32);
  draws(9, 1, 30, order);
  Dataset drawn = data;
  drawn.n = 16;
  drawn.pixels.clear();
  drawn.labels.clear();
  for (std::size_t i = 0; i < 16; ++i) {
    const auto at = static_cast<std::size_t>(order[i]);
    drawn.labels.push_back(data.labels[at]);
    drawn.pixels.insert(drawn.pixels.end(),
                        data.pixels.begin() + static_cast<std::ptrdiff_t>(at * 36),
                        data.pixels.begin() + static_cast<std::ptrdiff_t>((at + 1) * 36));
  }
  auto a = random_net<double>({6, 6, 1}, "flatten, affine 3");
  auto b = random_net<double>({6, 6, 1}, "flatten, affine 3");
  SGD<double> sgd_a(0.5), sgd_b(0.5);
  Trainer<double> with(
      a, sgd_a, data,
      {.batch_size = 16, .seed = 9, .sampling = Sampling::with_replacement, .steps = 1});
  with.run();
  // A batch of all samples, in any order.
  Trainer<double> by_hand(b, sgd_b, drawn, {.batch_size = 16, .steps = 1});
  by_hand.run();
  for (std::int64_t i = 0; i < 108; ++i) {
    EXPECT_NEAR(a.parameters()[0]->value[i], b.parameters()[0]->value[i], 1e-13);
  }
  std::int64_t samples = 0;
  Trainer<double> whole(a, sgd_a, data,
                        {.epochs = 1, .batch_size = 16, .sampling = Sampling::with_replacement});
  whole.on_epoch = [&](const EpochResult& result) {
    samples = result.samples;
    return true;
  };
  whole.run();
  EXPECT_EQ(samples, 32);
}

TEST(Trainer, TrainsWithTheLossThatWasChosen) {
  const Dataset data = blobs(100, 10, 4);
  for (const std::string& name : loss_names()) {
    const LossOptions loss{.kind = loss_from_name(name), .targets = {0.01, 0.99}};
    auto net = build<float>({10, 10, 1},
                            name == "squared" ? "flatten, affine 4, sigmoid" : "flatten, affine 4");
    initialize(net, Initialization::xavier, 1);
    const auto adam = make_optimizer<float>("adam", 0.02);
    Trainer<float> trainer(net, *adam, data, {.epochs = 15, .batch_size = 10, .loss = loss});
    double last = 0;
    trainer.on_epoch = [&](const EpochResult& result) {
      last = result.loss;
      return true;
    };
    trainer.run();
    const Evaluation result = evaluate(net, data, {}, 500, loss);
    EXPECT_EQ(result.accuracy, 1.0) << name;
    // The same loss, measured along the way and at the end.
    EXPECT_NEAR(result.loss / last, 1, 0.25) << name;
  }
}

TEST(Trainer, ClipsByTheNorm) {
  const Dataset data = blobs(50, 6, 3);
  auto net = random_net<double>({6, 6, 1}, "flatten, affine 3");
  const Tensor<double> before = net.parameters()[0]->value.clone();
  const auto sgd = make_optimizer<double>({.name = "sgd", .lr = 1, .clip_norm = 1e-3});
  Trainer<double> trainer(net, *sgd, data, {.steps = 1});
  trainer.run();
  double squares = 0;
  for (const Parameter<double>* p : net.parameters()) {
    for (const double g : p->grad) squares += g * g;
  }
  const double factor = 1e-3 / (std::sqrt(squares) + 1e-6);
  EXPECT_LT(factor, 1);
  const Parameter<double>& w = *net.parameters()[0];
  for (std::int64_t i = 0; i < w.value.size(); ++i) {
    EXPECT_NEAR(w.value[i], before[i] - factor * w.grad[i], 1e-14);
  }
}

TEST(Trainer, AveragesTheWeights) {
  const Dataset data = blobs(50, 6, 3);
  auto net = random_net<double>({6, 6, 1}, "flatten, affine 3");
  SGD<double> sgd(0.1);
  Trainer<double> trainer(net, sgd, data, {.epochs = 8, .batch_size = 10, .average_decay = 0.75});
  std::vector<double> expected;
  int steps = 0;
  trainer.on_batch = [&](const BatchProgress&) {
    const Tensor<double>& w = net.parameters()[0]->value;
    if (expected.empty()) {
      expected.assign(w.begin(), w.end());
      EXPECT_TRUE(same_bits<double>(trainer.average()->values()[0].view(), w.view()));
    }
    const double decay = std::min(0.75, steps / (steps + 10.0));
    ++steps;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      expected[i] = decay * expected[i] + (1 - decay) * w[static_cast<std::int64_t>(i)];
    }
    return true;
  };
  trainer.run();
  EXPECT_EQ(steps, 40);
  ASSERT_NE(trainer.average(), nullptr);
  EXPECT_EQ(trainer.average()->steps(), 40);
  const Tensor<double> trained = net.parameters()[0]->value.clone();
  {
    const UseAverage averaged(trainer.average());
    const Tensor<double>& w = net.parameters()[0]->value;
    for (std::int64_t i = 0; i < w.size(); ++i) {
      EXPECT_NEAR(w[i], expected[static_cast<std::size_t>(i)], 1e-12);
    }
    EXPECT_FALSE(same_bits<double>(w.view(), trained.view()));
  }
  EXPECT_TRUE(same_bits<double>(net.parameters()[0]->value.view(), trained.view()));
  Trainer<double> plain(net, sgd, data, {});
  EXPECT_EQ(plain.average(), nullptr);
  const UseAverage none(plain.average());
  EXPECT_THROW(WeightAverage<double>(net, 1.0), std::invalid_argument);
}

TEST(Trainer, NamesALabelOrAPreprocessingThatCannotBe) {
  Dataset data = blobs(100, 6, 2);
  auto net = random_net<float>({6, 6, 1}, "flatten, affine 2");
  SGD<float> sgd(0.1);
  const auto error_of = [&](const TrainerOptions& options) -> std::string {
    try {
      Trainer<float>(net, sgd, data, options);
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "no exception";
  };
  for (const std::int32_t label : {2, -1}) {
    data.labels[61] = label;
    EXPECT_EQ(error_of({}), "Trainer: sample 61 has the label " + std::to_string(label) +
                                ", expected one from 0 to 1, since the data set has 2 classes");
  }
  data.labels[61] = 0;
  EXPECT_EQ(error_of({}), "no exception");
  for (const double bad :
       {std::numeric_limits<double>::quiet_NaN(), -std::numeric_limits<double>::infinity()}) {
    const std::string text = std::isnan(bad) ? "nan" : "-inf";
    EXPECT_EQ(
        error_of({.preprocessing = {.scale = bad}}),
        "Trainer: expected a finite preprocessing, got a scale of " + text + " and a shift of 0");
    EXPECT_EQ(
        error_of({.preprocessing = {.scale = 0.5, .shift = bad}}),
        "Trainer: expected a finite preprocessing, got a scale of 0.5 and a shift of " + text);
  }
}

TEST(Trainer, RefusesWhatDoesNotFit) {
  const Dataset data = blobs(50, 6, 3);
  auto net = random_net<float>({6, 6, 1}, "flatten, affine 3");
  auto other = random_net<float>({6, 6, 1}, "flatten, affine 4");
  SGD<float> sgd(0.1);
  EXPECT_THROW(Trainer<float>(other, sgd, data, {}), std::invalid_argument);
  EXPECT_THROW(Trainer<float>(net, sgd, blobs(50, 5, 3), {}), std::invalid_argument);
  EXPECT_THROW(Trainer<float>(net, sgd, blobs(0, 6, 3), {}), std::invalid_argument);
  EXPECT_THROW(Trainer<float>(net, sgd, data, {.batch_size = 0}), std::invalid_argument);
  EXPECT_THROW(Trainer<float>(net, sgd, data, {.epochs = -1}), std::invalid_argument);
  EXPECT_THROW(Trainer<float>(net, sgd, data, {.steps = -1}), std::invalid_argument);
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  EXPECT_THROW(Trainer<float>(net, sgd, data, {.epochs = kMost, .batch_size = 10}),
               std::invalid_argument);
  EXPECT_THROW(Trainer<float>(net, sgd, data, {.steps = kMost}), std::invalid_argument);
  EXPECT_THROW(Trainer<float>(net, sgd, data, {.schedule = {.gamma = 2}}), std::invalid_argument);
  EXPECT_THROW(Trainer<float>(net, sgd, data, {.loss = {.label_smoothing = 1}}),
               std::invalid_argument);
  EXPECT_THROW(Trainer<float>(net, sgd, data, {.average_decay = 1}), std::invalid_argument);
  Trainer<float> nothing(net, sgd, data, {.epochs = 0});
  EXPECT_TRUE(nothing.run());
}

}  // namespace
}  // namespace nnkernels::nn
