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
  for (const char* word : {"version ", "instruction set  ", "threads          3\n",
                           "pinned           ", "CPU ", "data "}) {
    EXPECT_NE(result.out.find(word), std::string::npos) << word << " in:\n" << result.out;
  }
}

TEST(Info, JsonAgreesWithTheKernels) {
  const Result result = nncli({"info", "--json"});
  const auto document = nlohmann::json::parse(result.out);
  EXPECT_EQ(document["simd_available"].get<std::vector<std::string>>(), available_simd());
  EXPECT_EQ(document["simd"], available_simd().front());
  EXPECT_GE(document["threads"].get<int>(), 1);
  EXPECT_LE(document["threads"], document["cpus"]);  // less where a quota limits the process
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

TEST(Info, ThreadsAndPinningComeFromOptionsThenFromTheEnvironment) {
  const auto info = [](std::vector<std::string> words, std::vector<std::string> environment) {
    words.insert(words.begin(), {"info", "--json"});
    return nlohmann::json::parse(nncli(words, {.environment = environment}).out);
  };
  EXPECT_EQ(info({}, {"NNKERNELS_THREADS=3"})["threads"], 3);
  EXPECT_EQ(info({"--threads", "4"}, {"NNKERNELS_THREADS=3"})["threads"], 4);
  EXPECT_EQ(info({}, {"NNKERNELS_PIN=1"})["pin"], true);
  EXPECT_EQ(info({}, {"NNKERNELS_PIN=0"})["pin"], false);
  EXPECT_EQ(info({"--no-pin"}, {"NNKERNELS_PIN=1"})["pin"], false);
  EXPECT_EQ(info({"--pin"}, {"NNKERNELS_PIN=0"})["pin"], true);
  EXPECT_EQ(info({"--threads", "1024"}, {})["pin"], false) << "more threads than CPUs";
}

TEST(Info, VariablesThatMakeNoSenseAreUsageErrors) {
  const auto error = [](const std::string& variable) {
    const Result result = nncli({"info"}, {.environment = {variable}});
    EXPECT_EQ(result.code, 2) << variable;
    return result.err;
  };
  EXPECT_EQ(error("NNKERNELS_THREADS=two"),
            "nncli: NNKERNELS_THREADS: expected a whole number from 1 to 1024, got \"two\"\n");
  EXPECT_EQ(error("NNKERNELS_PIN=yes"),
            "nncli: NNKERNELS_PIN: expected a whole number from 0 to 1, got \"yes\"\n");
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
