#include "nn/checkpoint.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "nn/data/fingerprint.h"
#include "nn/file_error.h"
#include "nn/model_file.h"
#include "tests/nn/file_fixtures.h"
#include "tests/nn/fixtures.h"

namespace nnkernels::nn {
namespace {

namespace fs = std::filesystem;

const char* const kNet =
    "conv 3 3x3, batchnorm, relu, maxpool 2, flatten, dropout 0.3, affine 6, tanh, affine 4";

const Dataset& data() {
  static const Dataset kData = blobs(53, 10, 4);
  return kData;
}

/// A network, an optimizer and a trainer, made anew as by another process.
struct Training {
  explicit Training(const std::string& rule, const TrainerOptions& options, std::uint64_t seed = 1)
      : net(random_net<float>({10, 10, 1}, kNet, seed)),
        optimizer(make_optimizer<float>(rule, 0.01)),
        trainer(net, *optimizer, data(), options) {}

  /// Stops behind so many steps.
  void run_to(std::int64_t step) {
    trainer.on_batch = [this, step](const BatchProgress&) { return trainer.step() < step; };
    trainer.run();
  }
  void run_to_end() {
    trainer.on_batch = nullptr;
    trainer.run();
  }

  Sequential<float> net;
  std::unique_ptr<Optimizer<float>> optimizer;
  Trainer<float> trainer;
};

TrainerOptions options(double average, Sampling sampling) {
  return {.epochs = 3,
          .batch_size = 20,
          .seed = 7,
          .schedule = {.kind = LearningRateSchedule::Kind::cosine},
          .sampling = sampling,
          .average_decay = average};
}

class CheckpointTest : public testing::Test {
 protected:
  std::string path() const { return dir_.file("checkpoint.safetensors"); }
  std::string kept() const { return dir_.file("kept.safetensors"); }

  void expect_refused(const std::string& words, Training& other) const {
    const std::string before = weights_sha256(other.net);
    const TrainerPosition at = other.trainer.position();
    try {
      Checkpoint(path()).restore(other.trainer);
      ADD_FAILURE() << "restored in spite of " << words;
    } catch (const FileError& error) {
      EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
    }
    EXPECT_EQ(weights_sha256(other.net), before);
    EXPECT_EQ(other.trainer.position(), at);
  }

