#include "kernels/sharing.h"

#include <gtest/gtest.h>

namespace nnkernels::detail {
namespace {

/// A rule and a clock that only the test moves.
class SharingTest : public testing::Test {
 protected:
  /// A loop that takes as long as estimated, after a pause: whether it was shared.
  bool loop(double microseconds, double pause = 0) {
    now_ += pause;
    const bool shared = rule_.shares(microseconds, now_);
    now_ += microseconds;
    rule_.ended(shared, now_);
    return shared;
  }

  static constexpr double kPause = 2000;

 private:
  SharingRule rule_;
  double now_ = 5e9;
};

TEST_F(SharingTest, ALongLoopIsAlwaysShared) {
  EXPECT_TRUE(loop(1000));
  EXPECT_TRUE(loop(1000, kPause));
}

TEST_F(SharingTest, AShortLoopIsSharedWhileTheWorkersAreAwake) {
  EXPECT_FALSE(loop(20));
  EXPECT_TRUE(loop(1000, kPause));
  EXPECT_TRUE(loop(20));
  EXPECT_TRUE(loop(20, 10)) << "each shared loop keeps them awake";
  EXPECT_FALSE(loop(20, kPause));
}

TEST_F(SharingTest, ShortLoopsAfterPausesNeverWakeAWorker) {
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(loop(50, kPause));
}

TEST_F(SharingTest, ARowOfShortLoopsWakesTheWorkers) {
  int alone = 0;
  while (!loop(20) && alone < 1000) ++alone;
  EXPECT_GT(alone, 2) << "two loops are not worth it";
  EXPECT_LT(alone, 20);
  EXPECT_TRUE(loop(20));
}

TEST_F(SharingTest, APauseEndsTheRow) {
  for (int i = 0; i < 50; ++i) {
    EXPECT_FALSE(loop(50, kPause));
    EXPECT_FALSE(loop(50));
  }
}

}  // namespace
}  // namespace nnkernels::detail
