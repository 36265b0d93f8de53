#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/cli/process.h"
#include "tests/cli/samples.h"

namespace nnkernels::cli {
namespace {

using nlohmann::json;
using test::nncli;
using test::Result;

class Train : public testing::Test {
 protected:
  void SetUp() override { test::write_shapes(dir_ / "data"); }

  json train(const std::string& name, std::vector<std::string> more = {}) const {
    more.push_back("--json");
    const Result result = nncli(test::train_shapes(dir_ / "data", dir_ / name, more));
    EXPECT_EQ(result.code, 0) << result.err;
    return json::parse(result.out);
  }

  test::TempDir dir_;
};

TEST_F(Train, JsonHasTheKeysThatArePromised) {
  const json result = train("run", {"--seed", "3", "--threads", "2"});
  EXPECT_EQ(result["model"], "mlp");
  EXPECT_EQ(result["dataset"], "data");
  EXPECT_EQ(result["seed"], 3);
  EXPECT_EQ(result["threads"], 2);
  EXPECT_TRUE(result["simd"].is_string());
  EXPECT_EQ(result["epochs"], 8);
  EXPECT_EQ(result["epoch_seconds"].size(), 8u);
  EXPECT_EQ(result["test_accuracy"], 1);  // the shapes are easy
  EXPECT_LT(result["test_loss"].get<double>(), 0.5);
  EXPECT_EQ(result["parameters"], 784 * 128 + 128 + 128 * 64 + 64 + 64 * 10 + 10);
  EXPECT_EQ(result["weights_sha256"].get<std::string>().size(), 64u);
  EXPECT_EQ(result["interrupted"], false);
  EXPECT_EQ(result["run"], (dir_ / "run").string());
}

TEST_F(Train, TheSameSeedGivesTheSameWeightsForAnyNumberOfThreads) {
  for (const std::string model : {"mlp", "cnn"}) {
    std::set<std::string> hashes;
    for (const std::string threads : {"1", "2", "3", "8"}) {
      const json result = train(model + threads, {"--model", model, "--threads", threads,
                                                  "--batch-size", "64", "--epochs", "2"});
      hashes.insert(result["weights_sha256"]);
    }
    EXPECT_EQ(hashes.size(), 1u) << model;
  }
}

TEST_F(Train, OtherSeedsGiveOtherWeights) {
  EXPECT_NE(train("a", {"--seed", "1"})["weights_sha256"],
            train("b", {"--seed", "2"})["weights_sha256"]);
}

TEST_F(Train, EveryOptimizerAndInitializationRuns) {
  std::set<std::string> hashes;
  for (const char* optimizer : {"sgd", "momentum", "adam"}) {
    for (const char* init : {"he", "xavier", "gaussian"}) {
      const json result = train(std::string(optimizer) + init,
                                {"--optimizer", optimizer, "--init", init, "--epochs", "1"});
      hashes.insert(result["weights_sha256"]);
    }
  }
  EXPECT_EQ(hashes.size(), 9u);
}

TEST_F(Train, ABatchIsNoLargerThanTheTrainingSet) {
  const auto refused = [&](const std::string& size, const std::string& images,
                           std::vector<std::string> more) {
    more.insert(more.end(), {"--batch-size", size, "--epochs", "1"});
    const Result result = nncli(test::train_shapes(dir_ / "data", dir_ / "refused", more));
    EXPECT_EQ(result.code, 2) << result.err;
    EXPECT_EQ(result.err, "nncli: --batch-size: a batch of " + size +
                              " is larger than the training set of " + images + " images\n");
    EXPECT_FALSE(std::filesystem::exists(dir_ / "refused"));
  };
  refused("201", "200", {});
  refused("201", "200", {"--sampling", "replacement"});
  refused("200", "180", {"--validation", "0.1"});
  EXPECT_EQ(train("run", {"--batch-size", "200", "--epochs", "1"})["batch_size"], 200);
}

TEST_F(Train, LearnsTheBundledMnist) {
  const Result result = nncli(
      {"train", "--model", "mlp", "--epochs", "1", "--json", "--out", (dir_ / "run").string()});
  ASSERT_EQ(result.code, 0) << result.err;
  const json train = json::parse(result.out);
  EXPECT_EQ(train["dataset"], "mnist");
  EXPECT_GT(train["test_accuracy"].get<double>(), 0.9);
  const json eval = json::parse(nncli({"eval", (dir_ / "run").string(), "--json"}).out);
  EXPECT_EQ(eval["test_accuracy"], train["test_accuracy"]);
  EXPECT_EQ(eval["images"], 10000);
}

}  // namespace
}  // namespace nnkernels::cli
