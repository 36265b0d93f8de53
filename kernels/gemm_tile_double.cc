#include "kernels/gemm_tile.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm_tile_double.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "hwy/highway.h"
#include "kernels/gemm_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nnkernels {
namespace HWY_NAMESPACE {
namespace {

const detail::TileKernels<double>& TilesF64() { return Tiles<double>(); }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace nnkernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace nnkernels {
HWY_EXPORT(TilesF64);

namespace detail {

template <>
const TileKernels<double>& tile_kernels<double>() {
  return HWY_DYNAMIC_DISPATCH(TilesF64)();
}

}  // namespace detail
}  // namespace nnkernels
#endif  // HWY_ONCE
