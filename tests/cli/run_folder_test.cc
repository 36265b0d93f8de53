#include "cli/run_folder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <nlohmann/json.hpp>

#include "tests/cli/process.h"
#include "tests/cli/samples.h"

namespace nnkernels::cli {
namespace {

namespace fs = std::filesystem;
using test::nncli;
using test::read_file;
using test::Result;

class RunFolderTest : public testing::Test {
 protected:
  void SetUp() override { test::write_shapes(dir_ / "data"); }

  Result train(const std::vector<std::string>& more = {}) const {
    return nncli(test::train_shapes(dir_ / "data", run_, more));
  }
  std::vector<std::string> files() const { return names_in(run_); }
  /// The names beside the run's, and its own.
  std::vector<std::string> beside() const { return names_in(dir_.path()); }

  static std::vector<std::string> names_in(const fs::path& folder) {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder)) {
      names.push_back(entry.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  test::TempDir dir_;
  const fs::path run_ = dir_ / "run";
};

const std::vector<std::string> kRunFiles = {"checkpoint.previous.safetensors",
                                            "checkpoint.safetensors",
                                            "config.json",
                                            "last.safetensors",
                                            "metrics.jsonl",
                                            "report.html"};

TEST_F(RunFolderTest, HoldsModelConfigurationAndMetrics) {
  ASSERT_EQ(train().code, 0);
  EXPECT_EQ(files(), kRunFiles);
  const auto config = nlohmann::json::parse(read_file(run_ / "config.json"));
  EXPECT_EQ(config["model"], "mlp");
  EXPECT_EQ(config["architecture"], "flatten, affine 128, relu, affine 64, relu, affine 10");
  EXPECT_EQ(config["epochs"], 8);
  EXPECT_EQ(config["batch_size"], 20);
  EXPECT_EQ(config["optimizer"], "adam");
  EXPECT_EQ(config["lr"], 0.002);
  EXPECT_EQ(config["init"], "he");
  EXPECT_EQ(config["schedule"], "cosine");
  EXPECT_EQ(config["seed"], 1);
  EXPECT_EQ(config["dataset"], "data");
  EXPECT_EQ(config["data"], fs::canonical(dir_ / "data").string());
  EXPECT_EQ(config["command_line"][1], "train");
  for (const char* key : {"nncli", "started", "threads", "simd", "cpu", "parameters"}) {
    EXPECT_TRUE(config.contains(key)) << key;
  }
}

TEST_F(RunFolderTest, MetricsHaveOneLineAnEpoch) {
  ASSERT_EQ(train().code, 0);
  std::istringstream lines(read_file(run_ / "metrics.jsonl"));
  int epoch = 0;
  for (std::string line; std::getline(lines, line);) {
    const auto metrics = nlohmann::json::parse(line);
    EXPECT_EQ(metrics["epoch"], ++epoch);
    EXPECT_EQ(metrics.size(), 7u);
    for (const char* key :
         {"train_loss", "learning_rate", "train_seconds", "images_per_second", "test_loss"}) {
      EXPECT_GT(metrics[key].get<double>(), 0) << key;
    }
    EXPECT_LE(metrics["test_accuracy"].get<double>(), 1);
  }
  EXPECT_EQ(epoch, 8);
}

TEST_F(RunFolderTest, GetsATellingNameBelowRuns) {
  std::vector<std::string> arguments = test::train_shapes(dir_ / "data", "x", {"--json"});
  arguments.erase(std::find(arguments.begin(), arguments.end(), "--out"),
                  std::find(arguments.begin(), arguments.end(), "--epochs"));
  std::vector<std::string> runs;
  for (int i = 0; i < 3; ++i) {  // within one second, as a rule
    const Result result = nncli(arguments, {.cwd = dir_.path()});
    ASSERT_EQ(result.code, 0) << result.err;
    runs.push_back(nlohmann::json::parse(result.out)["run"]);
    EXPECT_TRUE(runs.back().starts_with("runs/mlp-20")) << runs.back();
    EXPECT_TRUE(fs::exists(dir_.path() / runs.back() / "last.safetensors"));
  }
  std::sort(runs.begin(), runs.end());
  EXPECT_EQ(std::unique(runs.begin(), runs.end()), runs.end());
}

TEST_F(RunFolderTest, AnExistingRunIsKept) {
  ASSERT_EQ(train().code, 0);
  const std::string model = read_file(run_ / "last.safetensors");
  const Result again = train({"--seed", "2"});
  EXPECT_EQ(again.code, 1);
  EXPECT_NE(again.err.find("nncli: " + run_.string() +
                           " exists; choose another --out, or replace it with --force\n"),
            std::string::npos)
      << again.err;
  EXPECT_EQ(again.out, "");
  EXPECT_EQ(read_file(run_ / "last.safetensors"), model);
}

TEST_F(RunFolderTest, ForceKeepsTheOldRunBeside) {
  ASSERT_EQ(train().code, 0);
  const std::string model = read_file(run_ / "last.safetensors");
  const Result again = train({"--seed", "2", "--epochs", "3", "--force"});
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_NE(again.err.find("nncli: the old run is kept as " + run_.string() + "~\n"),
            std::string::npos)
      << again.err;
  EXPECT_NE(read_file(run_ / "last.safetensors"), model);
  EXPECT_EQ(nlohmann::json::parse(read_file(run_ / "config.json"))["seed"], 2);
  const std::string metrics = read_file(run_ / "metrics.jsonl");
  EXPECT_EQ(std::count(metrics.begin(), metrics.end(), '\n'), 3);
  EXPECT_EQ(files(), kRunFiles);
  EXPECT_EQ(read_file(dir_ / "run~/last.safetensors"), model);
  EXPECT_EQ(beside(), (std::vector<std::string>{"data", "run", "run~"}));

  ASSERT_EQ(train({"--seed", "3", "--force"}).code, 0);
  EXPECT_EQ(nlohmann::json::parse(read_file(dir_ / "run~/config.json"))["seed"], 2);
  EXPECT_EQ(beside(), (std::vector<std::string>{"data", "run", "run~"}));
}

TEST_F(RunFolderTest, ForceRemovesNoFilesOfOthers) {
  ASSERT_EQ(train().code, 0);
  test::write_file(run_ / "notes.txt", "mine");
  ASSERT_EQ(train({"--force"}).code, 0);
  EXPECT_EQ(read_file(dir_ / "run~/notes.txt"), "mine");
  ASSERT_EQ(train({"--force"}).code, 0);
  EXPECT_EQ(read_file(dir_ / "run~/notes.txt"), "mine");
  EXPECT_EQ(beside(), (std::vector<std::string>{"data", "run", "run~", "run~2"}));
}

TEST_F(RunFolderTest, ForceThroughALinkReplacesItsTarget) {
  ASSERT_EQ(train().code, 0);
  fs::create_directory_symlink(run_, dir_ / "latest");
  const Result again = nncli(test::train_shapes(dir_ / "data", dir_ / "latest", {"--force"}));
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_TRUE(fs::is_symlink(dir_ / "latest"));
  EXPECT_EQ(beside(), (std::vector<std::string>{"data", "latest", "run", "run~"}));
}

TEST_F(RunFolderTest, AnEmptyFolderWillDo) {
  fs::create_directory(run_);
  EXPECT_EQ(train().code, 0);
  EXPECT_EQ(files(), kRunFiles);
}

TEST_F(RunFolderTest, AFailedStartRemovesTheFoldersThatItMade) {
  EXPECT_EQ(nncli(test::train_shapes(dir_ / "nothing", dir_ / "a/b/c/run")).code, 3);
  EXPECT_EQ(beside(), std::vector<std::string>{"data"});

  fs::create_directory(run_);
  EXPECT_EQ(nncli(test::train_shapes(dir_ / "nothing", run_)).code, 3);
  EXPECT_TRUE(files().empty());
}

// Which holds for root, too, unlike what is not permitted.
TEST_F(RunFolderTest, AReasonWhyAFileCannotBeLookedAtIsTold) {
  const std::string name(300, 'x');
  for (const std::vector<std::string>& words : {std::vector<std::string>{"eval", name},
                                                {"train", "--resume", name},
                                                {"train", "--model", "mlp", "--data", name}}) {
    const Result result = nncli(words);
    EXPECT_EQ(result.code, 3);
    EXPECT_EQ(result.err, "nncli: " + name + ": File name too long\n");
  }
}

TEST_F(RunFolderTest, ARunIsTrainedByOneProcessAtATime) {
  ASSERT_EQ(train().code, 0);
  for (const bool force : {false, true}) {
    const fs::path out = force ? run_ : dir_ / "other";
    std::vector<std::string> more = {"--epochs", "1000000"};
    if (force) more.emplace_back("--force");
    test::Process first(test::train_shapes(dir_ / "data", out, more));
    ASSERT_TRUE(first.wait_for("epoch       1/1000000"));
    const Result second = nncli(test::train_shapes(dir_ / "data", out, {"--force"}));
    EXPECT_EQ(second.code, 1);
    EXPECT_EQ(second.err, "nncli: " + out.string() +
                              " is being trained by another nncli; choose another --out\n");
    first.send(SIGINT);
    EXPECT_EQ(first.wait().code, 130);
  }
  EXPECT_EQ(beside(), (std::vector<std::string>{"data", "other", "run", "run~"}));
}

TEST_F(RunFolderTest, ForceReplacesNothingElse) {
  fs::create_directories(run_);
  test::write_file(run_ / "thesis.txt", "mine");
  const Result folder = train({"--force"});
  EXPECT_EQ(folder.code, 1);
  EXPECT_NE(folder.err.find("exists and is no run that --force could replace"), std::string::npos)
      << folder.err;
  EXPECT_EQ(files(), std::vector<std::string>{"thesis.txt"});

  fs::remove_all(run_);
  test::write_file(run_, "a file");
  EXPECT_EQ(train({"--force"}).code, 1);
  EXPECT_EQ(read_file(run_), "a file");
}

TEST_F(RunFolderTest, AFailedReplacementLeavesTheOldRun) {
  ASSERT_EQ(train().code, 0);
  std::vector<std::string> before;
  before.reserve(kRunFiles.size());
  for (const std::string& name : kRunFiles) before.push_back(read_file(run_ / name));
  const Result again = train({"--force", "--optimizer", "sgd", "--lr", "1e30"});
  EXPECT_EQ(again.code, 5) << again.err;
  EXPECT_EQ(files(), kRunFiles);
  for (std::size_t i = 0; i < kRunFiles.size(); ++i) {
    EXPECT_EQ(read_file(run_ / kRunFiles[i]), before[i]) << kRunFiles[i];
  }
  EXPECT_EQ(beside(), (std::vector<std::string>{"data", "run"}));
}

TEST_F(RunFolderTest, APlaceThatCannotBeWrittenFailsBeforeTraining) {
  test::write_file(dir_ / "file", "");
  const Result result = nncli(test::train_shapes(dir_ / "data", dir_ / "file/run"));
  EXPECT_EQ(result.code, 1);
  EXPECT_NE(result.err.find("nncli: cannot write " + (dir_ / "file/run").string() +
                            ": Not a directory; choose another place\n"),
            std::string::npos)
      << result.err;
  EXPECT_EQ(result.err.find("epoch"), std::string::npos) << result.err;
}

TEST_F(RunFolderTest, TheNameMayEndWithASlash) {
  ASSERT_EQ(nncli(test::train_shapes(dir_ / "data", run_.string() + "/")).code, 0);
  EXPECT_EQ(files(), kRunFiles);
}

}  // namespace
}  // namespace nnkernels::cli
