#include "cli/suggest.h"

#include <gtest/gtest.h>

#include <vector>

namespace nnkernels::cli {
namespace {

const std::vector<std::string> kWords = {"train", "eval", "predict", "--epochs", "--batch-size"};

TEST(Suggest, FindsTheClosestWord) {
  EXPECT_EQ(closest("trian", kWords), "train");        // swapped
  EXPECT_EQ(closest("tain", kWords), "train");         // missing
  EXPECT_EQ(closest("--epoch", kWords), "--epochs");   // a beginning
  EXPECT_EQ(closest("--Epohcs", kWords), "--epochs");  // case, swapped
  EXPECT_EQ(closest("--batch", kWords), "--batch-size");
  EXPECT_EQ(closest("--batch_size", kWords), "--batch-size");
  EXPECT_EQ(closest("eval", kWords), "eval");
}

TEST(Suggest, SaysNothingWhereNothingIsClose) {
  EXPECT_EQ(closest("serve", kWords), "");
  EXPECT_EQ(closest("--", kWords), "");
  EXPECT_EQ(closest("", kWords), "");
  EXPECT_EQ(closest(std::string(1000, 'x'), kWords), "");
  EXPECT_EQ(closest("train", {}), "");
}

TEST(Suggest, AsksAQuestion) {
  EXPECT_EQ(did_you_mean("trian", kWords), "; did you mean train?");
  EXPECT_EQ(did_you_mean("serve", kWords), "");
}

}  // namespace
}  // namespace nnkernels::cli
