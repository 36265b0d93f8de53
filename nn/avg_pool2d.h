// The average pooling layer.
#ifndef NNKERNELS_NN_AVG_POOL2D_H_
#define NNKERNELS_NN_AVG_POOL2D_H_

#include <cstdint>
#include <span>
#include <string>

#include "nn/layer.h"
#include "nn/pool2d_options.h"

namespace nnkernels::nn {

/// y[n,oh,ow,c] = the mean of x over a window (kernels/pool.h), x of [n][ih][iw][c]. Also known as
/// AveragePooling2D (Keras). Where padding makes a window reach over the edge, `divisor` says what
/// the sum is divided by: the pixels inside the image (Keras, the default here) or kh * kw
/// (PyTorch). Runs sample by sample. Allocates nothing.
template <class T>
class AvgPool2d : public Layer<T> {
 public:
  /// Throws std::invalid_argument unless kernel sizes are at least 1, strides at least 0 and
  /// 0 <= 2 pad <= kernel.
  explicit AvgPool2d(const Pool2dOptions& options, PoolDivisor divisor = PoolDivisor::inside);

  /// The settings, strides written out.
  const Pool2dOptions& options() const { return options_; }
  PoolDivisor divisor() const { return divisor_; }

  std::string type() const override { return "AvgPool2d"; }
  std::string description() const override;
  Shape output_shape(const Shape& x) const override;
  void forward(TensorView<const T> x, TensorView<T> y, std::int64_t first) override;
  void backward(TensorView<const T> x, TensorView<const T> y, TensorView<const T> dy,
                TensorView<T> dx, Gradients<T>& grads, std::int64_t first) override;
  bool sample_wise() const override { return true; }
  bool backward_reads_y() const override { return false; }

 private:
  Pool2dOptions options_;
  PoolDivisor divisor_;
};

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_AVG_POOL2D_H_
