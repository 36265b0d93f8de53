// What nnbench prints and writes: figures there, sensible and readable by scripts; errors one line.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "kernels/simd.h"
#include "nn/architecture.h"
#include "nn/initialize.h"
#include "nn/model_file.h"
#include "tests/bench/run_nnbench.h"

namespace {

using nnkernels::test::expect_usage_error;
using nnkernels::test::measure;
using nnkernels::test::Outcome;
using nnkernels::test::run;

/// A folder as nncli train leaves it, with a network for images of 9 x 7, two channels and three
/// classes.
std::string saved_model() {
  namespace nn = nnkernels::nn;
  auto net = nn::build<float>({9, 7, 2}, "conv 4 3x3, relu, flatten, affine 3");
  nn::initialize(net, nn::Initialization::he, 1);
  nn::ModelInfo info;
  info.classes = 3;
  const std::filesystem::path run =
      std::filesystem::path(testing::TempDir()) / ("nnbench_run_" + std::to_string(getpid()));
  std::filesystem::create_directory(run);
  nn::save_model((run / "last.safetensors").string(), net, info);
  return run.string();
}

TEST(NnbenchTest, HelpNamesEveryCommand) {
  const Outcome overview = run("--help");
  EXPECT_EQ(overview.status, 0);
  for (const char* command :
       {"gemm", "packed", "batched", "conv", "im2col", "pool", "softmax", "elementwise", "train",
        "infer", "layers", "threads", "parallel", "scaling", "peak"}) {
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
  expect_usage_error("gemm --json", "needs a value");
  expect_usage_error("gemm --no-pin=yes", "takes no value");
  expect_usage_error("gemm --threads 1,,2", "\"\"");
  expect_usage_error("gemm --m 2 --shapes odd", "excludes");
  expect_usage_error("gemm stray", "\"stray\"");
  expect_usage_error("gemm --simd mmx", "nnbench: --simd: no instruction set \"mmx\" here");
  expect_usage_error("conv --size 2 --kernel 3", "kernel");
  expect_usage_error("pool --size 2 --kernel 3", "kernel");
  expect_usage_error("train --network \"conv\"", "--network: layer 1: ");
  expect_usage_error("train --network \"conv 8 3x3, relu\"", "vector of classes");
  expect_usage_error("layers cnnn", "cnnn");
  expect_usage_error("layers \"flatten, affine 10, softmaxx\"", "softmaxx");
  expect_usage_error("scaling cnnn", "cnnn");
  expect_usage_error("layers \"conv 8 3x3\"", "vector of classes");
  expect_usage_error("threads --family gem", "expected gemm");
  expect_usage_error("elementwise --size 100", "multiple");
}

TEST(NnbenchTest, GemmReportsSpeedAndPeak) {
  const nlohmann::json document = measure("gemm --m 64 --n=48 --layout nn,tt --type f64");
  EXPECT_EQ(document["command"], "gemm");
  ASSERT_EQ(document["results"].size(), 2u);
  const nlohmann::json& result = document["results"][1];
  EXPECT_EQ(result["name"], "tt 64x48x256");
  EXPECT_EQ(result["parameters"]["n"], 48);
  const double seconds = result["seconds"];
  EXPECT_NEAR(result["gflops"].get<double>() * seconds, 2e-9 * 64 * 48 * 256, 1e-12);
  EXPECT_GT(result["peak_gflops"], 0.0);
  EXPECT_NEAR(result["percent_of_peak"].get<double>() * result["peak_gflops"].get<double>(),
              100 * result["gflops"].get<double>(), 1e-6);
}

TEST(NnbenchTest, EveryFamilyMeasures) {
  EXPECT_EQ(measure("conv --size 6 --ic 2 --oc 3")["results"].size(), 3u);
  EXPECT_EQ(measure("im2col --size 6 --ic 2")["results"].size(), 2u);
  EXPECT_EQ(measure("pool --size 6 --type f64")["results"].size(), 5u);
  EXPECT_EQ(measure("softmax --rows 5 --cols 7")["results"].size(), 6u);
  EXPECT_EQ(measure("elementwise --size 256 --threads 2")["results"].size(), 23u);
  const nlohmann::json pool = measure("pool --size 6");
  EXPECT_EQ(pool["results"][0]["level"], "L1");
  EXPECT_GT(pool["results"][0]["gigabytes_per_second"], 0.0);
  EXPECT_GT(pool["results"][0]["percent_of_copy"], 0.0);
}

TEST(NnbenchTest, PackedComparesWithPlain) {
  const nlohmann::json document =
      measure("packed --m 5 --n 70 --k 9 --layout nn,nt --type f64 --threads 1,2");
  ASSERT_EQ(document["results"].size(), 4u);
  const nlohmann::json& result = document["results"][3];
  EXPECT_EQ(result["name"], "nt 5x70x9");
  EXPECT_EQ(result["threads"], 2);
  EXPECT_GT(result["pack_seconds"], 0.0);
  const double gain =
      result["plain_seconds"].get<double>() / result["packed_seconds"].get<double>();
  EXPECT_NEAR(result["gain"].get<double>(), gain, 1e-9 * gain);
  EXPECT_EQ(measure("packed")["results"].size(), 8u);
  expect_usage_error("packed --m 5 --shapes odd", "excludes");
}

TEST(NnbenchTest, BatchedComparesWithALoop) {
  const nlohmann::json document =
      measure("batched --batch 3 --m 5 --n 7 --k 9 --layout nn,nt,tn,tt");
  ASSERT_EQ(document["results"].size(), 4u);
  EXPECT_EQ(document["results"][1]["name"], "nt 5x7x9 times 3");
  EXPECT_EQ(document["results"][1]["parameters"]["batch"], 3);
  EXPECT_GT(document["results"][1]["loop_seconds"], 0.0);
  EXPECT_EQ(measure("batched --threads 2")["results"].size(), 2u);
}

TEST(NnbenchTest, ConvolutionsMayHaveGroups) {
  const nlohmann::json document =
      measure("conv --size 6 --ic 8 --oc 4 --pad 1 --groups 4 --pass forward");
  const nlohmann::json& result = document["results"][0];
  EXPECT_EQ(result["name"], "shape 8->4 3x3 p1 g4 on 6x6 n1 forward");
  EXPECT_EQ(result["parameters"]["groups"], 4);
  // Two channels in for each of 4 x 6 x 6 results.
  EXPECT_NEAR(result["gflops"].get<double>() * result["seconds"].get<double>(),
              2e-9 * 4 * 36 * 9 * 2, 1e-12);
  expect_usage_error("conv --ic 8 --oc 4 --groups 3", "groups");
}

TEST(NnbenchTest, TrainCountsImages) {
  const nlohmann::json document =
      measure("train --network \"flatten, affine 10\" --batch-size 8 --optimizer momentum");
  ASSERT_EQ(document["results"].size(), 3u);
  const nlohmann::json& step = document["results"][2];
  EXPECT_EQ(step["parameters"]["part"], "step");
  EXPECT_NEAR(step["images_per_second"].get<double>() * step["seconds"].get<double>(), 8, 1e-9);
}

TEST(NnbenchTest, InferTakesBatchSizesThreadsAndModels) {
  const nlohmann::json document =
      measure("infer \"flatten, affine 10\" --batch-size 1,3 --threads 1,2");
  ASSERT_EQ(document["results"].size(), 8u);
  const nlohmann::json& last = document["results"][7];
  EXPECT_EQ(last["name"], "flatten, affine 10 batch 3 predict");
  EXPECT_EQ(last["threads"], 2);
  EXPECT_NEAR(last["images_per_second"].get<double>() * last["seconds"].get<double>(), 3, 1e-9);
  const std::string saved = saved_model();
  EXPECT_EQ(measure("infer --model mlp --model " + saved + " --part forward")["results"].size(),
            6u);
  std::filesystem::remove_all(saved);
  expect_usage_error("infer cnnn", "cnnn");
}

TEST(NnbenchTest, LayersNamesStagesAndLayers) {
  const nlohmann::json document =
      measure("layers \"flatten, affine 12, relu, affine 10\" --batch-size 8 --threads 1,2");
  std::vector<std::string> rows;
  for (const nlohmann::json& result : document["results"]) {
    if (result["threads"] == 1)
      rows.push_back(result["kind"].get<std::string>() + ": " + result["name"].get<std::string>());
  }
  const std::vector<std::string> expected = {"stage: flatten, affine 12, relu",
                                             "layer:   affine 12, alone",
                                             "layer:   relu, alone",
                                             "stage: affine 10",
                                             "network: network",
                                             "loss: loss and its gradient",
                                             "optimizer: optimizer",
                                             "batch: collecting the batch",
                                             "step: whole step"};
  EXPECT_EQ(rows, expected);
  EXPECT_EQ(document["results"].size(), 2 * expected.size());
  // 2 x 784 x 12 operations for each of 8 images; backward by weights alone, as nothing before
  // this stage is trained.
  const nlohmann::json& first = document["results"][0];
  for (const std::string pass : {"forward", "backward"}) {
    EXPECT_NEAR(first[pass + "_gflops"].get<double>() * first[pass + "_seconds"].get<double>(),
                2e-9 * 784 * 12 * 8, 1e-12);
  }
  const nlohmann::json& last = document["results"][3];
  EXPECT_NEAR(last["backward_gflops"].get<double>() * last["backward_seconds"].get<double>(),
              4e-9 * 12 * 10 * 8, 1e-12);
}

TEST(NnbenchTest, LayersTakesSavedModels) {
  const std::string run = saved_model();
  for (const std::string& model : {run, run + "/last.safetensors"}) {
    const nlohmann::json document = measure("layers " + model + " --batch-size 4");
    EXPECT_EQ(document["architecture"], "conv 4 3x3, relu, flatten, affine 3");
    EXPECT_EQ(document["input"], "9x7x2");
  }
  EXPECT_EQ(measure("train --network " + run + " --batch-size 4")["results"].size(), 3u);
  std::filesystem::remove_all(run);
}

TEST(NnbenchTest, WhatIsNoModelIsNamedInOneLine) {
  const std::string path =
      (std::filesystem::path(testing::TempDir()) / "nnbench_no_model").string();
  std::ofstream(path) << "no model";
  for (const std::string& model :
       {path, path + "/last.safetensors", std::string("/nonexistent/run")}) {
    const Outcome outcome = run("layers " + model);
    EXPECT_EQ(outcome.status, 1) << outcome.out;
    EXPECT_NE(outcome.out.find("nnbench: " + model), std::string::npos) << outcome.out;
    EXPECT_EQ(outcome.out.find('\n'), outcome.out.size() - 1) << outcome.out;
  }
  std::filesystem::remove(path);
}

TEST(NnbenchTest, LayersTakesTheTextOfARecipe) {
  const nlohmann::json document =
      measure("layers \"conv 2 3x3, relu, maxpool 2, flatten, affine classes\" --batch-size 4");
  EXPECT_EQ(document["architecture"], "conv 2 3x3, relu, maxpool 2, flatten, affine 10");
}

TEST(NnbenchTest, LayersRunsAsInTraining) {
  const nlohmann::json document = measure(
      "layers \"flatten, affine 12, batchnorm, relu, dropout 0.5, affine 10\" --batch-size 8");
  std::string names;
  for (const nlohmann::json& result : document["results"]) names += result["name"];
  EXPECT_NE(names.find("batchnorm"), std::string::npos) << names;
  EXPECT_NE(names.find("dropout 0.5"), std::string::npos) << names;
}

TEST(NnbenchTest, SampleWiseLayersAreOneStage) {
  const nlohmann::json document =
      measure("layers --model \"conv 2 3x3, relu, maxpool 2, flatten, affine 10\" --batch-size 4");
  EXPECT_EQ(document["results"][0]["name"], "conv 2 3x3, relu, maxpool 2, flatten");
  EXPECT_EQ(document["results"][4]["name"], "affine 10");
}

// T(p) = S + sum over loops of 1 + 0.3 log2(p) + t ceil(P / p) / P, in microseconds.
TEST(NnbenchTest, ScalingFollowsItsRule) {
  const Outcome outcome =
      run("scaling \"flatten, affine 200, relu, affine 10\" --batch-size 32 --steps 3 "
          "--threads 1,3 --json -");
  ASSERT_EQ(outcome.status, 0) << outcome.out;
  const nlohmann::json document = nlohmann::json::parse(outcome.out);
  ASSERT_GT(document["loops"].size(), 0u);
  double one = document["serial_microseconds"], three = one;
  EXPECT_GT(one, 0.0);
  for (const nlohmann::json& loop : document["loops"]) {
    const double time = loop["microseconds"], pieces = loop["pieces"];
    EXPECT_GE(pieces, 2.0);
    one += time;
    three += 1 + 0.3 * std::log2(3.0) + time * std::ceil(pieces / 3) / pieces;
  }
  ASSERT_EQ(document["predictions"].size(), 2u);
  EXPECT_NEAR(document["predictions"][0]["microseconds"].get<double>(), one, 1e-6 * one);
  EXPECT_NEAR(document["predictions"][1]["microseconds"].get<double>(), three, 1e-6 * three);
  EXPECT_NEAR(document["predictions"][1]["gain"].get<double>(), one / three, 1e-6);
}

TEST(NnbenchTest, ThreadsComparesHotAndIdle) {
  const nlohmann::json document = measure("threads --family train --threads 2");
  ASSERT_EQ(document["results"].size(), 6u);
  for (const nlohmann::json& result : document["results"]) {
    EXPECT_EQ(result["family"], "train");
    for (const std::string when : {"hot", "idle"}) {
      const double gain =
          result[when + "_seconds_one"].get<double>() / result[when + "_seconds"].get<double>();
      EXPECT_NEAR(result[when + "_gain"].get<double>(), gain, 1e-9 * gain);
      // Loops of the CNN are each long enough, whatever else the machine does.
      const bool cnn = result["name"].get<std::string>().starts_with("cnn");
      EXPECT_TRUE(result[when + "_shared"] || !cnn) << result;
    }
  }
}

TEST(NnbenchTest, ThreadsThatDoNotShareAreNoLoss) {
  const Outcome outcome =
      run("threads --family infer --threads 2 --min-time 0.001 --repetitions 1");
  ASSERT_EQ(outcome.status, 0) << outcome.out;
  EXPECT_NE(outcome.out.find("alone"), std::string::npos) << outcome.out;
  const nlohmann::json document = measure("threads --family infer --threads 1");
  for (const nlohmann::json& result : document["results"]) {
    EXPECT_FALSE(result["hot_shared"] || result["idle_shared"]) << result;
  }
}

TEST(NnbenchTest, ParallelMeasuresHotAndCold) {
  EXPECT_EQ(measure("parallel --threads 2")["results"].size(), 8u);
}

TEST(NnbenchTest, DocumentAndPictureHaveTheSamePoints) {
  const std::filesystem::path dir = testing::TempDir();
  const std::string json = (dir / "nnbench_test.json").string();
  const std::string plot = (dir / "nnbench_test.svg").string();
  const Outcome outcome =
      run("gemm --shapes mlp --min-time 0.0001 --repetitions 1 --json " + json + " --plot " + plot);
  ASSERT_EQ(outcome.status, 0) << outcome.out;
  EXPECT_NE(outcome.out.find("tn 784x128x64"), std::string::npos) << "the table is missing";
  const nlohmann::json document = nlohmann::json::parse(std::ifstream(json));
  std::stringstream picture;
  picture << std::ifstream(plot).rdbuf();
  std::size_t marks = 0;
  for (std::size_t at = 0; (at = picture.str().find("<circle", at)) != std::string::npos; ++at) {
    ++marks;
  }
  // One mark for each result, and one in the legend.
  EXPECT_EQ(marks, document["results"].size() + 1);
  for (const char* text : {"mlp nn", "mlp tn", "GFLOP/s", "cube root", ">peak<", ">nnkernels<"}) {
    EXPECT_NE(picture.str().find(text), std::string::npos) << text;
  }
  std::filesystem::remove(json);
  std::filesystem::remove(plot);
}

TEST(NnbenchTest, FilesThatCannotBeWrittenAreNoticedBeforeMeasuring) {
  // Which would take minutes.
  for (const char* command :
       {"gemm --m 8 --min-time 60 --plot ", "train --min-time 60 --json ", "scaling --json "}) {
    const Outcome missing = run(command + std::string("/nonexistent/a"));
    EXPECT_EQ(missing.status, 1);
    EXPECT_EQ(missing.out, "nnbench: cannot write /nonexistent/a: No such file or directory\n");
    const Outcome folder = run(command + testing::TempDir());
    EXPECT_EQ(folder.status, 1);
    EXPECT_NE(folder.out.find("there is something else of that name"), std::string::npos)
        << folder.out;
  }
}

TEST(NnbenchTest, TheLimitOfASingleSizeIsALineToo) {
  const std::string plot = testing::TempDir() + "nnbench_test_one.svg";
  ASSERT_EQ(run("gemm --m 8 --min-time 0.001 --repetitions 1 --plot " + plot).status, 0);
  std::stringstream picture;
  picture << std::ifstream(plot).rdbuf();
  std::filesystem::remove(plot);
  const std::string text = picture.str();
  const std::size_t begin = text.find("<polyline points=\"") + 18;
  const std::string points = text.substr(begin, text.find('"', begin) - begin);
  EXPECT_EQ(std::count(points.begin(), points.end(), ','), 2) << points;
}

TEST(NnbenchTest, MemoryThatIsNotThereIsSaid) {
  const Outcome outcome = run("gemm --m 1048576 --n 1048576 --k 1");
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.out.find("nnbench: not enough memory\n"), std::string::npos) << outcome.out;
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
  for (const char* arguments :
       {"gemm --m 8 --min-time 0.001", "gemm --m 8 --min-time 0.001 --json -", "--help",
        "gemm --help", "--version"}) {
    for (const char* output : {"2>&1 >/dev/full", "2>&1 >&-"}) {
      const Outcome outcome = run(arguments, output);
      EXPECT_EQ(outcome.status, 1) << arguments << output;
      EXPECT_EQ(outcome.out, "nnbench: cannot write to standard output\n") << arguments << output;
    }
  }
}

}  // namespace
