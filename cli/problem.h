// What libraries refuse, in words for who typed it.
#ifndef NNKERNELS_CLI_PROBLEM_H_
#define NNKERNELS_CLI_PROBLEM_H_

#include <stdexcept>
#include <string>

#include "nn/tensor.h"

namespace nnkernels::cli {

/// What the error says, without the C++ function that it begins with as a rule.
std::string problem_of(const std::invalid_argument& error);

/// The same of the network `arch` for samples of `input`, where there is no data set that the word
/// "classes" could stand for.
std::string problem_of_network(const std::invalid_argument& error, const std::string& arch,
                               const nn::Shape& input);

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_PROBLEM_H_
