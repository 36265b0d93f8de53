// Random shapes of convolutions and poolings, of a size that the definition can still be computed
// of.
#ifndef NNKERNELS_TESTS_ORACLE_SHAPES_H_
#define NNKERNELS_TESTS_ORACLE_SHAPES_H_

#include <string>

#include "kernels/conv.h"
#include "kernels/pool.h"
#include "tests/support/values.h"

namespace nnkernels::oracle {

/// Kernel, stride, padding and dilation of up to 5, 3, 5 and 3, each direction its own; odd sizes;
/// one case in six depthwise, one in six grouped.
ConvShape draw_conv_shape(Values& values);
/// Windows of up to 5 x 5, strides of up to 4, padding of up to half a window.
PoolShape draw_pool_shape(Values& values);

/// "n2 i7x9x3 oc8 k3x3 s1x1 p1x1 d1x1 g1"
std::string str(const PoolShape& s);

}  // namespace nnkernels::oracle

#endif  // NNKERNELS_TESTS_ORACLE_SHAPES_H_
