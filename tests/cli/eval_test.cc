#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/cli/process.h"
#include "tests/cli/samples.h"

namespace nnkernels::cli {
namespace {

using nlohmann::json;
using test::nncli;
using test::Result;

class Eval : public testing::Test {
 protected:
  /// One epoch only, so that there are mistakes to count.
  void SetUp() override {
    test::write_shapes(dir_ / "data");
    const Result result = nncli(test::train_shapes(dir_ / "data", dir_ / "run",
                                                   {"--json", "--epochs", "1", "--lr", "1e-4"}));
    ASSERT_EQ(result.code, 0) << result.err;
    trained_ = json::parse(result.out);
  }

  test::TempDir dir_;
  json trained_;
};

TEST_F(Eval, AgreesWithTraining) {
  const Result result = nncli({"eval", (dir_ / "run").string(), "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const json eval = json::parse(result.out);
  for (const char* key : {"test_accuracy", "test_loss", "weights_sha256", "dataset", "data"}) {
    EXPECT_EQ(eval[key], trained_[key]) << key;
  }
}

TEST_F(Eval, TheConfusionMatrixCountsEveryImage) {
  const json eval = json::parse(nncli({"eval", (dir_ / "run").string(), "--json"}).out);
  int correct = 0;
  ASSERT_EQ(eval["confusion"].size(), 10u);
  for (std::size_t i = 0; i < 10; ++i) {
    int row = 0;
    for (const json& count : eval["confusion"][i]) row += count.get<int>();
    EXPECT_EQ(row, 5) << i;
    correct += eval["confusion"][i][i].get<int>();
  }
  EXPECT_EQ(eval["correct"], correct);
  EXPECT_EQ(eval["images"], 50);
  EXPECT_EQ(eval["test_accuracy"], correct / 50.0);
}

TEST_F(Eval, PrintsATable) {
  const Result result = nncli({"eval", (dir_ / "run").string()});
  EXPECT_EQ(result.err, "");
  EXPECT_TRUE(result.out.starts_with("test accuracy  ")) << result.out;
  for (const char* words : {" of 50)\n", "test loss      ", "confusion matrix", "recall\n    0 "}) {
    EXPECT_NE(result.out.find(words), std::string::npos) << words << " in:\n" << result.out;
  }
}

TEST_F(Eval, ReportsEveryClass) {
  const json eval = json::parse(nncli({"eval", (dir_ / "run").string(), "--json"}).out);
  ASSERT_EQ(eval["classes"].size(), 10u);
  double recall = 0;
  for (std::size_t i = 0; i < 10; ++i) {
    const json& each = eval["classes"][i];
    EXPECT_EQ(each["class"], i);
    EXPECT_EQ(each["name"], std::to_string(i));
    EXPECT_EQ(each["support"], 5);
    EXPECT_EQ(each["recall"], eval["confusion"][i][i].get<int>() / 5.0);
    recall += each["recall"].get<double>();
  }
  EXPECT_NEAR(eval["macro"]["recall"].get<double>(), recall / 10, 1e-12);
  EXPECT_EQ(eval["weighted"]["support"], 50);
  ASSERT_FALSE(eval["most_confused"].empty());
  EXPECT_LE(eval["most_confused"].size(), 5u);
  for (const json& pair : eval["most_confused"]) {
    EXPECT_EQ(
        pair["count"],
        eval["confusion"][pair["true"].get<std::size_t>()][pair["predicted"].get<std::size_t>()]);
  }
  const std::string text = nncli({"eval", (dir_ / "run").string()}).out;
  for (const char* words : {"   precision    recall        F1   support\n", "\nweighted ",
                            "\nmost confused:\n", " taken for "}) {
    EXPECT_NE(text.find(words), std::string::npos) << words << " in:\n" << text;
  }
}

TEST_F(Eval, AnAccuracyThatIsMissedHasItsOwnCode) {
  const std::string run = (dir_ / "run").string();
  const Result missed = nncli({"eval", run, "--min-accuracy", "1"});
  EXPECT_EQ(missed.code, 4);
  EXPECT_TRUE(missed.out.starts_with("test accuracy  ")) << missed.out;
  EXPECT_NE(missed.err.find("is below the 100.00 % of --min-accuracy\n"), std::string::npos)
      << missed.err;
  const double accuracy = trained_["test_accuracy"];
  EXPECT_EQ(nncli({"eval", run, "--min-accuracy", std::to_string(accuracy)}).code, 0);
  for (const char* wrong : {"98", "-0.1", "nan", "high"}) {
    EXPECT_EQ(nncli({"eval", run, "--min-accuracy", wrong}).code, 2) << wrong;
  }
}

TEST_F(Eval, TakesOtherDataAndModelFiles) {
  std::filesystem::rename(dir_ / "data", dir_ / "moved");
  const std::string model = (dir_ / "run/last.safetensors").string();
  const Result lost = nncli({"eval", model});
  EXPECT_EQ(lost.code, 3);
  EXPECT_NE(lost.err.find("--data"), std::string::npos) << lost.err;
  const Result found = nncli({"eval", model, "--data", (dir_ / "moved").string(), "--json"});
  ASSERT_EQ(found.code, 0) << found.err;
  EXPECT_EQ(json::parse(found.out)["test_accuracy"], trained_["test_accuracy"]);
}

// The reader makes floats of the one and bytes of the other.
TEST_F(Eval, FloatsAndTheSameNumbersAsBytesAreTheSameToANetwork) {
  std::vector<float> floats;
  std::vector<std::int32_t> labels;
  for (int i = 0; i < 60; ++i) {
    labels.push_back(i % 3);
    for (int j = 0; j < 9; ++j) {
      floats.push_back(static_cast<float>(j % 3 == i % 3 ? 900 - i : 7 * i) / 1000);
    }
  }
  std::vector<float> rounded;
  for (const float x : floats) rounded.push_back(std::round(x * 255) / 255);
  const auto write = [&](const std::filesystem::path& folder, const std::vector<float>& numbers) {
    std::filesystem::create_directory(folder);
    for (const std::string part : {"train", "test"}) {
      test::write_file(folder / ("x_" + part + ".npy"),
                       test::npy<float>("<f4", "(60, 3, 3)", numbers));
      test::write_file(folder / ("y_" + part + ".npy"),
                       test::npy<std::int32_t>("<i4", "(60,)", labels));
    }
    return folder.string();
  };
  const std::vector<std::string> folders = {write(dir_ / "floats", floats),
                                            write(dir_ / "bytes", rounded)};
  for (const std::string& trained : folders) {
    const std::string run = trained + "-run";
    ASSERT_EQ(nncli({"train", "--arch", "flatten, affine classes", "--data", trained, "--out", run,
                     "--batch-size", "20", "--lr", "0.05"})
                  .code,
              0);
    std::vector<double> losses;
    for (const std::string& data : folders) {
      const Result result = nncli({"eval", run, "--data", data, "--json"});
      ASSERT_EQ(result.code, 0) << result.err;
      losses.push_back(json::parse(result.out)["test_loss"]);
    }
    EXPECT_NEAR(losses[0], losses[1], 0.01) << trained;
    EXPECT_LT(losses[0], 0.8) << trained;
  }
}

TEST_F(Eval, DataThatDoNotFitAreToldByWhatTheyHave) {
  test::write_file(dir_ / "small.csv", "0,1,2,3,4\n1,1,2,3,4\n2,1,2,3,4\n2,1,2,3,4\n");
  const std::string small = (dir_ / "small.csv").string();
  const Result result = nncli({"eval", (dir_ / "run").string(), "--data", small});
  EXPECT_EQ(result.code, 3);
  EXPECT_EQ(result.err, "nncli: " + small +
                            ": has images of [2, 2, 1] in 3 classes, but the network takes "
                            "[28, 28, 1] and knows 10; choose other data with --data\n");
}

TEST_F(Eval, NeedsTheTestSetOnly) {
  std::filesystem::remove(dir_ / "data/train-images-idx3-ubyte.gz");
  std::filesystem::remove(dir_ / "data/train-labels-idx1-ubyte");
  EXPECT_EQ(nncli({"eval", (dir_ / "run").string()}).code, 0);
}

TEST_F(Eval, TheNumberOfThreadsDoesNotMatter) {
  const std::string run = (dir_ / "run").string();
  const std::string one = nncli({"eval", run, "--json", "--threads", "1"}).out;
  EXPECT_EQ(nncli({"eval", run, "--json", "--threads", "3", "--no-pin"}).out, one);
}

}  // namespace
}  // namespace nnkernels::cli
