// Races of nnbench: against made-up libraries whose answers are known, and against real ones.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <string>

#include "tests/bench/run_nnbench.h"

namespace {

using nnkernels::test::expect_usage_error;
using nnkernels::test::measure;
using nnkernels::test::Outcome;
using nnkernels::test::run;

constexpr const char* kFakes = " --vs " NNKERNELS_FAKE_BLAS " --vs " NNKERNELS_FAKE_FORTRAN_BLAS;

TEST(NnbenchRaceTest, RacesAnyBlas) {
  const nlohmann::json document =
      measure("gemm --m 9 --n 10 --k 11 --layout nn,nt,tn,tt --threads 1,2 --cache hot,cold" +
              std::string(kFakes));
  ASSERT_EQ(document["results"].size(), 16u);
  for (const nlohmann::json& result : document["results"]) {
    ASSERT_EQ(result["peers"].size(), 2u);
    EXPECT_EQ(result["peers"][0]["name"], "Fake");
    EXPECT_EQ(result["peers"][1]["name"], "Fake 2");
    double lowest = 1e300;
    for (const nlohmann::json& peer : result["peers"]) {
      const double ratio = result["gflops"].get<double>() / peer["gflops"].get<double>();
      EXPECT_NEAR(peer["ratio"].get<double>(), ratio, 1e-9 * ratio);
      EXPECT_LE(peer["scaled_difference"], 2.0 * (11 + 3));
      lowest = std::min(lowest, ratio);
    }
    EXPECT_NEAR(result["ratio"].get<double>(), lowest, 1e-9 * lowest);
  }
  EXPECT_EQ(document["results"][0]["conditions"]["cache"], "hot");
  EXPECT_EQ(document["results"][15]["conditions"]["threads"], 2);
  EXPECT_EQ(document["results"][15]["conditions"]["cache"], "cold");
  // Two peers and the best of them, under four conditions.
  EXPECT_EQ(document["summary"].size(), 12u);
  EXPECT_EQ(document["peers"][0]["description"],
            "Fake 1.2 (Test kernels) (" NNKERNELS_FAKE_BLAS ")");
}

TEST(NnbenchRaceTest, SaysThatOpenBlasDoesNotKnowTheCpu) {
  setenv("NNBENCH_FAKE_CORE", "Prescott", 1);
  const nlohmann::json document = measure("gemm --m 9 --vs " NNKERNELS_FAKE_BLAS);
  unsetenv("NNBENCH_FAKE_CORE");
  const std::string description = document["peers"][0]["description"];
  const bool unknown = document["simd"].get<std::string>().starts_with("AVX3");
  EXPECT_EQ(description.find("OPENBLAS_CORETYPE=SkylakeX") != std::string::npos, unknown)
      << description;
  EXPECT_NE(description.find("(Prescott kernels"), std::string::npos) << description;
}

TEST(NnbenchRaceTest, SummariesAreTakenOverEachSet) {
  const nlohmann::json document = measure("gemm --shapes skinny,mlp --vs " NNKERNELS_FAKE_BLAS);
  ASSERT_EQ(document["summary"].size(), 4u);
  double worst = 1e300;
  for (const nlohmann::json& result : document["results"]) {
    if (result["set"] == "mlp") worst = std::min(worst, result["ratio"].get<double>());
  }
  EXPECT_EQ(document["summary"][3]["set"], "mlp");
  EXPECT_EQ(document["summary"][3]["peer"], "best");
  EXPECT_DOUBLE_EQ(document["summary"][3]["worst"], worst);
  EXPECT_GE(document["summary"][3]["geometric_mean"], worst);
}

TEST(NnbenchRaceTest, TheTableFitsAScreen) {
  const Outcome outcome = run("gemm --m 1000 --n 1000 --k 1 --min-time 0.001 --repetitions 1" +
                              std::string(kFakes) + kFakes);
  ASSERT_EQ(outcome.status, 0) << outcome.out;
  std::istringstream lines(outcome.out);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("against ")) continue;  // paths may be long
    EXPECT_LE(line.size(), 120u) << line;
  }
}

TEST(NnbenchRaceTest, ARaceWithWrongResultsFails) {
  for (const char* library : {NNKERNELS_FAKE_BLAS, NNKERNELS_FAKE_FORTRAN_BLAS}) {
    setenv("NNBENCH_FAKE_WRONG", "1", 1);
    const Outcome outcome = run("gemm --m 9 --vs " + std::string(library));
    unsetenv("NNBENCH_FAKE_WRONG");
    EXPECT_EQ(outcome.status, 1);
    EXPECT_NE(outcome.out.find("differ for nn 9x256x256"), std::string::npos) << outcome.out;
  }
}

TEST(NnbenchRaceTest, LibrariesThatCannotBeRacedFail) {
  const Outcome missing = run("gemm --vs /nonexistent/libblas.so");
  EXPECT_EQ(missing.status, 1);
  EXPECT_NE(missing.out.find("/nonexistent/libblas.so"), std::string::npos) << missing.out;
  const Outcome other = run("gemm --vs libm.so.6");
  EXPECT_EQ(other.status, 1);
  EXPECT_NE(other.out.find("has no cblas_sgemm"), std::string::npos) << other.out;
  const Outcome unknown = run("gemm --vs onednnn");
  EXPECT_EQ(unknown.status, 1);
  EXPECT_NE(unknown.out.find("expected a path, onednn or eigen"), std::string::npos) << unknown.out;
  expect_usage_error("gemm --type f64 --vs " NNKERNELS_FAKE_FORTRAN_BLAS, "type f64");
}

/// What must be there if nnbench was built with a library, and what it says if not.
void expect_race(const std::string& command, bool built, const std::string& package) {
  if (built) {
    const nlohmann::json document = measure(command);
    bool raced = false;
    for (const nlohmann::json& result : document["results"]) {
      if (!result.contains("peers")) continue;
      raced = true;
      EXPECT_GT(result["ratio"], 0.0) << result;
    }
    EXPECT_TRUE(raced) << command;
  } else {
    const Outcome outcome = run(command);
    EXPECT_EQ(outcome.status, 1);
    EXPECT_NE(outcome.out.find(package), std::string::npos) << outcome.out;
  }
}

TEST(NnbenchRaceTest, RacesEigen) {
  expect_race("gemm --m 33 --n 20 --k 17 --layout nn,nt,tn,tt --vs eigen", NNKERNELS_HAS_EIGEN,
              "libeigen3-dev");
  expect_race("gemm --m 33 --type f64 --vs eigen", NNKERNELS_HAS_EIGEN, "libeigen3-dev");
}

TEST(NnbenchRaceTest, RacesOneDnn) {
  // Its shared library may be there where its headers are not.
  if (NNKERNELS_HAS_ONEDNN) {
    expect_race("gemm --m 33 --n 20 --k 17 --layout nn,nt,tn,tt --vs onednn", true, "");
  }
  for (const char* command :
       {"conv --size 9 --ic 3 --oc 20 --stride 2 --pad 1 --dilation 2",
        "conv --size 9 --ic 6 --oc 20 --groups 2 --pad 1",
        "conv --size 9 --ic 20 --oc 20 --groups 20 --pad 1",
        "pool --size 9 --channels 20 --kernel 3 --pad 1", "softmax --rows 5 --cols 7",
        "elementwise --size 256 --function \"relu forward\""}) {
    SCOPED_TRACE(command);
    expect_race(std::string(command) + " --vs onednn", NNKERNELS_HAS_ONEDNN, "libdnnl-dev");
  }
  expect_usage_error("conv --type f64 --vs onednn", "f32");
}

}  // namespace
