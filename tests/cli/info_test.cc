#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "kernels/simd.h"
#include "tests/cli/process.h"

namespace nnkernels::cli {
namespace {

using test::nncli;
using test::Result;

TEST(Info, DescribesTheMachine) {
  const Result result = nncli({"info", "--threads", "3"});
  EXPECT_EQ(result.code, 0) << result.err;
  for (const char* word :
       {"version ", "instruction set  ", "threads          3\n", "CPU ", "data "}) {
    EXPECT_NE(result.out.find(word), std::string::npos) << word << " in:\n" << result.out;
  }
}

TEST(Info, JsonAgreesWithTheKernels) {
  const Result result = nncli({"info", "--json"});
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json["simd_available"].get<std::vector<std::string>>(), available_simd());
  EXPECT_EQ(json["simd"], available_simd().front());
  EXPECT_GE(json["threads"].get<int>(), 1);
  EXPECT_EQ(json["threads"], json["cpus"]);
}

TEST(Info, TheInstructionSetCanBeLowered) {
  const std::string lowest = available_simd().back();
  const auto option = nlohmann::json::parse(nncli({"info", "--json", "--simd", lowest}).out);
  EXPECT_EQ(option["simd"], lowest);
  const Result variable = nncli({"info", "--json"}, {.environment = {"NNKERNELS_SIMD=" + lowest}});
  EXPECT_EQ(nlohmann::json::parse(variable.out)["simd"], lowest);
  const Result both =
      nncli({"info", "--json", "--simd", "best"}, {.environment = {"NNKERNELS_SIMD=" + lowest}});
  EXPECT_EQ(nlohmann::json::parse(both.out)["simd"], available_simd().front());
}

TEST(Info, AnUnknownInstructionSetIsAUsageError) {
  const Result option = nncli({"info", "--simd", "AVX9000"});
  EXPECT_EQ(option.code, 2);
  EXPECT_TRUE(option.err.starts_with(
      "nncli: --simd: no instruction set \"AVX9000\" here; there is " + available_simd().front()))
      << option.err;
  const Result variable = nncli({"info"}, {.environment = {"NNKERNELS_SIMD=MMX"}});
  EXPECT_EQ(variable.code, 2);
  EXPECT_TRUE(variable.err.starts_with("nncli: NNKERNELS_SIMD: no instruction set"))
      << variable.err;
}

}  // namespace
}  // namespace nnkernels::cli
