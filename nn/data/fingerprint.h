// Whether two data sets are the same.
#ifndef NNKERNELS_NN_DATA_FINGERPRINT_H_
#define NNKERNELS_NN_DATA_FINGERPRINT_H_

#include <string>

#include "nn/data/dataset.h"

namespace nnkernels::nn {

/// 64 hexadecimal digits that change with any bit of the images and labels, with their order, their
/// shape, the number of classes and `full`; names do not count. A hash tree: the SHA-256 of these
/// sizes and of the SHA-256 of each MiB of pixels, values and labels, so that pieces may be hashed
/// in parallel. Nobody can make another data set with the same fingerprint on purpose.
std::string fingerprint(const Dataset& data);

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_DATA_FINGERPRINT_H_
