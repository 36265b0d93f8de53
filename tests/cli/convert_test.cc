#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "nn/weight_file.h"
#include "tests/cli/process.h"
#include "tests/cli/samples.h"

namespace nnkernels::cli {
namespace {

using test::nncli;
using test::Result;

/// A trained network that the tests share: training takes longest.
class Convert : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    dir_ = new test::TempDir;
    test::write_shapes(path("data"));
    ASSERT_EQ(nncli({"train", "--arch", kArch, "--data", path("data"), "--out", path("run"),
                     "--epochs", "1", "--batch-size", "20"})
                  .code,
              0);
  }
  static void TearDownTestSuite() {
    delete dir_;
    dir_ = nullptr;
  }

  static std::string path(const std::string& name) { return (*dir_ / name).string(); }
  static std::string model() { return path("run/last.safetensors"); }

  /// The trained weights as a file that somebody else made.
  static std::string bare(const std::string& name, const std::string& layout) {
    EXPECT_EQ(nncli({"convert", path("run"), path(name), "--layout", layout}).code, 0);
    nn::WeightFile file = nn::read_weight_file(path(name));
    file.texts.clear();
    nn::write_weight_file(path(name), file);
    return path(name);
  }

  static constexpr const char* kArch =
      "conv 4 5x5, batchnorm, relu, maxpool 2, flatten, affine 20, relu, affine 10";

 private:
  static test::TempDir* dir_;
};

test::TempDir* Convert::dir_ = nullptr;

TEST_F(Convert, AFileOfWeightsIsNoModelButBecomesOne) {
  for (const char* name : {"weights.npz", "weights.safetensors"}) {
    const std::string file = bare(name, "torch");
    for (const char* command : {"eval", "inspect"}) {
      const Result result = nncli({command, file});
      EXPECT_EQ(result.code, 3);
      EXPECT_EQ(result.err,
                "nncli: " + file + ": is a file of weights; `nncli convert` makes a model of it\n");
    }
  }
}

TEST_F(Convert, ThereAndBackGivesTheSameBytes) {
  for (const char* layout : {"ours", "torch", "tutorial"}) {
    for (const char* name : {"there.npz", "there.safetensors"}) {
      SCOPED_TRACE(std::string(layout) + " " + name);
      const Result there = nncli({"convert", path("run"), path(name), "--layout", layout});
      EXPECT_EQ(there.code, 0) << there.err;
      EXPECT_EQ(there.out,
                path(name) + ": " + kArch + "; 11,862 parameters, layout " + layout + "\n");
      const Result back = nncli({"convert", path(name), path("back.safetensors")});
      EXPECT_EQ(back.code, 0) << back.err;
      EXPECT_EQ(test::read_file(path("back.safetensors")), test::read_file(model()));
    }
  }
}

TEST_F(Convert, ReadsBareWeights) {
  const std::string accuracy = nncli({"eval", path("run")}).out;
  for (const char* layout : {"torch", "tutorial"}) {
    const std::string file = bare("bare.npz", layout);
    const Result result = nncli({"convert", file, path("model.safetensors"), "--arch", kArch});
    EXPECT_EQ(result.code, 0) << result.err;
    EXPECT_NE(
        result.out.find(layout == std::string("torch") ? "5.w             from 5.weight [20, 576]\n"
                                                       : "5.w             from w2 [576, 20]\n"),
        std::string::npos)
        << result.out;
    EXPECT_EQ(nncli({"eval", path("model.safetensors"), "--data", path("data")}).out, accuracy);
  }
  // Another preprocessing is another model.
  const Result scaled = nncli({"convert", path("bare.npz"), path("scaled.npz"), "--arch", kArch,
                               "--scale", "0.5", "--shift", "-1e-3", "--from-layout", "tutorial"});
  EXPECT_EQ(scaled.code, 0) << scaled.err;
  const auto texts = nn::read_weight_file(path("scaled.npz")).texts;
  EXPECT_EQ(texts.at("nnkernels.scale"), "0.5");
  EXPECT_EQ(texts.at("nnkernels.shift"), "-0.001");
}

