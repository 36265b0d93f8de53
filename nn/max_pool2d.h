// The max pooling layer.
#ifndef NNKERNELS_NN_MAX_POOL2D_H_
#define NNKERNELS_NN_MAX_POOL2D_H_

#include <cstdint>
#include <span>
#include <string>

#include "nn/layer.h"
#include "nn/pool2d_options.h"

namespace nnkernels::nn {

/// y[n,oh,ow,c] = the largest x of a window (kernels/pool.h: ties, NaN, sizes), x of
/// [n][ih][iw][c]. Also known as MaxPooling2D (Keras). Keeps where the largest was, for the
/// backward pass: 4 bytes for each element of y. Runs sample by sample. Allocates in plan() only.
template <class T>
class MaxPool2d : public Layer<T> {
 public:
  /// Throws std::invalid_argument unless kernel sizes are at least 1, strides at least 0,
  /// 0 <= 2 pad <= kernel, and kh * kw fits into 31 bits.
  explicit MaxPool2d(const Pool2dOptions& options);

  /// The settings, strides written out.
  const Pool2dOptions& options() const { return options_; }

  /// Which pixel of its window each y of the last forward pass is, [n][oh][ow][c], as
  /// max_pool_forward() writes it; null before plan(), and not written while the layer is frozen.
  const std::int32_t* argmax() const { return argmax_.data(); }

  std::string type() const override { return "MaxPool2d"; }
  std::string description() const override;
  Shape output_shape(const Shape& x) const override;
  void plan(const Shape& x, std::int64_t n) override;
  void forward(TensorView<const T> x, TensorView<T> y, std::int64_t first) override;
  void backward(TensorView<const T> x, TensorView<const T> y, TensorView<const T> dy,
                TensorView<T> dx, Gradients<T>& grads, std::int64_t first) override;
  bool sample_wise() const override { return true; }
  bool backward_reads_y() const override { return false; }
  bool selects() const override { return true; }
  void set_frozen(bool frozen) override { frozen_ = frozen; }

 private:
  Pool2dOptions options_;
  bool frozen_ = false;
  AlignedBuffer<std::int32_t> argmax_;  // [n][oh][ow][c]
};

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_MAX_POOL2D_H_
