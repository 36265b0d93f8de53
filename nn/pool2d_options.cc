#include "nn/pool2d_options.h"

#include <stdexcept>

#include "nn/size_text.h"

namespace nnkernels::nn {
namespace {

bool fits(std::int64_t k, std::int64_t stride, std::int64_t pad) {
  return k >= 1 && stride >= 0 && pad >= 0 && pad <= k / 2;
}

}  // namespace

Pool2dOptions resolved(const Pool2dOptions& options, const char* layer) {
  if (!fits(options.kh, options.stride_h, options.pad_h) ||
      !fits(options.kw, options.stride_w, options.pad_w)) {
    throw std::invalid_argument(
        std::string(layer) +
        ": kernel sizes must be at least 1, strides at least 0 and pads between 0 and half the "
        "kernel, got kernel " +
        size_text(options.kh, options.kw) + ", stride " +
        size_text(options.stride_h, options.stride_w) + ", pad " +
        size_text(options.pad_h, options.pad_w));
  }
  Pool2dOptions result = options;
  if (result.stride_h == 0) result.stride_h = result.kh;
  if (result.stride_w == 0) result.stride_w = result.kw;
  return result;
}

PoolShape pool_shape(const Pool2dOptions& options, const Shape& sample, std::int64_t n,
                     const char* layer) {
  if (sample.rank() != 3) {
    throw std::invalid_argument(std::string(layer) + ": expected samples of shape [h, w, c], got " +
                                sample.str());
  }
  const PoolShape shape{.n = n,
                        .ih = sample[0],
                        .iw = sample[1],
                        .c = sample[2],
                        .kh = options.kh,
                        .kw = options.kw,
                        .stride_h = options.stride_h,
                        .stride_w = options.stride_w,
                        .pad_h = options.pad_h,
                        .pad_w = options.pad_w};
  check(shape, layer);
  return shape;
}

std::string pool_description(const Pool2dOptions& options, const char* layer) {
  std::string text = std::string(layer) + " " + size_text(options.kh, options.kw);
  if (options.stride_h != options.kh || options.stride_w != options.kw) {
    text += " stride " + size_text(options.stride_h, options.stride_w);
  }
  if (options.pad_h != 0 || options.pad_w != 0)
    text += " pad " + size_text(options.pad_h, options.pad_w);
  return text;
}

}  // namespace nnkernels::nn
