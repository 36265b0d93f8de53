// Runs nnbench as its users do: figures there, sensible and readable by scripts; errors one line.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "kernels/simd.h"

namespace {

struct Outcome {
  std::string out;  // stdout and stderr
  int status = -1;
};

Outcome run(const std::string& arguments, const std::string& redirection = "2>&1") {
  Outcome outcome;
  std::FILE* pipe = popen((NNKERNELS_NNBENCH " " + arguments + " " + redirection).c_str(), "r");
  if (pipe == nullptr) return outcome;
  std::array<char, 4096> buffer;
  for (std::size_t count; (count = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    outcome.out.append(buffer.data(), count);
  }
  const int status = pclose(pipe);
  outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return outcome;
}

/// One quick repetition; the figures are worth nothing but must be there.
nlohmann::json measure(const std::string& command) {
  const Outcome outcome = run(command + " --min-time 0.001 --repetitions 1 --json");
  EXPECT_EQ(outcome.status, 0) << outcome.out;
  nlohmann::json document = nlohmann::json::parse(outcome.out, nullptr, false);
  EXPECT_TRUE(document.is_object()) << outcome.out;
  return document;
}

void expect_usage_error(const std::string& arguments, const std::string& excerpt) {
  const Outcome outcome = run(arguments);
  EXPECT_EQ(outcome.status, 2) << arguments;
  EXPECT_NE(outcome.out.find(excerpt), std::string::npos) << outcome.out;
  EXPECT_EQ(outcome.out.find('\n'), outcome.out.size() - 1) << outcome.out;
}

TEST(NnbenchTest, HelpNamesEveryCommand) {
  const Outcome overview = run("--help");
  EXPECT_EQ(overview.status, 0);
  for (const char* command :
       {"gemm", "conv", "im2col", "pool", "softmax", "elementwise", "train", "parallel", "peak"}) {
    EXPECT_NE(overview.out.find(command), std::string::npos) << command;
    const Outcome page = run(std::string(command) + " --help");
    EXPECT_EQ(page.status, 0) << command;
    EXPECT_NE(page.out.find("--threads N"), std::string::npos) << page.out;
  }
}

TEST(NnbenchTest, UsageErrorsAreOneLineAndSuggest) {
  expect_usage_error("", "no command given");
  expect_usage_error("gem", "did you mean gemm?");
  expect_usage_error("gemm --shape odd", "did you mean --shapes?");
  expect_usage_error("gemm --shapes oddd", "expected squares");
  expect_usage_error("gemm --m", "needs a value");
  expect_usage_error("gemm --m 0", "from 1 to");
  expect_usage_error("gemm --m 2x", "\"2x\"");
  expect_usage_error("gemm --m 2 --m 3", "twice");
  expect_usage_error("gemm --json=yes", "takes no value");
  expect_usage_error("gemm --m 2 --shapes odd", "excludes");
  expect_usage_error("gemm stray", "\"stray\"");
  expect_usage_error("gemm --simd mmx", "nnbench: --simd: no instruction set \"mmx\" here");
  expect_usage_error("conv --size 2 --kernel 3", "kernel");
  expect_usage_error("pool --size 2 --kernel 3", "kernel");
  expect_usage_error("train --network \"conv\"", "--network");
  expect_usage_error("train --network \"conv 8 3x3, relu\"", "vector of classes");
  expect_usage_error("elementwise --size 100", "multiple");
}

TEST(NnbenchTest, GemmReportsSpeedAndPeak) {
  const nlohmann::json document = measure("gemm --m 64 --n=48 --layout nn,tt --type f64");
  EXPECT_EQ(document["command"], "gemm");
  EXPECT_GT(document["peak_gflops"], 0.0);
  ASSERT_EQ(document["results"].size(), 2u);
  const nlohmann::json& result = document["results"][1];
  EXPECT_EQ(result["name"], "tt 64x48x256");
  EXPECT_EQ(result["parameters"]["n"], 48);
  const double seconds = result["seconds"];
  EXPECT_NEAR(result["gflops"].get<double>() * seconds, 2e-9 * 64 * 48 * 256, 1e-12);
  EXPECT_GT(result["percent_of_peak"], 0.0);
}

TEST(NnbenchTest, EveryFamilyMeasures) {
  EXPECT_EQ(measure("conv --size 6 --ic 2 --oc 3")["results"].size(), 3u);
  EXPECT_EQ(measure("im2col --size 6 --ic 2")["results"].size(), 2u);
  EXPECT_EQ(measure("pool --size 6 --type f64")["results"].size(), 4u);
  EXPECT_EQ(measure("softmax --rows 5 --cols 7")["results"].size(), 6u);
  EXPECT_EQ(measure("elementwise --size 256 --threads 2")["results"].size(), 15u);
  const nlohmann::json pool = measure("pool --size 6");
  EXPECT_EQ(pool["results"][0]["level"], pool["copy"][0]["level"]);
  EXPECT_GT(pool["results"][0]["gigabytes_per_second"], 0.0);
}

TEST(NnbenchTest, TrainCountsImages) {
  const nlohmann::json document =
      measure("train --network \"flatten, affine 10\" --batch-size 8 --optimizer momentum");
  ASSERT_EQ(document["results"].size(), 3u);
  const nlohmann::json& step = document["results"][2];
  EXPECT_EQ(step["parameters"]["part"], "step");
  EXPECT_NEAR(step["images_per_second"].get<double>() * step["seconds"].get<double>(), 8, 1e-9);
}

TEST(NnbenchTest, ParallelMeasuresHotAndCold) {
  EXPECT_EQ(measure("parallel --threads 2")["results"].size(), 8u);
}

TEST(NnbenchTest, SimdCanBeLowered) {
  for (const std::string& name : nnkernels::available_simd()) {
    EXPECT_EQ(measure("gemm --m 8 --simd " + name)["simd"], name);
  }
}

TEST(NnbenchTest, TheEnvironmentIsCheckedToo) {
  setenv("NNKERNELS_SIMD", "mmx", 1);
  expect_usage_error("gemm --m 8", "nnbench: NNKERNELS_SIMD: no instruction set \"mmx\" here");
  unsetenv("NNKERNELS_SIMD");
}

TEST(NnbenchTest, AnOutputThatCannotBeWrittenFails) {
  for (const char* arguments : {"gemm --m 8 --min-time 0.001", "gemm --m 8 --min-time 0.001 --json",
                                "--help", "gemm --help", "--version"}) {
    for (const char* output : {"2>&1 >/dev/full", "2>&1 >&-"}) {
      const Outcome outcome = run(arguments, output);
      EXPECT_EQ(outcome.status, 1) << arguments << output;
      EXPECT_EQ(outcome.out, "nnbench: cannot write to standard output\n") << arguments << output;
    }
  }
}

TEST(NnbenchTest, RacesAnyBlas) {
  const nlohmann::json document =
      measure("gemm --m 9 --n 10 --k 11 --layout nn,nt,tn,tt --threads 2 --vs " NNKERNELS_FAKE_BLAS
              " --vs " NNKERNELS_FAKE_BLAS);
  ASSERT_EQ(document["results"].size(), 4u);
  for (const nlohmann::json& result : document["results"]) {
    ASSERT_EQ(result["peers"].size(), 2u);
    EXPECT_GT(result["peers"][0]["ratio"], 0.0);
    EXPECT_LE(result["peers"][0]["scaled_difference"], 2.0 * (11 + 3));
  }
  EXPECT_EQ(document["summary"].size(), 3u);
}

TEST(NnbenchTest, ARaceWithWrongResultsFails) {
  setenv("NNBENCH_FAKE_WRONG", "1", 1);
  const Outcome outcome = run("gemm --m 9 --vs " NNKERNELS_FAKE_BLAS);
  unsetenv("NNBENCH_FAKE_WRONG");
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.out.find("differ for nn 9x256x256"), std::string::npos) << outcome.out;
}

TEST(NnbenchTest, LibrariesThatCannotBeRacedFail) {
  const Outcome missing = run("gemm --vs /nonexistent/libblas.so");
  EXPECT_EQ(missing.status, 1);
  EXPECT_NE(missing.out.find("/nonexistent/libblas.so"), std::string::npos) << missing.out;
  const Outcome other = run("gemm --vs libm.so.6");
  EXPECT_EQ(other.status, 1);
  EXPECT_NE(other.out.find("has no cblas_sgemm"), std::string::npos) << other.out;
}

}  // namespace
