#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>
#include <vector>

#include "nn/checkpoint.h"
#include "tests/cli/process.h"
#include "tests/cli/samples.h"

// nncli train --resume: what it goes on with, what it refuses, what it says. That the bits are the
// same is tests/cli/kill_resume_test.cc's.
namespace nnkernels::cli {
namespace {

namespace fs = std::filesystem;
using test::nncli;
using test::read_file;
using test::Result;
using test::write_file;

class Resume : public testing::Test {
 protected:
  void SetUp() override { test::write_shapes(data_); }

  /// A run of these settings that was stopped by SIGINT in its second epoch or later.
  void interrupt(const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"--epochs", "1000000", "--schedule", "constant"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    test::Process process(test::train_shapes(data_, run_, arguments));
    ASSERT_TRUE(process.wait_for("epoch       1/1000000"));
    process.send(SIGINT);
    ASSERT_EQ(process.wait().code, 130);
  }

  /// A run that is finished.
  void train(const std::vector<std::string>& more = {}) const {
    const Result result = nncli(test::train_shapes(data_, run_, more));
    ASSERT_EQ(result.code, 0) << result.err;
  }

  Result resume(const std::vector<std::string>& more = {},
                const test::Surroundings& surroundings = {}) const {
    std::vector<std::string> arguments = {"train", "--resume", run_.string(), "--quiet"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return nncli(arguments, surroundings);
  }

  void expect_refusal(int code, const std::vector<std::string>& words,
                      const std::vector<std::string>& more = {}) const {
    const Result result = resume(more);
    EXPECT_EQ(result.code, code) << result.err;
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    for (const std::string& word : words) {
      EXPECT_NE(result.err.find(word), std::string::npos) << word << " in " << result.err;
    }
  }

  static void damage(const fs::path& file) {
    std::string bytes = read_file(file);
    bytes[bytes.size() / 2] ^= 1;
    write_file(file, bytes);
  }

  test::TempDir dir_;
  const fs::path data_ = dir_ / "data";
  fs::path run_ = dir_ / "run";
  const fs::path checkpoint_ = run_ / "checkpoint.safetensors";
  const fs::path previous_ = run_ / "checkpoint.previous.safetensors";
};

TEST_F(Resume, AFinishedRunSaysSo) {
  train();
  const std::string before = read_file(checkpoint_);
  const Result result = resume();
  EXPECT_EQ(result.code, 0);
  EXPECT_NE(result.err.find(run_.string() + " is finished"), std::string::npos) << result.err;
  EXPECT_EQ(read_file(checkpoint_), before);
}

TEST_F(Resume, ACommandThatIsPrintedCanBePasted) {
  run_ = dir_ / "my run";
  train();
  EXPECT_NE(resume().err.find("`nncli eval '" + run_.string() + "'` tests it"), std::string::npos);
}

TEST_F(Resume, AFinishedRunIsOneJsonObjectAsItWasAtItsEnd) {
  // The accuracy is reached within the first epoch, or never.
  for (const char* until : {"0.01", "0"}) {
    const Result trained =
        nncli(test::train_shapes(data_, run_,
                                 {"--json", "--force", "--validation", "0.2", "--loss", "squared",
                                  "--log-every", "5", "--until", until}));
    ASSERT_EQ(trained.code, 0) << trained.err;
    const auto json = nlohmann::json::parse(trained.out);
    EXPECT_EQ(json.contains("stopped_by"), until == std::string("0.01"));
    const Result result = resume({"--json"});
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(nlohmann::json::parse(result.out), json);
  }
  damage(data_ / "t10k-images-idx3-ubyte");
  EXPECT_EQ(resume({"--json"}).code, 2);
}

TEST_F(Resume, MoreEpochsAreThoseOfALongerRun) {
  train({"--epochs", "6", "--schedule", "step", "--decay-every", "4"});
  const std::string whole = read_file(run_ / "last.safetensors");
  const std::string metrics = read_file(run_ / "metrics.jsonl");
  fs::remove_all(run_);
  train({"--epochs", "3", "--schedule", "step", "--decay-every", "4"});
  const Result result = resume({"--epochs", "6"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(read_file(run_ / "last.safetensors") == whole);
  const std::regex times(R"re("(train_seconds|images_per_second)": [^,]*, )re");
  EXPECT_EQ(std::regex_replace(read_file(run_ / "metrics.jsonl"), times, ""),
            std::regex_replace(metrics, times, ""));
  EXPECT_NE(read_file(run_ / "config.json").find("\"epochs\": 6"), std::string::npos);
  expect_refusal(2, {"--epochs", "not shorter", "6"}, {"--epochs", "5"});
}

TEST_F(Resume, MoreEpochsNeedAScheduleThatDoesNotCare) {
  train({"--schedule", "cosine"});
  expect_refusal(2, {"--epochs", "schedule cosine"}, {"--epochs", "9"});
}

TEST_F(Resume, HasItsOwnSettings) {
  train();
  expect_refusal(2, {"--lr: does not go with --resume"}, {"--lr", "1"});
  expect_refusal(2, {"--out: does not go with --resume"}, {"--out", "elsewhere"});
  expect_refusal(2, {"--model: does not go with --resume"}, {"--model", "mlp"});
  expect_refusal(2, {"--repeat: does not go with --resume"}, {"--repeat", "2"});
  expect_refusal(2, {"--force: does not go with --resume"}, {"--force"});
  expect_refusal(2, {"--checkpoint-every: expected a number of minutes"},
                 {"--checkpoint-every", "often"});
}

TEST_F(Resume, NeedsARunWithACheckpoint) {
  expect_refusal(3, {run_.string(), "no such run"});
  fs::create_directory(run_);
  expect_refusal(3, {run_.string(), "is no run"});
  fs::remove(run_);
  train();
  fs::remove(checkpoint_);
  fs::remove(previous_);
  expect_refusal(3, {run_.string(), "holds no checkpoint"});
}

TEST_F(Resume, NoticesOtherData) {
  interrupt();
  const fs::path labels = data_ / "train-labels-idx1-ubyte";
  const std::string bytes = read_file(labels);
  write_file(labels, bytes.substr(0, bytes.size() - 1) + '\1');
  expect_refusal(2, {data_.string(), "does not hold the images that " + run_.string()});
  const fs::path images = data_ / "t10k-images-idx3-ubyte";
  write_file(labels, bytes);
  damage(images);
  expect_refusal(2, {data_.string(), "does not hold the images that " + run_.string()});
}

TEST_F(Resume, FallsBackToTheCheckpointBefore) {
  train({"--checkpoint-every", "0"});
  const std::string whole = read_file(run_ / "last.safetensors");
  damage(checkpoint_);
  fs::remove(run_ / "last.safetensors");
  const Result result = resume();
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.err.find(checkpoint_.string() + ": the file is damaged"), std::string::npos)
      << result.err;
  EXPECT_NE(result.err.find("going on from the checkpoint before it"), std::string::npos);
  EXPECT_TRUE(read_file(run_ / "last.safetensors") == whole);
  // As if killed between the two renames of a save.
  fs::remove(checkpoint_);
  EXPECT_EQ(resume().code, 0);
  EXPECT_TRUE(read_file(run_ / "last.safetensors") == whole);
}

TEST_F(Resume, TwoDamagedCheckpointsAreABadFile) {
  train({"--checkpoint-every", "0"});
  damage(checkpoint_);
  damage(previous_);
  expect_refusal(3, {run_.string(), "neither checkpoint can be used", "damaged"});
}

TEST_F(Resume, ClearsAwayWhatAKilledSaveHasLeft) {
  interrupt();
  const fs::path left = run_ / "last.safetensors.tmp-1-1";
  const fs::path foreign = run_ / "notes.tmp-1-1";
  write_file(left, "half of a mod");
  write_file(foreign, "mine");
  test::Process process({"train", "--resume", run_.string()});
  ASSERT_TRUE(process.wait_for("resuming: training mlp"));
  ASSERT_TRUE(process.wait_for("/1000000"));
  process.send(SIGTERM);
  EXPECT_EQ(process.wait().code, 143);
  EXPECT_FALSE(fs::exists(left));
  EXPECT_TRUE(fs::exists(foreign));
}

TEST_F(Resume, DropsALineThatAKillHasTorn) {
  train({"--checkpoint-every", "0", "--epochs", "3"});
  const fs::path metrics = run_ / "metrics.jsonl";
  fs::rename(previous_, checkpoint_);  // of the last epoch, before it was judged
  const std::string text = read_file(metrics);
  write_file(metrics, text.substr(0, text.size() - 20));
  ASSERT_EQ(resume().code, 0);
  const std::string again = read_file(metrics);
  EXPECT_EQ(std::count(again.begin(), again.end(), '\n'), 3) << again;
  EXPECT_EQ(again.rfind("{\"epoch\": 3"), again.rfind("{"));
}

TEST_F(Resume, WorksFromAnotherFolder) {
  const test::Surroundings there = {.cwd = dir_.path()};
  test::Process process(test::train_shapes("data", "run", {"--epochs", "1000000"}), there);
  ASSERT_TRUE(process.wait_for("epoch       1/1000000"));
  process.send(SIGINT);
  ASSERT_EQ(process.wait().code, 130);
  test::Process resumed({"train", "--resume", run_.string()});
  ASSERT_TRUE(resumed.wait_for("/1000000")) << resumed.err();
  resumed.send(SIGINT);
  EXPECT_EQ(resumed.wait().code, 130);
}

TEST_F(Resume, OneProcessAtATime) {
  test::Process process(test::train_shapes(data_, run_, {"--epochs", "1000000"}));
  ASSERT_TRUE(process.wait_for("epoch       1/1000000"));
  expect_refusal(
      1, {run_.string(), "is being trained by another nncli; wait until that is done, or stop it"});
}

// 64 KiB hold the model of 8 x 8 images, but no checkpoint beside it.
TEST_F(Resume, AFullDiskKeepsWhatThereIsAndTrainingGoesOn) {
  const fs::path disk = dir_ / "disk";
  fs::create_directories(disk);
  const Result result =
      nncli({"train", "--arch", "flatten, affine 64, relu, affine classes", "--data", "digits",
             "--epochs", "3", "--quiet", "--out", (disk / "run").string()},
            {.full_disk = disk});
  if (result.code == test::kCannotPrepare) GTEST_SKIP() << "no file systems may be mounted here";
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.err.find("cannot write " + (disk / "run/checkpoint.safetensors").string() +
                            ": No space left on device; training goes on"),
            std::string::npos)
      << result.err;
  EXPECT_NE(result.err.find("cannot write " + (disk / "run/report.html").string() +
                            ": No space left on device; the network is saved"),
            std::string::npos)
      << result.err;
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 2) << result.err;
}

TEST_F(Resume, ALimitOfFileSizesKeepsTheOldCheckpoint) {
  interrupt();
  const std::string before = read_file(checkpoint_);
  const std::vector<std::string> words = {"train", "--resume", run_.string()};
  test::Process process(words, {.file_size_limit = 1 << 14});
  ASSERT_TRUE(process.wait_for("File too large; training goes on")) << process.err();
  process.send(SIGINT);
  const Result result = process.wait();
  EXPECT_EQ(result.code, 1) << result.err;
  EXPECT_TRUE(read_file(checkpoint_) == before);
  EXPECT_EQ(nncli({"eval", run_.string()}).code, 0);
  EXPECT_NO_THROW(nn::Checkpoint(checkpoint_.string()));
}

TEST_F(Resume, AReadOnlyFolderKeepsWhatThereIsAndTrainingGoesOn) {
  // A run that the signal met between the line of an epoch and the next epoch would first have to
  // take back that line.
  std::int64_t lines = 0, epoch = 0;
  for (int tries = 0; lines >= epoch; ++tries) {
    ASSERT_LT(tries, 20);
    fs::remove_all(run_);
    interrupt();
    if (HasFatalFailure()) return;
    const std::string metrics = read_file(run_ / "metrics.jsonl");
    lines = std::count(metrics.begin(), metrics.end(), '\n');
    epoch = std::stoll(nn::Checkpoint(checkpoint_.string()).metadata("nnkernels.epoch"));
  }
  const std::string before = read_file(checkpoint_);
  test::Process process({"train", "--resume", run_.string()}, {.read_only = run_});
  const bool told = process.wait_for("Read-only file system; training goes on");
  process.send(SIGINT);
  const Result result = process.wait();
  if (result.code == test::kCannotPrepare) GTEST_SKIP() << "no file systems may be mounted here";
  EXPECT_TRUE(told) << result.err;
  EXPECT_EQ(result.code, 1) << result.err;
  EXPECT_TRUE(read_file(checkpoint_) == before);
  EXPECT_EQ(nncli({"eval", run_.string()}).code, 0);
  EXPECT_NO_THROW(nn::Checkpoint(checkpoint_.string()));
}

}  // namespace
}  // namespace nnkernels::cli
