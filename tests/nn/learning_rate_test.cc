#include "nn/learning_rate.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace nnkernels::nn {
namespace {

TEST(LearningRate, FollowsItsFormula) {
  const auto rate = [](LearningRateSchedule schedule, std::int64_t step) {
    return learning_rate_at(schedule, 0.5, step, 100);
  };
  EXPECT_EQ(rate(LearningRateSchedule::constant, 0), 0.5);
  EXPECT_EQ(rate(LearningRateSchedule::constant, 99), 0.5);
  EXPECT_EQ(rate(LearningRateSchedule::cosine, 0), 0.5);
  EXPECT_DOUBLE_EQ(rate(LearningRateSchedule::cosine, 50), 0.25);
  EXPECT_NEAR(rate(LearningRateSchedule::cosine, 25), 0.25 * 1.7071067811865476, 1e-15);
  EXPECT_GT(rate(LearningRateSchedule::cosine, 99), 0);
  EXPECT_LT(rate(LearningRateSchedule::cosine, 99), 2e-4);
}

TEST(LearningRate, RefusesStepsOutsideTheRun) {
  EXPECT_THROW(learning_rate_at(LearningRateSchedule::cosine, 1, 10, 10), std::invalid_argument);
  EXPECT_THROW(learning_rate_at(LearningRateSchedule::cosine, 1, -1, 10), std::invalid_argument);
}

TEST(LearningRate, KnowsItsNames) {
  EXPECT_EQ(learning_rate_schedule_from_name("constant"), LearningRateSchedule::constant);
  EXPECT_EQ(learning_rate_schedule_from_name("cosine"), LearningRateSchedule::cosine);
  EXPECT_THROW(learning_rate_schedule_from_name("cosinus"), std::invalid_argument);
}

}  // namespace
}  // namespace nnkernels::nn
