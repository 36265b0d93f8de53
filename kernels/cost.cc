#include "kernels/cost.h"

#include "kernels/gemm_tile.h"

namespace nnkernels {

double detail::flops_per_microsecond() { return 1e4 * tile_kernels<float>().unit_lanes; }

}  // namespace nnkernels
