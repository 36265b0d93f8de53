// The option --input: the size of a sample.
#ifndef NNKERNELS_CLI_INPUT_SHAPE_H_
#define NNKERNELS_CLI_INPUT_SHAPE_H_

#include <string>

#include "nn/tensor.h"

namespace nnkernels::cli {

/// "28x28x1" or "64". Throws UsageError for anything else.
nn::Shape input_shape(const std::string& text);

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_INPUT_SHAPE_H_
