#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/cli/process.h"

namespace nnkernels::cli {
namespace {

class Gradcheck : public testing::TestWithParam<const char*> {};

TEST_P(Gradcheck, EveryTensorPasses) {
  const test::Result result = test::nncli({"gradcheck", "--model", GetParam()});
  EXPECT_EQ(result.code, 0) << result.out << result.err;
  EXPECT_NE(result.out.find("PASS: " + std::string(GetParam()) + ", limit 1.0e-07\n"),
            std::string::npos)
      << result.out;
  EXPECT_EQ(result.out.find("FAIL"), std::string::npos) << result.out;
}

TEST_P(Gradcheck, JsonHoldsEveryTensor) {
  const test::Result result =
      test::nncli({"gradcheck", "--model", GetParam(), "--seed", "7", "--json"});
  const auto document = nlohmann::json::parse(result.out);
  EXPECT_EQ(document["pass"], true);
  EXPECT_EQ(document["seed"], 7);
  EXPECT_EQ(document["tensors"].size(), 7u);  // three layers with w and b, and the input
  for (const auto& tensor : document["tensors"]) {
    EXPECT_GT(tensor["checked"].get<int>(), 0) << tensor;
    EXPECT_LE(tensor["scaled_error"].get<double>(), 1e-7) << tensor;
    EXPECT_EQ(tensor["pass"], true) << tensor;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, Gradcheck, testing::Values("mlp", "cnn"));

}  // namespace
}  // namespace nnkernels::cli
