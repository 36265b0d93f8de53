// A layer that is not part of the library: docs/adding-a-layer.md explains it line by line.
#ifndef NNKERNELS_TESTS_PROJECT_CUSTOM_LAYER_LEAKY_RELU_H_
#define NNKERNELS_TESTS_PROJECT_CUSTOM_LAYER_LEAKY_RELU_H_

#include "nn/layer.h"

/// y = x > 0 ? x : slope * x, element by element, for x of any shape (A. Maas et al. 2013).
/// Works in place and sample by sample; allocates nothing.
template <class T>
class LeakyReLU : public nnkernels::nn::Layer<T> {
 public:
  /// Throws std::invalid_argument unless 0 < slope < 1.
  explicit LeakyReLU(T slope = T(0.01));

  std::string type() const override { return "LeakyReLU"; }
  nnkernels::nn::Shape output_shape(const nnkernels::nn::Shape& x) const override { return x; }
  void forward(nnkernels::nn::TensorView<const T> x, nnkernels::nn::TensorView<T> y,
               std::int64_t first) override;
  void backward(nnkernels::nn::TensorView<const T> x, nnkernels::nn::TensorView<const T> y,
                nnkernels::nn::TensorView<const T> dy, nnkernels::nn::TensorView<T> dx,
                nnkernels::nn::Gradients<T>& grads, std::int64_t first) override;
  bool sample_wise() const override { return true; }
  bool in_place() const override { return true; }

 private:
  T slope_;
};

#endif  // NNKERNELS_TESTS_PROJECT_CUSTOM_LAYER_LEAKY_RELU_H_
