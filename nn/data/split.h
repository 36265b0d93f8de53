// One data set made into two.
#ifndef NNKERNELS_NN_DATA_SPLIT_H_
#define NNKERNELS_NN_DATA_SPLIT_H_

#include <cstdint>
#include <utility>

#include "nn/data/dataset.h"

namespace nnkernels::nn {

/// Cuts a data set into two: round(second_share * n) samples, but at least one, go to the second,
/// the others, at least one, to the first. Stratified: each class gives second_share of its samples
/// up to less than one, those with the largest remainders one more. Which ones is drawn from (seed,
/// Purpose::split), so it depends on the seed and the labels alone. Both parts keep the order of
/// the samples, and classes, class_names and full of the whole.
///
/// Throws std::invalid_argument unless 0 < second_share < 1, n >= 2, and all labels are in
/// [0, classes).
std::pair<Dataset, Dataset> split(const Dataset& data, double second_share, std::uint64_t seed);

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_DATA_SPLIT_H_
