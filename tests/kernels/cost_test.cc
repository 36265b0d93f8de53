#include "kernels/cost.h"

#include <gtest/gtest.h>

#include <string>

#include "kernels/gemm_tile.h"
#include "kernels/simd.h"

namespace nnkernels {
namespace {

class CostTest : public testing::Test {
 protected:
  ~CostTest() override { set_simd("best"); }
};

TEST_F(CostTest, WiderVectorsTakeLess) {
  for (const std::string& name : available_simd()) {
    SCOPED_TRACE(name);
    set_simd(name);
    const int lanes = detail::tile_kernels<float>().lanes;
    const bool halves = lanes == 16 && detail::has_half_wide_units();
    EXPECT_DOUBLE_EQ(arithmetic_microseconds<float>(1e6), 100.0 / (halves ? lanes / 2 : lanes));
    EXPECT_DOUBLE_EQ(arithmetic_microseconds<double>(1e6), 2 * arithmetic_microseconds<float>(1e6));
  }
}

TEST_F(CostTest, TransfersCountBytes) {
  EXPECT_DOUBLE_EQ(transfer_microseconds<float>(12500), 1.0);
  EXPECT_DOUBLE_EQ(transfer_microseconds<double>(12500), 2.0);
}

}  // namespace
}  // namespace nnkernels
