// The campaigns of `oracle`: against the definitions of the kernels.
#include "tests/oracle/campaign.h"

namespace nnkernels::oracle {

std::span<const Campaign> campaigns() {
  static constexpr Campaign kCampaigns[] = {
      {"gemm", "products of reals, within the proved bound", 100'000, gemm_case},
      {"gemm-integers", "products of integers, exact", 50'000, integer_gemm_case},
      {"conv", "convolutions, three passes: integers exact, reals within the bound", 20'000,
       conv_case},
      {"pool", "max and average poolings, forward and backward", 10'000, pool_case},
  };
  return kCampaigns;
}

}  // namespace nnkernels::oracle
