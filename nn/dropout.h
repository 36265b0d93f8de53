// Dropout.
#ifndef NNKERNELS_NN_DROPOUT_H_
#define NNKERNELS_NN_DROPOUT_H_

#include <cstdint>
#include <optional>
#include <string>

#include "kernels/dropout.h"
#include "nn/layer.h"

namespace nnkernels::nn {

/// In training y = x / (1 - p), or 0 with the probability p, each element for itself; in inference
/// y = x (N. Srivastava et al., JMLR 2014; "inverted", so that inference has nothing to scale).
///
/// Which elements are dropped is a function of (seed, step) of the pass, the layer's place in the
/// network, and the element (kernels/dropout.h): no mask is stored, and threads and blocks of
/// samples change nothing. p is rounded to a multiple of 2^-16. x may have any shape. Works in
/// place and sample by sample; allocates nothing.
template <class T>
class Dropout : public Layer<T> {
 public:
  /// Throws std::invalid_argument unless 0 <= p < 1.
  explicit Dropout(double p = 0.5);

  double p() const { return p_; }

  std::string type() const override { return "Dropout"; }
  std::string description() const override;
  Shape output_shape(const Shape& x) const override { return x; }
  bool depends_on_pass() const override { return true; }
  void begin_pass(const Pass& pass, std::int64_t index) override;
  void forward(TensorView<const T> x, TensorView<T> y, std::int64_t first) override;
  void backward(TensorView<const T> x, TensorView<const T> y, TensorView<const T> dy,
                TensorView<T> dx, Gradients<T>& grads, std::int64_t first) override;
  bool sample_wise() const override { return true; }
  bool in_place() const override { return true; }
  bool backward_reads_y() const override { return false; }
  /// Nothing is left of it in a frozen network.
  std::optional<Activation> activation() const override {
    return frozen_ ? std::optional(Activation::identity) : std::nullopt;
  }
  void set_frozen(bool frozen) override { frozen_ = frozen; }

 private:
  /// to = the elements of `from` that are kept, scaled.
  void drop(TensorView<const T> from, TensorView<T> to, std::int64_t first) const;

  double p_;
  bool training_ = false;
  bool frozen_ = false;
  DropoutMask mask_;
  std::int64_t base_ = 0;  // of the layer's elements among those of the network
};

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_DROPOUT_H_
