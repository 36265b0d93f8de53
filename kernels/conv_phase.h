// The transposed convolution taken apart into ordinary ones. Internal to kernels/.
#ifndef NNKERNELS_KERNELS_CONV_PHASE_H_
#define NNKERNELS_KERNELS_CONV_PHASE_H_

#include <algorithm>
#include <cstdint>

namespace nnkernels::detail {

inline std::int64_t floor_div(std::int64_t a, std::int64_t b) {
  return a / b - (a % b < 0 ? 1 : 0);
}

/// One direction (height or width) of the transposed convolution, for the pixels i of dx with
/// (i + pad) % stride == phase. With i + pad = phase + stride * t such a pixel meets output
/// o = t - shift(k) through each tap k of the kernel that has k * dilation % stride == phase.
struct Phase {
  Phase(std::int64_t phase_, std::int64_t size, std::int64_t kernel, std::int64_t stride_,
        std::int64_t pad_, std::int64_t dilation_)
      : phase(phase_),
        stride(stride_),
        pad(pad_),
        dilation(dilation_),
        t_first(-floor_div(phase_ - pad_, stride_)) {
    const std::int64_t t_last = floor_div(size - 1 + pad - phase, stride);
    count = std::max<std::int64_t>(0, t_last - t_first + 1);
    for (std::int64_t k = kernel - 1; k >= 0; --k) {
      if (k * dilation % stride != phase) continue;
      if (taps++ == 0) last_tap = k;
      first_tap = k;
    }
  }
  std::int64_t shift(std::int64_t k) const { return (k * dilation - phase) / stride; }
  /// How much the shifts of neighbouring taps differ.
  std::int64_t tap_step() const {
    return taps > 1 ? (shift(last_tap) - shift(first_tap)) / (taps - 1) : 0;
  }
  bool has(std::int64_t k) const { return k * dilation % stride == phase; }
  std::int64_t pixel(std::int64_t t) const { return phase + stride * t - pad; }

  std::int64_t phase, stride, pad, dilation;
  std::int64_t t_first;
  std::int64_t count = 0;  // t in [t_first, t_first + count)
  std::int64_t taps = 0, first_tap = 0, last_tap = 0;
};

}  // namespace nnkernels::detail

#endif  // NNKERNELS_KERNELS_CONV_PHASE_H_
