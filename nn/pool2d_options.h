// What the two pooling layers have in common.
#ifndef NNKERNELS_NN_POOL2D_OPTIONS_H_
#define NNKERNELS_NN_POOL2D_OPTIONS_H_

#include <cstdint>
#include <string>

#include "kernels/pool.h"
#include "nn/tensor.h"

namespace nnkernels::nn {

/// The settings of a pooling layer, as in kernels/pool.h. A stride of 0 stands for the kernel size:
/// windows side by side.
struct Pool2dOptions {
  std::int64_t kh = 1, kw = 1;
  std::int64_t stride_h = 0, stride_w = 0;
  std::int64_t pad_h = 0, pad_w = 0;

  bool operator==(const Pool2dOptions&) const = default;
};

/// `options` with its strides written out. Throws std::invalid_argument, naming `layer`, unless
/// kernel sizes are at least 1, strides at least 0 and 0 <= 2 pad <= kernel.
Pool2dOptions resolved(const Pool2dOptions& options, const char* layer);

/// The shape of the pooling of n samples. Throws std::invalid_argument, naming `layer`, unless a
/// sample is [h, w, c] and the kernel fits into the padded image.
PoolShape pool_shape(const Pool2dOptions& options, const Shape& sample, std::int64_t n,
                     const char* layer);

/// "MaxPool2d 2x2 stride 2x2 pad 0x0", short where it can be: "MaxPool2d 2x2".
std::string pool_description(const Pool2dOptions& options, const char* layer);

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_POOL2D_OPTIONS_H_
