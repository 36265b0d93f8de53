// What the settings of a training run do to it.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "tests/cli/process.h"
#include "tests/cli/samples.h"

namespace nnkernels::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class TrainSettings : public testing::Test {
 protected:
  TrainSettings() { test::write_shapes(dir_ / "data"); }

  test::Result train(const std::vector<std::string>& more) const {
    return test::nncli(test::train_shapes(dir_ / "data", run_, more));
  }

  test::TempDir dir_;
  fs::path run_ = dir_ / "run";
};

TEST_F(TrainSettings, ValidationKeepsTheBestAndReadsTheTestSetOnce) {
  const test::Result result = train({"--validation", "0.2", "--json", "--lr", "0.02"});
  ASSERT_EQ(result.code, 0) << result.err;
  const json told = json::parse(result.out);
  std::istringstream lines(test::read_file(run_ / "metrics.jsonl"));
  double best = -1;
  std::int64_t best_epoch = 0;
  for (std::string line; std::getline(lines, line);) {
    const json metrics = json::parse(line);
    EXPECT_FALSE(metrics.contains("test_accuracy"));
    if (metrics["val_accuracy"] > best) {
      best = metrics["val_accuracy"];
      best_epoch = metrics["epoch"];
    }
  }
  EXPECT_EQ(told["best_epoch"], best_epoch);
  EXPECT_EQ(told["val_accuracy"], best);
  EXPECT_TRUE(fs::exists(run_ / "best.safetensors"));
  EXPECT_TRUE(fs::exists(run_ / "last.safetensors"));
  const json config = json::parse(test::read_file(run_ / "config.json"));
  EXPECT_EQ(config["train_images"], 160);
  EXPECT_EQ(config["validation_images"], 40);
  const json judged = json::parse(test::nncli({"eval", run_.string(), "--json"}).out);
  EXPECT_EQ(judged["weights_sha256"], told["weights_sha256"]);
  EXPECT_EQ(judged["test_accuracy"], told["test_accuracy"]);
}

TEST_F(TrainSettings, ALayerThatTheLossAppliesItselfIsRefused) {
  for (const std::string loss : {"softmax", "sigmoid"}) {
    const std::string arch = "flatten, affine classes, " + loss;
    const test::Result refused = train({"--arch", arch, "--loss", loss, "--force"});
    EXPECT_EQ(refused.code, 2);
    EXPECT_EQ(refused.err,
              "nncli: the network ends in " + loss + ", which --loss " + loss +
                  " applies itself; choose --loss squared, or an --arch without that layer\n");
    EXPECT_EQ(train({"--arch", arch, "--loss", "squared", "--force"}).code, 0);
  }
}

TEST_F(TrainSettings, ASettingThatFloatsCannotHoldIsRefused) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"--optimizer", "adam", "--beta2", "0.99999999"},
        {"--optimizer", "adam", "--epsilon", "1e-50"},
        {"--optimizer", "momentum", "--momentum", "0.99999999"}}) {
    const test::Result refused = train(words);
    EXPECT_EQ(refused.code, 2) << words[2];
    EXPECT_NE(refused.err.find("as a float\n"), std::string::npos) << refused.err;
    EXPECT_FALSE(fs::exists(run_));
  }
}

