#include <gtest/gtest.h>

#include "tests/cli/process.h"

namespace nnkernels::cli {
namespace {

// 47 MB of them are the images, 8 those to test on.
TEST(Memory, TrainingTheCnnOnMnistTakesLittle) {
  const test::TempDir dir;
  const test::Result result = test::nncli({"train", "--model", "cnn", "--steps", "20", "--threads",
                                           "2", "--out", (dir / "run").string()});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_LE(result.peak_memory, 130'000'000);
}

}  // namespace
}  // namespace nnkernels::cli