  TempFolder dir_;
};

TEST_F(CheckpointTest, GoesOnWithTheBitsOfTheUnbrokenRun) {
  for (const std::string& rule : optimizer_names()) {
    for (const double average : {0.0, 0.9}) {
      for (const Sampling sampling : {Sampling::permutation, Sampling::with_replacement}) {
        const std::int64_t samples = sampling == Sampling::permutation ? 53 : 60;
        Training whole(rule, options(average, sampling));
        whole.run_to_end();
        // Within an epoch, at its end, at the very end.
        for (const std::int64_t step : {1, 2, 3, 4, 8, 9}) {
          Training first(rule, options(average, sampling));
          first.run_to(step);
          save_checkpoint(path(), "", first.trainer, {});
          Training second(rule, options(average, sampling), 99);
          Checkpoint(path()).restore(second.trainer);
          EXPECT_EQ(second.trainer.step(), step);
          EXPECT_EQ(second.optimizer->steps(), step);
          EXPECT_EQ(second.optimizer->learning_rate(), first.optimizer->learning_rate());
          EXPECT_EQ(second.trainer.position(), first.trainer.position());
          double loss = 0;
          second.trainer.on_epoch = [&loss, samples](const EpochResult& epoch) {
            EXPECT_EQ(epoch.samples, samples);
            loss = epoch.loss;
            return true;
          };
          second.run_to_end();
          EXPECT_GT(loss, 0);
          EXPECT_EQ(weights_sha256(second.net), weights_sha256(whole.net)) << rule << " " << step;
          if (average == 0) continue;
          const UseAverage one(whole.trainer.average());
          const UseAverage two(second.trainer.average());
          EXPECT_EQ(weights_sha256(second.net), weights_sha256(whole.net)) << rule << " " << step;
        }
      }
    }
  }
}

// The last epoch may be a part, and there may be none at all.
TEST_F(CheckpointTest, AFinishedRunIsRestoredAndHasNothingLeftToDo) {
  struct Length {
    std::int64_t epochs, steps, step;
  };
  for (const auto& [epochs, steps, step] : {Length{3, 0, 9}, Length{1, 7, 7}, Length{0, 0, 0}}) {
    TrainerOptions length = options(0.9, Sampling::permutation);
    length.epochs = epochs;
    length.steps = steps;
    Training first("adam", length);
    EXPECT_TRUE(first.trainer.run());
    const TrainerPosition end = {.epoch = first.trainer.epochs() + 1};
    EXPECT_EQ(first.trainer.position(), end);
    EXPECT_EQ(first.trainer.step(), step);
    EXPECT_NO_THROW(first.trainer.set_position(end));
    save_checkpoint(path(), "", first.trainer, {});

    Training second("adam", length, 99);
    ASSERT_NO_THROW(Checkpoint(path()).restore(second.trainer));
    EXPECT_EQ(second.trainer.position(), end);
    EXPECT_EQ(second.trainer.step(), step);
    EXPECT_EQ(second.optimizer->steps(), step);
    EXPECT_EQ(second.optimizer->learning_rate(), first.optimizer->learning_rate());
    EXPECT_EQ(second.trainer.average()->steps(), step);
    int calls = 0;
    second.trainer.on_batch = [&calls](const BatchProgress&) { return ++calls < 0; };
    second.trainer.on_epoch = [&calls](const EpochResult&) { return ++calls < 0; };
    EXPECT_TRUE(second.trainer.run());
    EXPECT_EQ(calls, 0);
    EXPECT_EQ(second.trainer.position(), end);
    EXPECT_EQ(weights_sha256(second.net), weights_sha256(first.net));
  }
}

TEST_F(CheckpointTest, AFinishedRunGoesOnInALongerOne) {
  TrainerOptions length = options(0, Sampling::permutation);
  length.schedule = {};
  Training whole("adam", length);
  whole.run_to_end();
  length.epochs = 2;
  Training first("adam", length);
  first.run_to_end();
  save_checkpoint(path(), "", first.trainer, {});
  length.epochs = 3;
  Training longer("adam", length, 99);
  Checkpoint(path()).restore(longer.trainer);
  longer.run_to_end();
  EXPECT_EQ(weights_sha256(longer.net), weights_sha256(whole.net));
  length.epochs = 1;
  Training shorter("adam", length);
  expect_refused("does not come to epoch 3", shorter);
  // The epoch that ended early is whole in a longer run, which was not there at its end.
  length.steps = 5;
  Training part("adam", length);
  part.run_to_end();
  save_checkpoint(path(), "", part.trainer, {});
  length.steps = 9;
  Training more("adam", length);
  expect_refused("nnkernels.step: expected \"6\", found \"5\"", more);
}

TEST_F(CheckpointTest, TheLossOfABrokenEpochIsThatOfAWholeOne) {
  std::vector<double> losses;
  for (const bool broken : {false, true}) {
    Training training("adam", options(0, Sampling::permutation));
    if (broken) {
      training.run_to(5);
      save_checkpoint(path(), "", training.trainer, {});
    }
    Training other("adam", options(0, Sampling::permutation));
    if (broken) Checkpoint(path()).restore(other.trainer);
    other.trainer.on_epoch = [&losses](const EpochResult& epoch) {
      if (epoch.epoch > 1) losses.push_back(epoch.loss);
      return true;
    };
    other.run_to_end();
  }
  ASSERT_EQ(losses.size(), 4U);
  EXPECT_EQ(losses[0], losses[2]);
  EXPECT_EQ(losses[1], losses[3]);
}

TEST_F(CheckpointTest, KeepsTheOneBeforeAndMetadata) {
  Training training("adam", options(0, Sampling::permutation));
  save_checkpoint(path(), kept(), training.trainer, {{"note", "first"}});
  EXPECT_FALSE(fs::exists(kept()));
  training.run_to(2);
  save_checkpoint(path(), kept(), training.trainer, {{"note", "second"}});
  EXPECT_EQ(Checkpoint(kept()).metadata("note"), "first");
  const Checkpoint second(path());
  EXPECT_EQ(second.metadata().size(), 1U);
  EXPECT_EQ(second.metadata("note"), "second");
  EXPECT_EQ(second.position().batches, 2);
  EXPECT_TRUE(contains(file_error(path(), [&] { second.metadata("oth\xe9r"); }),
                       "this checkpoint has no metadata \"oth\\xe9r\""));
  EXPECT_EQ(std::distance(fs::directory_iterator(dir_.path()), fs::directory_iterator()), 2);
}

TEST_F(CheckpointTest, AFailedSaveChangesNothing) {
  Training training("adam", options(0, Sampling::permutation));
  save_checkpoint(path(), kept(), training.trainer, {{"note", "first"}});
  fs::create_directory(kept());
  EXPECT_THROW(save_checkpoint(path(), kept(), training.trainer, {}), WriteError);
  EXPECT_EQ(Checkpoint(path()).metadata("note"), "first");
  training.net.parameters()[0]->value[0] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THROW(save_checkpoint(path(), "", training.trainer, {}), std::invalid_argument);
  EXPECT_EQ(Checkpoint(path()).metadata("note"), "first");
}

TEST_F(CheckpointTest, RefusesReservedKeys) {
  Training training("adam", options(0, Sampling::permutation));
  EXPECT_THROW(save_checkpoint(path(), "", training.trainer, {{"nnkernels.epoch", "9"}}),
               std::invalid_argument);
}

TEST_F(CheckpointTest, RefusesAnotherTraining) {
  Training training("adam", options(0, Sampling::permutation));
  training.run_to(8);
  save_checkpoint(path(), "", training.trainer, {});
  Training sgd("sgd", options(0, Sampling::permutation));
  expect_refused("nnkernels.optimizer: expected \"sgd\", found \"adam\"", sgd);
  Training averaged("adam", options(0.5, Sampling::permutation));
  expect_refused(
      "expected an average of the weights, as the trainer has (average_decay 0.5), found none",
      averaged);
  TrainerOptions other = options(0, Sampling::permutation);
  other.seed = 8;
  Training seed("adam", other);
  expect_refused("nnkernels.seed", seed);
  other = options(0, Sampling::permutation);
  other.epochs = 2;
  Training shorter("adam", other);
  expect_refused("does not come to epoch 3", shorter);
  other.epochs = 3;
  other.batch_size = 30;
  Training batches("adam", other);
  expect_refused("nnkernels.batch_size", batches);
  // 14 batches an epoch: what they have is a position there, but of another step.
  const Dataset larger = blobs(280, 10, 4);
  Trainer<float> trainer(training.net, *training.optimizer, larger,
                         options(0, Sampling::permutation));
  const double rate = training.optimizer->learning_rate();
  EXPECT_THROW(Checkpoint(path()).restore(trainer), FileError);
  EXPECT_EQ(training.optimizer->learning_rate(), rate);
  EXPECT_EQ(trainer.step(), 0);
}

TEST_F(CheckpointTest, RefusesAnAverageThatTheTrainerDoesNotHave) {
  Training training("adam", options(0.5, Sampling::permutation));
  save_checkpoint(path(), "", training.trainer, {});
  Training plain("adam", options(0, Sampling::permutation));
  expect_refused(
      "expected no average of the weights, as the trainer has none (average_decay 0), found one",
      plain);
}

TEST_F(CheckpointTest, PositionsAreThoseOfTheRun) {
  Training training("adam", options(0, Sampling::permutation));
  Trainer<float>& trainer = training.trainer;
  trainer.set_position({.epoch = 3, .batches = 3, .samples = 53});
  EXPECT_EQ(trainer.step(), 9);
  trainer.set_position({.epoch = 1});
  EXPECT_EQ(trainer.step(), 0);
  trainer.set_position({.epoch = 3, .batches = 3, .samples = 53});
  for (const TrainerPosition& wrong :
       std::vector<TrainerPosition>{{.epoch = 0},
                                    {.epoch = 5},
                                    {.epoch = 4, .batches = 1, .samples = 20},
                                    {.epoch = 4, .batches = 3, .samples = 53},
                                    {.epoch = 1, .batches = -1, .samples = -20},
                                    {.epoch = 1, .batches = 4, .samples = 53},
                                    {.epoch = 1, .batches = 2, .samples = 39}}) {
    EXPECT_THROW(trainer.set_position(wrong), std::invalid_argument);
    EXPECT_EQ(trainer.step(), 9);
  }
}

TEST_F(CheckpointTest, RefusesEveryDamage) {
  Training training("adam", options(0.9, Sampling::permutation));
  training.run_to(2);
  save_checkpoint(path(), "", training.trainer, {});
  std::ifstream stream(path(), std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
  const auto refuses = [this](const std::string& content) {
    std::ofstream(path(), std::ios::binary) << content;
    EXPECT_THROW(Checkpoint{path()}, FileError);
  };
  for (std::size_t length = 0; length < bytes.size(); length += 1 + length / 50) {
    refuses(bytes.substr(0, length));
  }
  refuses(bytes + '\0');
  for (std::size_t at = 0; at < bytes.size(); at += 1 + at / 50) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << at % 8));
    refuses(damaged);
  }
  save_model(path(), training.net, {.preprocessing = {}, .classes = 4, .metadata = {}});
  EXPECT_TRUE(contains(file_error(path(), [this] { Checkpoint{path()}; }),
                       "this is a model; load_model() reads it, `nncli eval` tests it"));
}

