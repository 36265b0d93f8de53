// Counts the calls of operator new, which counting_new.cc replaces for the whole program.
#ifndef NNKERNELS_TESTS_NN_COUNTING_NEW_H_
#define NNKERNELS_TESTS_NN_COUNTING_NEW_H_

#include <cstdint>

namespace nnkernels::nn {

/// How often memory was asked for since the program began, by any thread.
std::int64_t allocation_count();

}  // namespace nnkernels::nn

#endif  // NNKERNELS_TESTS_NN_COUNTING_NEW_H_
