#include "nn/learning_rate.h"

#include <cmath>
#include <numbers>
#include <stdexcept>
#include <string>

namespace nnkernels::nn {

double learning_rate_at(LearningRateSchedule schedule, double base, std::int64_t step,
                        std::int64_t steps) {
  if (step < 0 || step >= steps) {
    throw std::invalid_argument("learning_rate_at: no step " + std::to_string(step) + " of " +
                                std::to_string(steps));
  }
  if (schedule == LearningRateSchedule::constant) return base;
  const double progress = static_cast<double>(step) / static_cast<double>(steps);
  return base * (1 + std::cos(std::numbers::pi * progress)) / 2;
}

LearningRateSchedule learning_rate_schedule_from_name(std::string_view name) {
  if (name == "constant") return LearningRateSchedule::constant;
  if (name == "cosine") return LearningRateSchedule::cosine;
  throw std::invalid_argument(
      "learning_rate_schedule_from_name: expected constant or cosine, got " + std::string(name));
}

}  // namespace nnkernels::nn