TEST_F(Convert, AFileThatDoesNotFitIsToldApart) {
  const std::string file = bare("bare.npz", "torch");
  const std::string small = path("small.npz");
  test::write_file(path("text.npz"), "this is no archive");
  const std::pair<std::vector<std::string>, std::string> cases[] = {
      {{file, small, "--arch", "flatten, affine 10"},
       file + ": array \"0.weight\": expected shape [10, 784] for 1.w (Affine 784->10), found [4, "
              "1, 5, 5]"},
      {{file, small, "--arch", kArch, "--from-layout", "tutorial"}, file + ": no array \"w1\": "},
      {{file, small, "--arch", kArch, "--modules", "0,1,5,8"}, file + ": no arrays \"8.*\""},
      {{path("nothing"), small}, path("nothing") + ": "},
      {{path("text.npz"), small, "--arch", kArch}, path("text.npz") + ": "}};
  for (const auto& [arguments, message] : cases) {
    std::vector<std::string> all = {"convert"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const Result result = nncli(all);
    EXPECT_EQ(result.code, 3) << result.err;
    EXPECT_EQ(result.out, "");
    EXPECT_TRUE(result.err.starts_with("nncli: " + message)) << result.err;
    EXPECT_EQ(result.err.find('\n'), result.err.size() - 1) << result.err;
    EXPECT_EQ(test::read_file(small), "");
  }
}

TEST_F(Convert, WrongUsageIsTold) {
  const std::string file = bare("bare.npz", "torch");
  const std::string to = path("to.npz");
  const std::pair<std::vector<std::string>, std::string> cases[] = {
      {{model(), path("to.onnx")}, "TO: expected a name ending in .safetensors or .npz, got "},
      {{path("run"), model(), "--layout", "torch"}, "TO: " + model() + " is the file that is read"},
      {{model(), to, "--arch", kArch}, "convert: " + model() + " tells its own network; --arch"},
      {{model(), to, "--scale", "1"}, "convert: " + model() + " tells its own network; --arch"},
      {{model(), to, "--layout", "pytorch"}, "--layout: "},
      {{file, to}, "convert: " + file + " holds bare weights; tell the network"},
      {{file, to, "--arch", "rleu"}, "--arch: layer 1: unknown layer \"rleu\"; did you mean"},
      {{file, to, "--arch", "conv 4 5x5, flatten"},
       "--arch: the network's outputs are the numbers"},
      {{file, to, "--arch", "conv 4 5x5"}, "--arch: the architecture gives an output of shape"},
      {{file, to, "--arch", kArch, "--input", "28x"},
       "--input: expected height x width x channels"},
      {{file, to, "--arch", kArch, "--scale", "inf"}, "--scale: expected a number, got \"inf\""},
      {{file, to, "--arch", kArch, "--modules", "a", "--from-layout", "ours"},
       "--modules: goes with the layout torch, not with ours"}};
  for (const auto& [arguments, message] : cases) {
    std::vector<std::string> all = {"convert"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const Result result = nncli(all);
    EXPECT_EQ(result.code, 2) << result.err;
    EXPECT_TRUE(result.err.starts_with("nncli: " + message)) << result.err;
    EXPECT_EQ(test::read_file(to), "");
  }
}

/// Every file of a folder and what it holds.
std::map<std::string, std::string> contents(const std::filesystem::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    files[entry.path().filename().string()] = test::read_file(entry.path());
  }
  return files;
}

// What a run is made of is never replaced by what is made from it.
TEST_F(Convert, TheFilesOfARunAreRefused) {
  const std::string run = path("run");
  std::filesystem::create_symlink("run", path("link"));
  std::filesystem::create_symlink("run/last.safetensors", path("last.npz"));
  std::filesystem::create_symlink("run/metrics.jsonl", path("page.html"));
  const auto before = contents(run);
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"export", run, "--onnx", model()},
           {"export", run, "--onnx", run + "/report.html"},
           {"export", run, "--onnx", path("link/config.json")},
           {"convert", run, run + "/checkpoint.safetensors"},
           {"convert", run, run + "/best.safetensors"},
           {"convert", model(), run + "/best.safetensors"},
           {"convert", run, path("link/best.safetensors")},
           {"convert", run, path("last.npz")},
           {"report", run, "--out", model()},
           {"report", run, "--out", path("page.html")},
           {"eval", run, "--report", run + "/metrics.jsonl"},
           {"train", "--arch", kArch, "--data", path("data"), "--out", path("new"), "--epochs", "1",
            "--report", model()}}) {
    const Result result = nncli(words);
    EXPECT_EQ(result.code, 2) << words[0] << " " << words.back() << ": " << result.err;
    EXPECT_NE(result.err.find("; choose another\n"), std::string::npos) << result.err;
    EXPECT_EQ(result.out, "");
    EXPECT_FALSE(std::filesystem::exists(path("new")));
    EXPECT_EQ(contents(run), before) << words[0] << " " << words.back();
  }
  EXPECT_EQ(nncli({"report", run, "--out", run + "/report.html"}).code, 0);
  EXPECT_EQ(nncli({"convert", run, run + "/mine.npz"}).code, 0);
}

TEST_F(Convert, AnUnwritablePlaceIsToldAndLeavesNothing) {
  const Result result = nncli({"convert", model(), path("no/such/folder.npz")});
  EXPECT_EQ(result.code, 1);
  EXPECT_NE(result.err.find("cannot write"), std::string::npos) << result.err;
}

TEST_F(Convert, ExportWritesOnnx) {
  const Result result = nncli({"export", path("run"), "--onnx", path("net.onnx")});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(result.out.starts_with(path("net.onnx") + ": " + kArch + "; ")) << result.out;
  const std::string onnx = test::read_file(path("net.onnx"));
  EXPECT_NE(onnx.find("BatchNormalization"), std::string::npos);
  EXPECT_EQ(nncli({"export", path("run")}).code, 2);
  EXPECT_EQ(nncli({"export", path("nothing"), "--onnx", path("x.onnx")}).code, 3);
  EXPECT_EQ(nncli({"export", path("run"), "--onnx", path("no/such/x.onnx")}).code, 1);
}

}  // namespace
}  // namespace nnkernels::cli
