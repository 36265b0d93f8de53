#include "cli/progress.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "tests/cli/process.h"
#include "tests/cli/samples.h"

namespace nnkernels::cli {
namespace {

const nn::BatchProgress kBatch = {.epoch = 3,
                                  .epochs = 10,
                                  .batch = 25,
                                  .batches = 600,
                                  .samples = 2500,
                                  .loss = 0.03121,
                                  .epoch_seconds = 0.1};

TEST(Progress, LiveLineHoldsEverything) {
  EXPECT_EQ(live_line(kBatch, 46210.4, 75, 80),
            "epoch  3/10  batch  25/600  loss 0.0312  46,210 images/s  1 min 15 s left");
}

TEST(Progress, LiveLineFitsTheTerminal) {
  for (std::size_t columns = 0; columns < 80; ++columns) {
    const std::string line = live_line(kBatch, 46210, 75, columns);
    EXPECT_LT(line.size(), std::max<std::size_t>(columns, 1)) << columns;
  }
  EXPECT_EQ(live_line(kBatch, 46210, 75, 40), "epoch  3/10  batch  25/600  loss 0.0312");
}

TEST(Progress, EpochLine) {
  nn::Evaluation test;
  test.accuracy = 0.98711;
  test.loss = 0.0401;
  EXPECT_EQ(
      epoch_line({.epoch = 3, .epochs = 10, .samples = 60000, .loss = 0.0312, .epoch_seconds = 1.3},
                 test, "test"),
      "epoch  3/10  loss 0.0312  test accuracy 98.71 %  1.3 s  46,154 images/s");
  const std::string longest = epoch_line(
      {.epoch = 999999, .epochs = 1000000, .samples = 10000000, .loss = 1e-9, .epoch_seconds = 100},
      test, "test");
  EXPECT_LE(longest.size(), 79u);
  EXPECT_TRUE(longest.ends_with("  1 min 40 s")) << longest;
}

TEST(Progress, PlainLinesWhereThereIsNoTerminal) {
  const test::TempDir dir;
  test::write_shapes(dir / "data");
  const test::Result result = test::nncli(test::train_shapes(dir / "data", dir / "run"));
  EXPECT_EQ(result.code, 0) << result.err;
  std::istringstream lines(result.err);
  std::string line;
  std::getline(lines, line);
  EXPECT_TRUE(line.starts_with("training mlp with adam, ")) << line;
  for (int epoch = 1; epoch <= 8; ++epoch) {
    std::getline(lines, line);
    EXPECT_TRUE(line.starts_with("epoch " + std::to_string(epoch) + "/8  loss ")) << line;
  }
  EXPECT_FALSE(std::getline(lines, line)) << line;
  EXPECT_EQ(result.err.find('\r'), std::string::npos);
  EXPECT_EQ(result.err.find('\x1b'), std::string::npos);
}

TEST(Progress, QuietSaysNothing) {
  const test::TempDir dir;
  test::write_shapes(dir / "data");
  const test::Result result = test::nncli(test::train_shapes(dir / "data", dir / "run", {"-q"}));
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.err, "");
  EXPECT_TRUE(result.out.starts_with("test accuracy  ")) << result.out;
}

/// Everything that arrives at the terminal until nncli has closed its end.
std::string read_terminal(int terminal) {
  std::string text;
  char buffer[4096];
  for (ssize_t n; (n = read(terminal, buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(n));
  }
  return text;
}

TEST(Progress, OneLineIsDrawnAgainOnATerminal) {
  const test::TempDir dir;
  test::write_shapes(dir / "data");
  const int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  ASSERT_GE(terminal, 0);
  ASSERT_EQ(grantpt(terminal), 0);
  ASSERT_EQ(unlockpt(terminal), 0);
  const int side = open(ptsname(terminal), O_RDWR | O_NOCTTY | O_CLOEXEC);
  ASSERT_GE(side, 0);
  const struct winsize size = {.ws_row = 24, .ws_col = 40, .ws_xpixel = 0, .ws_ypixel = 0};
  ASSERT_EQ(ioctl(side, TIOCSWINSZ, &size), 0);

  test::Process process(test::train_shapes(dir / "data", dir / "run"), side);
  close(side);
  const std::string text = read_terminal(terminal);
  EXPECT_EQ(process.wait().code, 0);
  close(terminal);

  // Drawn at the first batch, cleared for the first epoch's line, no wider than the terminal.
  EXPECT_NE(text.find("\r\x1b[Kepoch 1/8  batch  1/10  loss "), std::string::npos) << text;
  EXPECT_EQ(text.find("images/s  left"), std::string::npos);
  EXPECT_NE(text.find("\r\x1b[Kepoch 1/8  loss "), std::string::npos) << text;
  EXPECT_NE(text.find("epoch 8/8  loss "), std::string::npos) << text;
}

}  // namespace
}  // namespace nnkernels::cli
