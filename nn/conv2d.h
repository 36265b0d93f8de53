// The two-dimensional convolution layer.
#ifndef NNKERNELS_NN_CONV2D_H_
#define NNKERNELS_NN_CONV2D_H_

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "kernels/conv.h"
#include "nn/batch_norm.h"
#include "nn/layer.h"

namespace nnkernels::nn {

/// The settings of a convolution, as in kernels/conv.h. `pad` zeros surround the image.
struct Conv2dOptions {
  std::int64_t ic = 1, oc = 1;  // channels in and out
  std::int64_t kh = 1, kw = 1;  // kernel height and width
  std::int64_t stride_h = 1, stride_w = 1;
  std::int64_t pad_h = 0, pad_w = 0;
  std::int64_t dilation_h = 1, dilation_w = 1;
  std::int64_t groups = 1;  // divides ic and oc; ic: depthwise
  bool bias = true;         // else there is no parameter b

  bool operator==(const Conv2dOptions&) const = default;
};

/// y = activation(x * w + b), a cross-correlation with x of [n][ih][iw][ic], w of
/// [kh][kw][ic/groups][oc], b of [oc], y of [n][oh][ow][oc]; the sum and the sizes of y are in
/// kernels/conv.h.
///
/// Also known as Convolution2D. The activation is the identity unless Sequential has fused the one
/// that follows. Does the work of a max pool behind it if that has 2x2 windows side by side
/// (kernels/conv_pool.h), and, in a frozen network, of a BatchNorm behind it, by calculating with
/// other weights: y = s (x * w + b) + t = x * (s w) + (s b + t). Runs sample by sample. Weights are
/// zero until initialize(). Allocates in plan() only, but for the convolution's own scratch memory.
template <class T>
class Conv2d : public Layer<T> {
 public:
  /// Throws std::invalid_argument unless sizes, strides, dilations and groups are at least 1, pads
  /// at least 0, and groups divides ic and oc.
  explicit Conv2d(const Conv2dOptions& options);

  const Conv2dOptions& options() const { return options_; }

  std::string type() const override { return "Conv2d"; }
  std::string description() const override;
  Shape output_shape(const Shape& x) const override;
  void plan(const Shape& x, std::int64_t n) override;
  void forward(TensorView<const T> x, TensorView<T> y, std::int64_t first) override;
  void backward(TensorView<const T> x, TensorView<const T> y, TensorView<const T> dy,
                TensorView<T> dx, Gradients<T>& grads, std::int64_t first) override;
  std::span<Parameter<T>> parameters() override {
    return std::span(parameters_).first(options_.bias ? 2 : 1);
  }
  bool sample_wise() const override { return true; }
  bool backward_reads_y() const override { return false; }
  bool fuse(Activation kind) override;
  bool fuse_gradient(Activation kind) override;
  bool absorb(const Layer<T>& next) override;
  void set_frozen(bool frozen) override;
  double work(const Shape& x) const override;

  /// Which pixel of its window each y of the last forward pass is, as conv_max_pool_forward()
  /// writes it; null unless the layer has absorbed a max pool and plan() was called. Not written
  /// while the layer is frozen.
  const std::uint8_t* winner() const { return winner_.data(); }

 private:
  ConvShape shape(const Shape& sample, std::int64_t n) const;
  void fold(const BatchNorm<T>& norm);

  Conv2dOptions options_;
  std::array<Parameter<T>, 2> parameters_;  // w, b
  Activation activation_ = Activation::identity;
  Activation activation_before_ = Activation::identity;  // x is its result
  bool pools_ = false;
  bool frozen_ = false;
  Tensor<T> folded_w_, folded_b_;       // with a BatchNorm in them; empty without one
  AlignedBuffer<std::uint8_t> winner_;  // [n][oh / 2][ow / 2][oc]
};

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_CONV2D_H_
