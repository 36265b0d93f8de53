#include "cli/output.h"

#include <gtest/gtest.h>

#include "tests/cli/process.h"

namespace nnkernels::cli {
namespace {

TEST(Output, FormatsNumbers) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1000), "1,000");
  EXPECT_EQ(grouped(1234567), "1,234,567");
  EXPECT_EQ(grouped(-123456), "-123,456");
  EXPECT_EQ(percent(0.98914), "98.91 %");
  EXPECT_EQ(fixed(1e300, 0).size(), 301u);
  EXPECT_EQ(scientific(1.23e-9), "1.2e-09");
  EXPECT_EQ(loss_text(0.03124), "0.0312");
  EXPECT_EQ(loss_text(0.000031), "3.1e-05");
  EXPECT_EQ(loss_text(1e30), "1.0e+30");
  EXPECT_EQ(loss_text(0), "0.0000");
}

TEST(Output, PathsAreWordsOfACommand) {
  EXPECT_EQ(shell_word("runs/mlp-2026-01-01~"), "runs/mlp-2026-01-01~");
  EXPECT_EQ(shell_word("runs/my run"), "'runs/my run'");
  EXPECT_EQ(shell_word("it's $HOME"), "'it'\\''s $HOME'");
  EXPECT_EQ(shell_word("~/run"), "'~/run'");
  EXPECT_EQ(shell_word("-run"), "./-run");
}

TEST(Output, ColumnsAreCountedInCharacters) {
  const std::string name = "\xC3\xA4\xC3\xB6\xE2\x82\xAC";  // two umlauts and a euro sign
  EXPECT_EQ(width_of(name), 3u);
  EXPECT_EQ(left(name, 5), name + "  ");
  EXPECT_EQ(right(name, 5), "  " + name);
  EXPECT_EQ(right(name, 2), name);
  EXPECT_EQ(first_of(name, 2), "\xC3\xA4\xC3\xB6");
  EXPECT_EQ(first_of(name, 4), name);
  EXPECT_EQ(first_of("plain", 2), "pl");
}

TEST(Output, FormatsDurations) {
  EXPECT_EQ(duration(0.04), "0.0 s");
  EXPECT_EQ(duration(9.94), "9.9 s");
  EXPECT_EQ(duration(9.96), "10 s");
  EXPECT_EQ(duration(59.4), "59 s");
  EXPECT_EQ(duration(59.6), "1 min 00 s");
  EXPECT_EQ(duration(75), "1 min 15 s");
  EXPECT_EQ(duration(3599.6), "1 h 00 min");
  EXPECT_EQ(duration(3900), "1 h 05 min");
}

TEST(Output, AlignsAndCleansText) {
  EXPECT_EQ(right("ab", 4), "  ab");
  EXPECT_EQ(left("ab", 4), "ab  ");
  EXPECT_EQ(right("abc", 2), "abc");
  EXPECT_EQ(left("abc", 2), "abc");
  EXPECT_EQ(one_line("a\nb\x1b[31m"), "a?b?[31m");
}

TEST(Output, FullDiskBehindStandardOutputIsAnError) {
  for (const char* command : {"--help", "info"}) {
    const test::Result result = test::nncli({command}, {.stdout_path = "/dev/full"});
    EXPECT_EQ(result.code, 1);
    EXPECT_EQ(result.err, "nncli: cannot write to standard output: No space left on device\n");
  }
}

TEST(Output, ClosedPipeIsAnError) {
  const test::Result result = test::nncli({"info"}, {.closed_pipe = true});
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.err, "nncli: cannot write to standard output: Broken pipe\n");
}

}  // namespace
}  // namespace nnkernels::cli
