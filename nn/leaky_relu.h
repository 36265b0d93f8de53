// LeakyReLU.
#ifndef NNKERNELS_NN_LEAKY_RELU_H_
#define NNKERNELS_NN_LEAKY_RELU_H_

#include <cstdint>
#include <string>

#include "nn/layer.h"

namespace nnkernels::nn {

/// y = x > 0 ? x : slope x, element by element, for x of any shape (A. Maas, A. Hannun and A. Ng,
/// ICML 2013); the derivative at 0 is slope. Unlike ReLU it lets a gradient through everywhere.
/// Works in place and sample by sample; allocates nothing.
template <class T>
class LeakyReLU : public Layer<T> {
 public:
  /// Throws std::invalid_argument unless 0 < slope < 1.
  explicit LeakyReLU(double slope = 0.01);

  double slope() const { return slope_; }

  std::string type() const override { return "LeakyReLU"; }
  std::string description() const override;
  Shape output_shape(const Shape& x) const override { return x; }
  void forward(TensorView<const T> x, TensorView<T> y, std::int64_t first) override;
  void backward(TensorView<const T> x, TensorView<const T> y, TensorView<const T> dy,
                TensorView<T> dx, Gradients<T>& grads, std::int64_t first) override;
  bool sample_wise() const override { return true; }
  bool in_place() const override { return true; }

 private:
  double slope_;
};

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_LEAKY_RELU_H_
