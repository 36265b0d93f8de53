// How the learning rate changes while a network trains.
#ifndef NNKERNELS_NN_LEARNING_RATE_H_
#define NNKERNELS_NN_LEARNING_RATE_H_

#include <cstdint>
#include <string_view>

namespace nnkernels::nn {

/// A factor of the learning rate, over the progress p = step / steps in [0, 1) of a training run:
///
/// | kind     | factor                | source                                            |
/// |----------|-----------------------|---------------------------------------------------|
/// | constant | 1                     |                                                   |
/// | cosine   | (1 + cos(pi p)) / 2   | I. Loshchilov and F. Hutter, arXiv:1608.03983, (5) |
///
/// The last steps of a constant rate leave the weights wherever the last batches pushed them. A
/// rate that falls to zero lets them settle.
enum class LearningRateSchedule { constant, cosine };

/// The learning rate of step `step` (from 0) of `steps`, from the rate `base` of the first. A pure
/// function, so a run that is resumed at any step goes on as if it had not stopped. Throws
/// std::invalid_argument unless 0 <= step < steps.
double learning_rate_at(LearningRateSchedule schedule, double base, std::int64_t step,
                        std::int64_t steps);

/// The schedule called "constant" or "cosine"; throws std::invalid_argument, listing these, for any
/// other name.
LearningRateSchedule learning_rate_schedule_from_name(std::string_view name);

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_LEARNING_RATE_H_
