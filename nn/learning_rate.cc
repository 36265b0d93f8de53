#include "nn/learning_rate.h"

#include <cmath>
#include <numbers>
#include <stdexcept>

namespace nnkernels::nn {
namespace {

using Kind = LearningRateSchedule::Kind;

void check(bool ok, const char* name, const char* expected, double value) {
  if (ok) return;
  throw std::invalid_argument("check_schedule: " + std::string(name) + " must be " + expected +
                              ", got " + std::to_string(value));
}

/// Half a cosine from `start` at 0 to `end` at 1.
double anneal(double start, double end, double progress) {
  return end + (start - end) * (1 + std::cos(std::numbers::pi * progress)) / 2;
}

double one_cycle(const LearningRateSchedule& schedule, double step, double steps) {
  const double initial = 1 / schedule.div_factor;
  const double last = initial / schedule.final_div_factor;
  const double top = schedule.pct_start * steps - 1;  // the step of the highest rate
  if (step <= top) return anneal(initial, 1, top > 0 ? step / top : 1);
  return anneal(1, last, (step - top) / (steps - 1 - top));
}

/// Of step `step` of `steps` after the warm-up.
double factor(const LearningRateSchedule& schedule, std::int64_t step, std::int64_t steps,
              std::int64_t steps_per_epoch) {
  const std::int64_t epoch = step / steps_per_epoch;
  const auto at = static_cast<double>(step), length = static_cast<double>(steps);
  switch (schedule.kind) {
    case Kind::constant:
      break;
    case Kind::step: {
      const std::int64_t steps_down = epoch / schedule.step_epochs;
      return std::pow(schedule.gamma, static_cast<double>(steps_down));
    }
    case Kind::exponential:
      return std::pow(schedule.gamma, static_cast<double>(epoch));
    case Kind::cosine:
      return anneal(1, 0, at / length);
    case Kind::one_cycle:
      return one_cycle(schedule, at, length);
  }
  return 1;
}

}  // namespace

double learning_rate_at(const LearningRateSchedule& schedule, double base, std::int64_t step,
                        const RunLength& run) {
  check_schedule(schedule);
  if (step < 0 || step >= run.steps || run.steps_per_epoch < 1) {
    throw std::invalid_argument("learning_rate_at: no step " + std::to_string(step) + " of " +
                                std::to_string(run.steps) + ", " +
                                std::to_string(run.steps_per_epoch) + " an epoch");
  }
  // It may be longer than the run, which may be resumed with more epochs, and than any integer.
  const double warmup =
      std::round(schedule.warmup_epochs * static_cast<double>(run.steps_per_epoch));
  if (static_cast<double>(step) < warmup) {
    return base * static_cast<double>(step + 1) / (warmup + 1);
  }
  const auto warmup_steps = static_cast<std::int64_t>(warmup);
  return base *
         factor(schedule, step - warmup_steps, run.steps - warmup_steps, run.steps_per_epoch);
}

void check_schedule(const LearningRateSchedule& schedule) {
  const auto& s = schedule;
  check(std::isfinite(s.warmup_epochs) && s.warmup_epochs >= 0, "warmup_epochs",
        "finite and at least 0", s.warmup_epochs);
  check(s.step_epochs >= 1, "step_epochs", "at least 1", static_cast<double>(s.step_epochs));
  check(s.gamma > 0 && s.gamma <= 1, "gamma", "greater than 0 and at most 1", s.gamma);
  check(s.pct_start >= 0 && s.pct_start <= 1, "pct_start", "at least 0 and at most 1", s.pct_start);
  check(std::isfinite(s.div_factor) && s.div_factor >= 1, "div_factor", "finite and at least 1",
        s.div_factor);
  check(std::isfinite(s.final_div_factor) && s.final_div_factor >= 1, "final_div_factor",
        "finite and at least 1", s.final_div_factor);
}

LearningRateSchedule learning_rate_schedule_from_name(std::string_view name) {
  if (name == "constant") return {.kind = Kind::constant};
  if (name == "step") return {.kind = Kind::step};
  if (name == "exponential") return {.kind = Kind::exponential, .gamma = 0.95};
  if (name == "cosine") return {.kind = Kind::cosine};
  if (name == "onecycle") return {.kind = Kind::one_cycle};
  std::string known;
  for (const std::string& each : learning_rate_schedule_names()) {
    known += (known.empty() ? "" : ", ") + each;
  }
  throw std::invalid_argument("learning_rate_schedule_from_name: expected one of " + known +
                              ", got \"" + std::string(name) + "\"");
}

std::vector<std::string> learning_rate_schedule_names() {
  return {"constant", "step", "exponential", "cosine", "onecycle"};
}

}  // namespace nnkernels::nn
