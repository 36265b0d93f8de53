#include "nn/learning_rate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <numbers>
#include <stdexcept>

namespace nnkernels::nn {
namespace {

using Kind = LearningRateSchedule::Kind;
constexpr RunLength kRun{.steps = 100, .steps_per_epoch = 10};

double rate(const LearningRateSchedule& schedule, std::int64_t step) {
  return learning_rate_at(schedule, 0.5, step, kRun);
}

TEST(LearningRate, ConstantAndCosineFollowTheirFormulas) {
  EXPECT_EQ(rate({}, 0), 0.5);
  EXPECT_EQ(rate({}, 99), 0.5);
  const LearningRateSchedule cosine{.kind = Kind::cosine};
  EXPECT_EQ(rate(cosine, 0), 0.5);
  EXPECT_DOUBLE_EQ(rate(cosine, 50), 0.25);
  EXPECT_NEAR(rate(cosine, 25), 0.25 * 1.7071067811865476, 1e-15);
  EXPECT_GT(rate(cosine, 99), 0);
  EXPECT_LT(rate(cosine, 99), 2e-4);
}

TEST(LearningRate, StepAndExponentialChangeBetweenEpochs) {
  const LearningRateSchedule step{.kind = Kind::step, .step_epochs = 3, .gamma = 0.25};
  EXPECT_EQ(rate(step, 0), 0.5);
  EXPECT_EQ(rate(step, 29), 0.5);
  EXPECT_DOUBLE_EQ(rate(step, 30), 0.125);
  EXPECT_DOUBLE_EQ(rate(step, 59), 0.125);
  EXPECT_DOUBLE_EQ(rate(step, 99), 0.5 / 64);
  const LearningRateSchedule exponential{.kind = Kind::exponential, .gamma = 0.5};
  EXPECT_EQ(rate(exponential, 9), 0.5);
  EXPECT_DOUBLE_EQ(rate(exponential, 10), 0.25);
  EXPECT_DOUBLE_EQ(rate(exponential, 99), 0.5 / 512);
}

// PyTorch's OneCycleLR in its own words: initial_lr = max_lr / div_factor, min_lr = initial_lr /
// final_div_factor, the first phase ends in step pct_start * total_steps - 1, the second in the
// last step.
TEST(LearningRate, OneCycleIsPyTorchs) {
  const LearningRateSchedule schedule{
      .kind = Kind::one_cycle, .pct_start = 0.25, .div_factor = 10, .final_div_factor = 100};
  EXPECT_DOUBLE_EQ(rate(schedule, 0), 0.05);
  EXPECT_DOUBLE_EQ(rate(schedule, 24), 0.5);
  EXPECT_DOUBLE_EQ(rate(schedule, 12), (0.05 + 0.5) / 2);
  EXPECT_DOUBLE_EQ(rate(schedule, 99), 0.0005);
  EXPECT_NEAR(rate(schedule, 49),
              0.0005 + (0.5 - 0.0005) / 2 * (1 + std::cos(std::numbers::pi / 3)), 1e-15);
  EXPECT_EQ(rate({.kind = Kind::one_cycle, .pct_start = 1}, 99), 0.5);
  // Runs too short for a rise still end at the lowest rate, and no step is not a number.
  for (std::int64_t steps = 1; steps <= 8; ++steps) {
    for (std::int64_t step = 0; step < steps; ++step) {
      const double short_rate = learning_rate_at(schedule, 0.5, step, {steps, 1});
      EXPECT_GE(short_rate, 0.0005) << step << " of " << steps;
      EXPECT_LE(short_rate, 0.5) << step << " of " << steps;
    }
    EXPECT_DOUBLE_EQ(learning_rate_at(schedule, 0.5, steps - 1, {steps, 1}), 0.0005);
  }
}

TEST(LearningRate, WarmUpComesBeforeAnySchedule) {
  const LearningRateSchedule constant{.warmup_epochs = 0.4};
  EXPECT_DOUBLE_EQ(rate(constant, 0), 0.1);
  EXPECT_DOUBLE_EQ(rate(constant, 3), 0.4);
  EXPECT_DOUBLE_EQ(rate(constant, 4), 0.5);
  const LearningRateSchedule cosine{.kind = Kind::cosine, .warmup_epochs = 2};
  EXPECT_DOUBLE_EQ(rate(cosine, 19), 0.5 * 20 / 21);
  EXPECT_DOUBLE_EQ(rate(cosine, 20), 0.5);
  EXPECT_DOUBLE_EQ(rate(cosine, 60), 0.25);
  const LearningRateSchedule step{
      .kind = Kind::step, .warmup_epochs = 1, .step_epochs = 2, .gamma = 0.5};
  EXPECT_DOUBLE_EQ(rate(step, 29), 0.5);
  EXPECT_DOUBLE_EQ(rate(step, 30), 0.25);
  // Each step of a warm-up has its rate whether the run ends before or not.
  const LearningRateSchedule longer{.warmup_epochs = 30};
  EXPECT_DOUBLE_EQ(rate(longer, 99), 0.5 * 100 / 301);
  EXPECT_EQ(learning_rate_at(longer, 0.5, 99, {400, 10}), rate(longer, 99));
  for (const double epochs : {1e18, 1e300, std::numeric_limits<double>::max()}) {
    const double least = rate({.warmup_epochs = epochs}, 99);
    EXPECT_TRUE(least >= 0 && least < 1e-15) << epochs;
  }
}

TEST(LearningRate, RefusesStepsOutsideTheRun) {
  const LearningRateSchedule cosine{.kind = Kind::cosine};
  EXPECT_THROW(learning_rate_at(cosine, 1, 10, {10, 1}), std::invalid_argument);
  EXPECT_THROW(learning_rate_at(cosine, 1, -1, {10, 1}), std::invalid_argument);
  EXPECT_THROW(learning_rate_at(cosine, 1, 0, {10, 0}), std::invalid_argument);
}

TEST(LearningRate, RefusesBadSettings) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const LearningRateSchedule& bad :
       {LearningRateSchedule{.warmup_epochs = -1}, LearningRateSchedule{.warmup_epochs = nan},
        LearningRateSchedule{.step_epochs = 0}, LearningRateSchedule{.gamma = 0},
        LearningRateSchedule{.gamma = 1.5}, LearningRateSchedule{.pct_start = 1.1},
        LearningRateSchedule{.div_factor = 0.5}, LearningRateSchedule{.final_div_factor = nan}}) {
    EXPECT_THROW(check_schedule(bad), std::invalid_argument);
    EXPECT_THROW(rate(bad, 0), std::invalid_argument);
  }
}

TEST(LearningRate, KnowsItsNames) {
  EXPECT_EQ(learning_rate_schedule_from_name("constant").kind, Kind::constant);
  EXPECT_EQ(learning_rate_schedule_from_name("onecycle").kind, Kind::one_cycle);
  EXPECT_EQ(learning_rate_schedule_from_name("exponential").gamma, 0.95);
  for (const std::string& name : learning_rate_schedule_names()) {
    EXPECT_NO_THROW(check_schedule(learning_rate_schedule_from_name(name))) << name;
  }
  try {
    learning_rate_schedule_from_name("cosinus");
    FAIL() << "no exception";
  } catch (const std::invalid_argument& error) {
    EXPECT_NE(std::string(error.what()).find("exponential, cosine, onecycle, got \"cosinus\""),
              std::string::npos);
  }
}

}  // namespace
}  // namespace nnkernels::nn
