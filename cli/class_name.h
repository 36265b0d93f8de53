// What classes are called.
#ifndef NNKERNELS_CLI_CLASS_NAME_H_
#define NNKERNELS_CLI_CLASS_NAME_H_

#include <cstdint>
#include <string>
#include <vector>

#include "nn/data/dataset.h"

namespace nnkernels::cli {

/// The name of class i, on one line: its own, or else its number.
std::string class_name(const nn::Dataset& data, std::int32_t i);

/// The names of all classes.
std::vector<std::string> class_names(const nn::Dataset& data);

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_CLASS_NAME_H_
