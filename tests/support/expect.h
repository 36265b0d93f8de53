// Expectations that many tests share.
#ifndef NNKERNELS_TESTS_SUPPORT_EXPECT_H_
#define NNKERNELS_TESTS_SUPPORT_EXPECT_H_

#include <gtest/gtest.h>

#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/support/each_simd.h"

namespace nnkernels {

/// Whether two results have the same bits, NaN included.
template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

/// run() returns a std::vector, and must return the same bits for any number of threads.
template <class Run>
void expect_same_bits_for_threads(const Run& run) {
  const auto serial = [&] {
    const ForceThreads one(1);
    return run();
  }();
  for (const int count : {2, 3, 8}) {
    const ForceThreads many(count);
    EXPECT_TRUE(same_bits(run(), serial)) << "with " << count << " threads";
  }
}

/// call() must throw std::invalid_argument with a message that holds all the `parts`.
template <class Call>
void expect_invalid_argument(const Call& call, const std::vector<std::string>& parts) {
  try {
    call();
    ADD_FAILURE() << "nothing thrown; expected a message with \"" << parts.front() << "\"";
  } catch (const std::invalid_argument& error) {
    const std::string message = error.what();
    for (const std::string& part : parts) {
      EXPECT_NE(message.find(part), std::string::npos) << '"' << message << "\" lacks " << part;
    }
  }
}

}  // namespace nnkernels

#endif  // NNKERNELS_TESTS_SUPPORT_EXPECT_H_
