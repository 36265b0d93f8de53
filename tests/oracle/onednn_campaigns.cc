// The campaigns of `onednn_oracle`: against oneDNN.
#include "tests/oracle/onednn.h"

namespace nnkernels::oracle {

std::span<const Campaign> campaigns() {
  static constexpr std::int64_t kBlock = 5;
  static constexpr Campaign kCampaigns[] = {
      {"onednn-conv", "convolutions, three passes: integers exact, reals within the bound", 5'000,
       onednn_conv_case, kBlock},
      {"onednn-pool", "max and average poolings, forward and backward", 5'000, onednn_pool_case,
       kBlock},
      {"onednn-softmax", "softmax and its logarithm, forward and backward", 5'000,
       onednn_softmax_case, kBlock},
      {"onednn-batch-norm", "batch normalization: moments, forward and backward", 5'000,
       onednn_batch_norm_case, kBlock},
  };
  return kCampaigns;
}

}  // namespace nnkernels::oracle
