// A test that runs once for each instruction set that this build holds and this CPU can run.
#ifndef NNKERNELS_TESTS_SUPPORT_EACH_SIMD_H_
#define NNKERNELS_TESTS_SUPPORT_EACH_SIMD_H_

#include <gtest/gtest.h>

#include <string>

#include "kernels/parallel.h"
#include "kernels/simd.h"

namespace nnkernels {

/// class GemmTest : public EachSimd {};
/// NNKERNELS_EACH_SIMD(GemmTest);
/// TEST_P(GemmTest, AgreesWithReference) { ... }
class EachSimd : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { set_simd(GetParam()); }
  void TearDown() override { set_simd("best"); }
};

#define NNKERNELS_EACH_SIMD(suite)                                                        \
  INSTANTIATE_TEST_SUITE_P(Simd, suite, testing::ValuesIn(::nnkernels::available_simd()), \
                           [](const auto& simd_case) { return simd_case.param; })

/// Shares even the smallest loop among `count` threads for as long as it lives.
class ForceThreads {
 public:
  explicit ForceThreads(int count)
      : threads_(threads()), limits_(detail::set_worth_sharing({.hot = 0.0, .cold = 0.0})) {
    set_threads(count);
  }
  ~ForceThreads() {
    set_threads(threads_);
    detail::set_worth_sharing(limits_);
  }
  ForceThreads(const ForceThreads&) = delete;
  ForceThreads& operator=(const ForceThreads&) = delete;

 private:
  int threads_;
  detail::WorthSharing limits_;
};

}  // namespace nnkernels

#endif  // NNKERNELS_TESTS_SUPPORT_EACH_SIMD_H_