TEST_F(TrainSettings, PatienceStopsEarly) {
  // Nothing is learned at this rate, so no epoch is better than the first.
  const test::Result result = train(
      {"--validation", "0.2", "--patience", "2", "--lr", "1e-12", "--epochs", "50", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(json::parse(result.out)["epochs_trained"], 3);
  EXPECT_EQ(json::parse(result.out)["interrupted"], false);
  EXPECT_EQ(json::parse(result.out)["stopped_by"], "patience");
  EXPECT_NE(result.err.find("stopped in epoch 3, after batch 8 of 8: no better"), std::string::npos)
      << result.err;
}

TEST_F(TrainSettings, UntilStopsAtAnAccuracy) {
  const test::Result result =
      train({"--validation", "0.2", "--until", "0.5", "--epochs", "500", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const json told = json::parse(result.out);
  EXPECT_LT(told["epochs_trained"], 500);
  EXPECT_GE(told["val_accuracy"], 0.5);
}

TEST_F(TrainSettings, AnEpochThatUntilEndsIsRecordedAsFarAsItCame) {
  const test::Result result = train({"--validation", "0.2", "--until", "0.01", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const json told = json::parse(result.out);
  EXPECT_EQ(told["epochs_trained"], 1);
  EXPECT_EQ(told["best_epoch"], 1);
  EXPECT_EQ(told["stopped_by"], "until");
  EXPECT_NE(result.err.find("stopped in epoch 1, after batch "), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("epoch 1/8"), std::string::npos) << result.err;
  const json metrics = json::parse(test::read_file(run_ / "metrics.jsonl"));
  EXPECT_EQ(metrics["val_accuracy"], told["val_accuracy"]);
  EXPECT_GT(metrics["train_loss"], 0);
  EXPECT_NE(test::read_file(run_ / "report.html").find("Learning curves"), std::string::npos);
}

TEST_F(TrainSettings, WithoutValidationNothingJudges) {
  for (const char* flag : {"--patience", "--until"}) {
    const test::Result result = train({flag, std::string(flag) == "--until" ? "0.9" : "3"});
    EXPECT_EQ(result.code, 2);
    EXPECT_EQ(result.err,
              "nncli: " + std::string(flag) + ": needs images to judge by; add --validation 0.1\n");
    EXPECT_FALSE(fs::exists(run_));
  }
}

TEST_F(TrainSettings, RepeatTrainsWithEachSeedAsIfAlone) {
  const test::Result result = train({"--repeat", "2", "--seed", "7", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const json all = json::parse(result.out);
  const json& told = all["runs"];
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(all["finished"], 2);
  const double a = told[0]["test_accuracy"];
  const double b = told[1]["test_accuracy"];
  EXPECT_NEAR(all["test_accuracy_mean"].get<double>(), (a + b) / 2, 1e-12);
  EXPECT_NEAR(all["test_accuracy_deviation"].get<double>(), std::abs(a - b) / std::sqrt(2.0),
              1e-12);
  EXPECT_TRUE(fs::exists(run_ / "seed-7") && fs::exists(run_ / "seed-8"));
  run_ = dir_ / "alone";
  const test::Result alone = train({"--seed", "8", "--json"});
  EXPECT_EQ(json::parse(alone.out)["weights_sha256"], told[1]["weights_sha256"]);
}

/// Labels that nothing tells, so that images seen in training are told from others by the loss.
std::string noise_csv() {
  std::string csv;
  std::uint32_t random = 1;
  for (int i = 0; i < 80; ++i) {
    csv += std::to_string(i % 4);
    for (int pixel = 0; pixel < 16; ++pixel) {
      random = random * 1664525 + 1013904223;
      csv += "," + std::to_string(random >> 24);
    }
    csv += "\n";
  }
  return csv;
}

TEST_F(TrainSettings, TheSeedDoesNotChooseTheImagesToTestOn) {
  const std::string file = (dir_ / "noise.csv").string();
  test::write_file(file, noise_csv());
  const auto fit = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words = {
        "train",        "--arch", "flatten, affine 64, relu, affine 4",
        "--data",       file,     "--schedule",
        "constant",     "--out",  run_.string(),
        "--batch-size", "20",     "--epochs",
        "40",           "--json"};
    words.insert(words.end(), more.begin(), more.end());
    return test::nncli(words);
  };
  const auto loss = [](const std::vector<std::string>& words) {
    const test::Result result = test::nncli(words);
    EXPECT_EQ(result.code, 0) << result.err;
    return json::parse(result.out)["test_loss"];
  };
  const test::Result alone = fit({"--seed", "7", "--test-share", "0.4"});
  ASSERT_EQ(alone.code, 0) << alone.err;
  const json told = json::parse(alone.out)["test_loss"];
  EXPECT_EQ(loss({"eval", run_.string(), "--json"}), told);
  EXPECT_EQ(loss({"eval", run_.string(), "--json", "--data", file}), told);

  run_ = dir_ / "runs";
  ASSERT_EQ(fit({"--repeat", "2"}).code, 0);
  const std::string second = (run_ / "seed-2").string();
  const json record = json::parse(test::read_file(run_ / "seed-2/config.json"));
  EXPECT_EQ(record["seed"], 2);
  run_ = dir_ / "second";
  EXPECT_EQ(loss({"eval", second, "--json"}), json::parse(fit({"--seed", "2"}).out)["test_loss"]);
  const test::Result longer = test::nncli({"train", "--resume", second, "--epochs", "41"});
  EXPECT_EQ(longer.code, 0) << longer.err;
}

TEST_F(TrainSettings, LogEveryMeasuresBetweenUpdates) {
  const test::Result result = train({"--log-every", "5", "--steps", "12", "--batch-size", "50",
                                     "--sampling", "replacement", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const json log = json::parse(result.out)["log"];
  ASSERT_EQ(log.size(), 3u);  // before updates 0, 5 and 10
  EXPECT_EQ(log[2]["step"], 10);
  EXPECT_GE(log[2]["train_accuracy"], 0);
}

TEST_F(TrainSettings, AverageWeightsAreWhatIsSavedAndTested) {
  const test::Result plain = train({"--json"});
  run_ = dir_ / "averaged";
  const test::Result averaged = train({"--ema", "0.9", "--json"});
  ASSERT_EQ(averaged.code, 0) << averaged.err;
  const json told = json::parse(averaged.out);
  EXPECT_NE(told["weights_sha256"], json::parse(plain.out)["weights_sha256"]);
  const json judged = json::parse(test::nncli({"eval", run_.string(), "--json"}).out);
  EXPECT_EQ(judged["weights_sha256"], told["weights_sha256"]);
  EXPECT_EQ(judged["test_accuracy"], told["test_accuracy"]);
  EXPECT_EQ(judged["test_loss"], told["test_loss"]);
}

TEST_F(TrainSettings, ThreeClassesOfColourImagesThatAreNotSquare) {
  std::string csv;
  for (int i = 0; i < 60; ++i) {
    csv += std::to_string(i % 3);
    for (int pixel = 0; pixel < 6; ++pixel) {
      for (int c = 0; c < 3; ++c) csv += c == i % 3 ? ",200" : ",10";
    }
    csv += "\n";
  }
  const fs::path file = dir_ / "colours.csv";
  test::write_file(file, csv);
  const test::Result result =
      test::nncli({"train", "--arch", "conv 4 2x2, relu, flatten, affine classes", "--data",
                   file.string(), "--image", "2x3x3", "--batch-size", "45", "--epochs", "60",
                   "--lr", "0.01", "--out", run_.string(), "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(json::parse(result.out)["test_accuracy"], 1);
  const test::Result judged = test::nncli({"eval", run_.string(), "--json"});
  ASSERT_EQ(judged.code, 0) << judged.err;
  EXPECT_EQ(json::parse(judged.out)["images"], 15);
  EXPECT_EQ(json::parse(judged.out)["test_accuracy"], 1);
}

TEST_F(TrainSettings, LossesAreTheSameInEval) {
  for (const char* loss : {"squared", "sigmoid"}) {
    run_ = dir_ / loss;
    const test::Result result =
        train({"--loss", loss, "--target-low", "0.01", "--target-high", "0.99", "--json"});
    ASSERT_EQ(result.code, 0) << result.err;
    const test::Result judged = test::nncli({"eval", run_.string(), "--json"});
    EXPECT_EQ(json::parse(judged.out)["test_loss"], json::parse(result.out)["test_loss"]) << loss;
    const std::string note =
        std::string(loss) == "squared" ? "squared error" : "sigmoid cross-entropy";
    const std::string page = test::read_file(run_ / "report.html");
    EXPECT_NE(page.find(">" + note + "</dd>"), std::string::npos);
    ASSERT_EQ(test::nncli({"report", run_.string()}).code, 0);
    EXPECT_TRUE(test::read_file(run_ / "report.html") == page) << loss;
  }
}

TEST_F(TrainSettings, TargetsThatMakeNoSenseAreAUsageError) {
  const test::Result descending = train({"--loss", "squared", "--target-low", "1"});
  EXPECT_EQ(descending.code, 2);
  EXPECT_EQ(descending.err,
            "nncli: --target-low and --target-high: expected a lower and a higher number, got 1 "
            "and 1\n");
  const test::Result outside = train({"--loss", "sigmoid", "--target-low", "-1"});
  EXPECT_EQ(outside.code, 2);
  EXPECT_EQ(outside.err,
            "nncli: --target-low and --target-high: expected numbers from 0 to 1 with --loss "
            "sigmoid, got -1 and 1\n");
}

TEST_F(TrainSettings, NetworksThatDoNotFitSayWhere) {
  const auto error = [&](const std::string& arch) {
    const test::Result result = train({"--arch", arch});
    EXPECT_EQ(result.code, 2);
    EXPECT_FALSE(fs::exists(run_));
    return result.err;
  };
  EXPECT_NE(error("conv 4 3x3, affine 10").find("layer 2"), std::string::npos);
  EXPECT_NE(error("conv 30 50x50").find("does not fit images of 28x28x1: layer 1: "),
            std::string::npos);
  EXPECT_NE(error("flatten, afine 10").find("affine"), std::string::npos);
  EXPECT_NE(error("flatten, affine 9").find("the network ends with [9], but there are 10 classes"),
            std::string::npos);
}

TEST(Recipes, AreListed) {
  const test::Result text = test::nncli({"recipes"});
  EXPECT_EQ(text.code, 0);
  const json list = json::parse(test::nncli({"recipes", "--json"}).out);
  EXPECT_GE(list.size(), 8u);
  for (const json& recipe : list) {
    EXPECT_NE(text.out.find(recipe["arch"].get<std::string>()), std::string::npos);
    EXPECT_TRUE(recipe.contains("source") && recipe.contains("expected_accuracy"));
  }
}

}  // namespace
}  // namespace nnkernels::cli
