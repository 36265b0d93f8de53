#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/cli/process.h"
#include "tests/cli/samples.h"

namespace nnkernels::cli {
namespace {

using nlohmann::json;
using test::nncli;
using test::Result;

TEST(Inspect, ListsTheLayersOfAText) {
  const Result result =
      nncli({"inspect", "--arch", "conv 4 3x3, relu, flatten, affine 5", "--input", "6x8x2"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(result.out.starts_with("layer ")) << result.out;
  for (const char* words : {"[4, 6, 4]", "[96]", " 485 ", "2,208", "4,416 floating-point"}) {
    EXPECT_NE(result.out.find(words), std::string::npos) << words << " in:\n" << result.out;
  }
}

TEST(Inspect, JsonHoldsLayersAndTotals) {
  const Result result = nncli({"inspect", "--model", "cnn", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const json summary = json::parse(result.out);
  EXPECT_EQ(summary["input"], json({28, 28, 1}));
  EXPECT_EQ(summary["parameters"], 433890);
  EXPECT_EQ(summary["multiply_adds"], 865000);
  EXPECT_EQ(summary["flops"], 1730000);
  ASSERT_EQ(summary["layers"].size(), 7u);
  EXPECT_EQ(summary["layers"][0]["output"], json({24, 24, 30}));
  EXPECT_EQ(summary["layers"][0]["parameters"], 780);
}

TEST(Inspect, ReadsARunAndItsModelFile) {
  const test::TempDir dir;
  test::write_shapes(dir / "data");
  ASSERT_EQ(nncli(test::train_shapes(dir / "data", dir / "run", {"--epochs", "1"})).code, 0);
  const Result run = nncli({"inspect", (dir / "run").string()});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(nncli({"inspect", (dir / "run/last.safetensors").string()}).out, run.out);
  EXPECT_EQ(run.out, nncli({"inspect", "--model", "mlp"}).out);
  EXPECT_EQ(nncli({"inspect", (dir / "nothing").string()}).code, 3);
}

TEST(Inspect, NamesTheLayerThatDoesNotFit) {
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{"--arch", "relu, rleu"}, "--arch: layer 2: unknown layer \"rleu\"; did you mean \"relu\"?"},
      {{"--arch", "flatten, conv 8 3x3"},
       "layer 2: conv takes samples of shape [h, w, c], got [784]"},
      {{"--arch", "affine 1000000000"}, "layer 1: "},
      {{"--arch", "flatten, affine classes"}, "write their number, as in \"affine 10\""},
      {{"--model", "cnn", "--input", "3x3x1"}, "--input: layer 1: "},
      {{"--model", "cnn", "--input", "28xx1"}, "--input: expected height x width x channels"},
      {{"--model", "cnn", "--arch", "relu"}, "expected one of RUN, --arch and --model"},
      {{}, "expected one of RUN, --arch and --model"},
      {{"run", "--input", "28x28x1"}, "--input: goes with --arch or --model"}};
  for (const auto& [arguments, message] : cases) {
    std::vector<std::string> all = {"inspect"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const Result result = nncli(all);
    EXPECT_EQ(result.code, 2) << message;
    EXPECT_EQ(result.out, "");
    EXPECT_NE(result.err.find(message), std::string::npos) << result.err;
    EXPECT_EQ(result.err.find('\n'), result.err.size() - 1) << result.err;
  }
}

}  // namespace
}  // namespace nnkernels::cli
