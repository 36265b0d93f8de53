// How the learning rate changes while a network trains.
#ifndef NNKERNELS_NN_LEARNING_RATE_H_
#define NNKERNELS_NN_LEARNING_RATE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace nnkernels::nn {

/// A factor of the learning rate. With s steps of a run of n done, e the number of whole epochs
/// among them, and p = s / n:
///
/// | kind        | factor                   | source                                             |
/// |-------------|--------------------------|----------------------------------------------------|
/// | constant    | 1                        |                                                    |
/// | step        | gamma ^ floor(e / epochs)| PyTorch's StepLR; epochs is step_epochs            |
/// | exponential | gamma ^ e                | PyTorch's ExponentialLR                            |
/// | cosine      | (1 + cos(pi p)) / 2      | I. Loshchilov and F. Hutter, arXiv:1608.03983, (5) |
/// | one_cycle   | see below                | L. Smith and N. Topin, arXiv:1708.07120; PyTorch's |
/// |             |                          | OneCycleLR                                         |
///
/// One cycle rises from 1 / div_factor to 1 in the first pct_start of the run and falls to
/// 1 / (div_factor final_div_factor) in its last step, both along half a cosine; with pct_start 1
/// it only rises, and its last step has the highest rate. The momentum is not cycled.
///
/// The last steps of a constant rate leave the weights wherever the last batches pushed them. A
/// rate that falls to zero lets them settle.
///
/// Before any of them, warmup_epochs epochs (rounded to steps, w of them) may rise linearly by the
/// factors 1 / (w + 1), 2 / (w + 1), ..., w / (w + 1); s and n then count from their end. A run may
/// end before they do.
struct LearningRateSchedule {
  enum class Kind { constant, step, exponential, cosine, one_cycle };
  Kind kind = Kind::constant;
  double warmup_epochs = 0;
  std::int64_t step_epochs = 10;  // step
  double gamma = 0.1;             // step, exponential
  double pct_start = 0.3;         // one_cycle
  double div_factor = 25;         // one_cycle
  double final_div_factor = 1e4;  // one_cycle
};

/// The length of a training run.
struct RunLength {
  std::int64_t steps = 1;
  std::int64_t steps_per_epoch = 1;
};

/// The learning rate of step `step` (from 0) of a run; `base` is the highest. A pure function, so a
/// run that is resumed at any step goes on as if it had not stopped. Throws std::invalid_argument
/// unless 0 <= step < run.steps and steps_per_epoch >= 1, and as check_schedule() does.
double learning_rate_at(const LearningRateSchedule& schedule, double base, std::int64_t step,
                        const RunLength& run);

/// Throws std::invalid_argument, naming the member, unless warmup_epochs is finite and at least 0,
/// step_epochs at least 1, gamma in (0, 1], pct_start in [0, 1], and both div_factors finite and at
/// least 1.
void check_schedule(const LearningRateSchedule& schedule);

/// The schedule called "constant", "step", "exponential" (gamma 0.95), "cosine" or "onecycle", the
/// rest at its defaults; throws std::invalid_argument, listing these, for any other name.
LearningRateSchedule learning_rate_schedule_from_name(std::string_view name);

/// The names that learning_rate_schedule_from_name() knows.
std::vector<std::string> learning_rate_schedule_names();

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_LEARNING_RATE_H_
