// The activations as layers: ReLU, Sigmoid, Tanh.
#ifndef NNKERNELS_NN_ACTIVATION_LAYERS_H_
#define NNKERNELS_NN_ACTIVATION_LAYERS_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "nn/layer.h"

namespace nnkernels::nn {

/// y = f(x), element by element, for x of any shape; the formulas are in kernels/activation.h.
/// Works in place and sample by sample. After an Affine or a Conv2d, Sequential has that layer
/// compute f, and only backward() runs here. Allocates nothing.
template <class T>
class ActivationLayer : public Layer<T> {
 public:
  Shape output_shape(const Shape& x) const override { return x; }
  void forward(TensorView<const T> x, TensorView<T> y, std::int64_t first) override;
  void backward(TensorView<const T> x, TensorView<const T> y, TensorView<const T> dy,
                TensorView<T> dx, Gradients<T>& grads, std::int64_t first) override;
  bool sample_wise() const override { return true; }
  bool in_place() const override { return true; }
  std::optional<Activation> activation() const override { return kind_; }

 protected:
  explicit ActivationLayer(Activation kind) : kind_(kind) {}

 private:
  Activation kind_;
};

/// y = max(x, 0); the derivative at 0 is 0. Also known as rectifier.
template <class T>
class ReLU : public ActivationLayer<T> {
 public:
  ReLU() : ActivationLayer<T>(Activation::relu) {}
  std::string type() const override { return "ReLU"; }
};

/// y = 1 / (1 + exp(-x)). Also known as the logistic function.
template <class T>
class Sigmoid : public ActivationLayer<T> {
 public:
  Sigmoid() : ActivationLayer<T>(Activation::sigmoid) {}
  std::string type() const override { return "Sigmoid"; }
};

/// y = tanh(x).
template <class T>
class Tanh : public ActivationLayer<T> {
 public:
  Tanh() : ActivationLayer<T>(Activation::tanh) {}
  std::string type() const override { return "Tanh"; }
};

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_ACTIVATION_LAYERS_H_
