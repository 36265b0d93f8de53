// The fully connected layer.
#ifndef NNKERNELS_NN_AFFINE_H_
#define NNKERNELS_NN_AFFINE_H_

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "kernels/aligned_buffer.h"
#include "nn/layer.h"

namespace nnkernels::nn {

/// y = activation(x w + b) with x of [n][in], w of [in][out], b of [out], y of [n][out].
///
/// Also known as Linear (PyTorch, with w transposed), Dense (Keras) and InnerProduct (Caffe). The
/// activation is the identity unless Sequential has fused the one that follows.
///
/// Takes the whole batch at once: the GEMM shares the work among threads. Weights are zero until
/// initialize() (nn/initialize.h). Samples of another rank than 1 need a Flatten before. With many
/// inputs for few outputs and a batch of 17 or more, y is the sum of up to 8 products over parts of
/// `in`, in this order. Allocates nothing after plan(), but for the GEMM's own scratch memory.
template <class T>
class Affine : public Layer<T> {
 public:
  /// Throws std::invalid_argument unless in and out are at least 1.
  /// Without `bias`, y = activation(x w) and there is no parameter b.
  Affine(std::int64_t in, std::int64_t out, bool bias = true);

  std::int64_t in() const { return in_; }
  std::int64_t out() const { return out_; }
  bool bias() const { return bias_; }

  std::string type() const override { return "Affine"; }
  std::string description() const override;
  Shape output_shape(const Shape& x) const override;
  void plan(const Shape& x, std::int64_t n) override;
  void forward(TensorView<const T> x, TensorView<T> y, std::int64_t first) override;
  void backward(TensorView<const T> x, TensorView<const T> y, TensorView<const T> dy,
                TensorView<T> dx, Gradients<T>& grads, std::int64_t first) override;
  std::span<Parameter<T>> parameters() override {
    return std::span(parameters_).first(bias_ ? 2 : 1);
  }
  bool backward_reads_y() const override { return false; }
  bool fuse(Activation kind) override;
  bool fuse_gradient(Activation kind) override;
  void set_frozen(bool frozen) override;
  double work(const Shape& x) const override;

 private:
  std::int64_t in_;
  std::int64_t out_;
  bool bias_;
  std::array<Parameter<T>, 2> parameters_;  // w, b
  Activation activation_ = Activation::identity;
  Activation activation_before_ = Activation::identity;  // x is its result
  AlignedBuffer<T> partial_sums_;                        // [part][n][out]
};

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_AFFINE_H_
