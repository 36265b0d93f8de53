#include "cli/interrupt.h"

#include <gtest/gtest.h>

#include <csignal>

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

TEST(InterruptGuardDeathTest, RestoresWhatWasThere) {
  const auto after = [] {
    { const InterruptGuard guard; }
    std::raise(SIGINT);
  };
  EXPECT_EXIT(after(), testing::KilledBySignal(SIGINT), "");
}

/// Trains for ever, and is stopped by `signal` in the second epoch or later.
test::Result interrupted_training(const test::TempDir& dir, int signal,
                                  const std::vector<std::string>& more = {}) {
  test::write_shapes(dir / "data");
  std::vector<std::string> arguments = {"--epochs", "1000000"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  test::Process process(test::train_shapes(dir / "data", dir / "run", arguments));
  EXPECT_TRUE(process.wait_for("epoch       1/1000000"));
  process.send(signal);
  return process.wait();
}

TEST(Interrupt, TrainingSavesAndSaysHowToGoOn) {
  const test::TempDir dir;
  const test::Result result = interrupted_training(dir, SIGINT);
  EXPECT_EQ(result.code, 130);
  EXPECT_NE(result.err.find("nncli: interrupted in epoch "), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("nncli eval " + (dir / "run").string()), std::string::npos);
  EXPECT_NE(result.out.find("test accuracy"), std::string::npos);

  const test::Result eval = test::nncli({"eval", (dir / "run").string()});
  EXPECT_EQ(eval.code, 0) << eval.err;
}

TEST(Interrupt, TerminationIsTheSame) {
  const test::TempDir dir;
  const test::Result result = interrupted_training(dir, SIGTERM, {"--json"});
  EXPECT_EQ(result.code, 143);
  EXPECT_NE(result.out.find("\"interrupted\": true"), std::string::npos) << result.out;
  EXPECT_EQ(test::nncli({"eval", (dir / "run").string()}).code, 0);
}

}  // namespace
}  // namespace nnkernels::cli