TEST(Fingerprint, ChangesWithEveryPartOfTheData) {
  const Dataset one = blobs(20, 6, 3);
  const std::string print = fingerprint(one);
  EXPECT_EQ(print.size(), 64U);
  EXPECT_EQ(fingerprint(blobs(20, 6, 3)), print);
  Dataset other = one;
  other.name = "another name";
  EXPECT_EQ(fingerprint(other), print);
  other.pixels.back() ^= 1;
  EXPECT_NE(fingerprint(other), print);
  other = one;
  other.labels[0] = (other.labels[0] + 1) % 3;
  EXPECT_NE(fingerprint(other), print);
  other = one;
  std::swap(other.h, other.n);
  EXPECT_NE(fingerprint(other), print);
  other = one;
  other.full = 16;
  EXPECT_NE(fingerprint(other), print);
  other = one;
  ++other.classes;
  EXPECT_NE(fingerprint(other), print);
}

TEST(Fingerprint, SeesTheLastPieceOfMany) {
  Dataset large{.n = 1, .h = 1, .w = 2500000, .c = 1, .pixels = {}, .labels = {0}, .classes = 1};
  large.pixels.resize(2500000);
  const std::string print = fingerprint(large);
  large.pixels.back() = 1;
  EXPECT_NE(fingerprint(large), print);
}

}  // namespace
}  // namespace nnkernels::nn
