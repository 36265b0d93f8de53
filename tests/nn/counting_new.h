// Counts the calls of operator new, which counting_new.cc replaces for the whole program, and makes
// one of them fail.
#ifndef NNKERNELS_TESTS_NN_COUNTING_NEW_H_
#define NNKERNELS_TESTS_NN_COUNTING_NEW_H_

#include <cstdint>

namespace nnkernels::nn {

/// How often memory was asked for since the program began, by any thread.
std::int64_t allocation_count();

/// How many pieces of memory are in use.
std::int64_t live_allocations();

/// Makes one call of operator new fail: the next one for 0, the one after it for 1...; none for -1.
void fail_allocation(std::int64_t after);

/// Whether that call has come.
bool allocation_failed();

}  // namespace nnkernels::nn

#endif  // NNKERNELS_TESTS_NN_COUNTING_NEW_H_
