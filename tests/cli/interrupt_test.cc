#include "cli/interrupt.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "cli/train_record.h"
#include "tests/cli/process.h"
#include "tests/cli/samples.h"

namespace nnkernels::cli {
namespace {

TEST(InterruptGuard, NotesTheFirstSignal) {
  const InterruptGuard guard;
  EXPECT_EQ(guard.signal(), 0);
  std::raise(SIGTERM);
  EXPECT_EQ(guard.signal(), SIGTERM);
}

TEST(InterruptGuard, ForgetsSignalsOfAnEarlierGuard) {
  {
    const InterruptGuard guard;
    std::raise(SIGINT);
    EXPECT_EQ(guard.signal(), SIGINT);
  }
  EXPECT_EQ(InterruptGuard().signal(), 0);
}

TEST(InterruptGuardDeathTest, TheSecondSignalEndsTheProcess) {
  const auto twice = [] {
    const InterruptGuard guard;
    std::raise(SIGINT);
    std::raise(SIGINT);
  };
  EXPECT_EXIT(twice(), testing::ExitedWithCode(130), "");
}

TEST(InterruptGuard, ATerminalThatClosesEndsNothing) {
  const InterruptGuard guard;
  EXPECT_FALSE(guard.take_hangup());
  std::raise(SIGHUP);
  std::raise(SIGHUP);
  EXPECT_EQ(guard.signal(), 0);
  EXPECT_TRUE(guard.take_hangup());
  EXPECT_FALSE(guard.take_hangup());
}

TEST(InterruptGuardDeathTest, HangupsStayIgnored) {
  const auto nohup = [] {
    std::signal(SIGHUP, SIG_IGN);
    const InterruptGuard guard;
    std::raise(SIGHUP);
    std::_Exit(guard.take_hangup() ? 1 : 0);
  };
  EXPECT_EXIT(nohup(), testing::ExitedWithCode(0), "");
}

TEST(InterruptGuardDeathTest, SavingIsNotDisturbed) {
  const auto save = [](int signals) {
    const InterruptGuard guard;
    guard.undisturbed([signals] {
      for (int i = 0; i < signals; ++i) std::raise(SIGINT);
      std::fputs("saved", stderr);
    });
    std::_Exit(0);
  };
  EXPECT_EXIT(save(1), testing::ExitedWithCode(0), "saved");
  EXPECT_EXIT(save(2), testing::ExitedWithCode(130), "saved");
  EXPECT_EXIT(save(3), testing::ExitedWithCode(130), "quit at once\n$");
}

TEST(InterruptGuardDeathTest, RestoresWhatWasThere) {
  const auto after = [] {
    { const InterruptGuard guard; }
    std::raise(SIGINT);
  };
  EXPECT_EXIT(after(), testing::KilledBySignal(SIGINT), "");
}

/// Trains for ever, and is stopped by `signal` in the second epoch or later.
test::Result interrupted_training(const test::TempDir& dir, int signal,
                                  const std::vector<std::string>& more = {},
                                  const test::Surroundings& surroundings = {}) {
  test::write_shapes(dir / "data");
  std::vector<std::string> arguments = {"--epochs", "1000000"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  test::Process process(test::train_shapes(dir / "data", dir / "run", arguments), surroundings);
  EXPECT_TRUE(process.wait_for("epoch       1/1000000"));
  process.send(signal);
  return process.wait();
}

TEST(Interrupt, TrainingSavesAndSaysHowToGoOn) {
  const test::TempDir dir;
  const test::Result result = interrupted_training(dir, SIGINT);
  EXPECT_EQ(result.code, 130);
  EXPECT_NE(
      result.err.find("\nnncli: stopping after this batch and saving; Ctrl-C again to quit at "
                      "once\n"),
      std::string::npos)
      << result.err;
  EXPECT_NE(result.err.find("nncli: interrupted in epoch "), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("nncli eval " + (dir / "run").string()), std::string::npos);
  EXPECT_NE(result.err.find("nncli train --resume " + (dir / "run").string()), std::string::npos);
  EXPECT_EQ(result.out, "run            " + (dir / "run").string() + "\n");

  const test::Result eval = test::nncli({"eval", (dir / "run").string()});
  EXPECT_EQ(eval.code, 0) << eval.err;
}

TEST(Interrupt, TerminationIsTheSame) {
  const test::TempDir dir;
  const test::Result result = interrupted_training(dir, SIGTERM, {"--json"});
  EXPECT_EQ(result.code, 143);
  EXPECT_NE(result.out.find("\"interrupted\": true"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("\"test_accuracy\": null"), std::string::npos) << result.out;
  EXPECT_EQ(test::nncli({"eval", (dir / "run").string()}).code, 0);
}

TEST(Interrupt, SeveralRunsAreStillOneJsonObject) {
  const test::TempDir dir;
  const test::Result result = interrupted_training(dir, SIGINT, {"--json", "--repeat", "2"});
  EXPECT_EQ(result.code, 130);
  const nlohmann::json told = nlohmann::json::parse(result.out);
  ASSERT_EQ(told["runs"].size(), 1u);
  EXPECT_EQ(told["runs"][0]["interrupted"], true);
  EXPECT_EQ(told["finished"], 0);
  EXPECT_TRUE(told["test_accuracy_mean"].is_null());
}

TEST(Interrupt, OneRunHasNoMeanAndNoDeviation) {
  std::vector<Outcome> outcomes(1);
  outcomes[0].test.accuracy = 0.5;
  EXPECT_EQ(repeats_text(outcomes), "");
  outcomes.push_back(outcomes[0]);
  EXPECT_EQ(repeats_text(outcomes), "mean of 2      50.00 %, standard deviation 0.00 %\n");
}

TEST(Interrupt, TheEndOfATerminalSavesAndTrainingGoesOn) {
  const test::TempDir dir;
  test::write_shapes(dir / "data");
  const std::filesystem::path checkpoint = dir / "run/checkpoint.safetensors";
  test::Process process(test::train_shapes(dir / "data", dir / "run", {"--epochs", "1000000"}));
  EXPECT_TRUE(process.wait_for("epoch       1/1000000"));
  process.send(SIGHUP);
  EXPECT_TRUE(process.wait_for("saved a checkpoint, training goes on"));
  EXPECT_TRUE(std::filesystem::exists(checkpoint));
  const std::size_t told = process.err().size();
  while (process.err().size() == told) std::this_thread::yield();
  process.send(SIGINT);
  EXPECT_EQ(process.wait().code, 130);
}

TEST(Interrupt, TheCodeIsTheSameWhereNobodyReadsTheResult) {
  const test::TempDir dir;
  EXPECT_EQ(interrupted_training(dir, SIGINT, {}, {.closed_pipe = true}).code, 130);
  EXPECT_EQ(test::nncli({"eval", (dir / "run").string()}).code, 0);
}

TEST(Interrupt, AReplacementTakesItsPlaceAndTheOldRunIsKept) {
  const test::TempDir dir;
  test::write_shapes(dir / "data");
  ASSERT_EQ(test::nncli(test::train_shapes(dir / "data", dir / "run")).code, 0);
  const std::string old = test::read_file(dir / "run/last.safetensors");
  const test::Result result = interrupted_training(dir, SIGINT, {"--force"});
  EXPECT_EQ(result.code, 130) << result.err;
  EXPECT_NE(result.err.find("the old run is kept as " + (dir / "run~").string()),
            std::string::npos);
  EXPECT_EQ(test::read_file(dir / "run~/last.safetensors"), old);
  EXPECT_NE(test::read_file(dir / "run/last.safetensors"), old);
}

TEST(Interrupt, BeforeTheFirstEpochIsOverTheModelIsSavedToo) {
  const test::TempDir dir;
  test::write_shapes(dir / "data");
  // Reading a pipe, nncli waits until the signal is there.
  const std::filesystem::path images = dir / "data/train-images-idx3-ubyte.gz";
  const std::string bytes = test::read_file(images);
  std::filesystem::remove(images);
  ASSERT_EQ(mkfifo(images.c_str(), 0600), 0);
  test::Process process(test::train_shapes(dir / "data", dir / "run"));
  std::FILE* pipe = std::fopen(images.c_str(), "wb");
  process.send(SIGTERM);
  EXPECT_TRUE(process.wait_for("stopping"));
  std::fwrite(bytes.data(), 1, bytes.size(), pipe);
  std::fclose(pipe);
  const test::Result result = process.wait();
  EXPECT_EQ(result.code, 143) << result.err;
  EXPECT_NE(result.err.find("interrupted in epoch 1 of 8, after batch 1 of 10"), std::string::npos)
      << result.err;
  EXPECT_EQ(test::nncli({"eval", (dir / "run").string()}).code, 0);
}

}  // namespace
}  // namespace nnkernels::cli
