// Flatten: a sample of any shape as a vector.
#ifndef NNKERNELS_NN_FLATTEN_H_
#define NNKERNELS_NN_FLATTEN_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "nn/layer.h"

namespace nnkernels::nn {

/// y[n, (i*W + j)*C + c] = x[n, i, j, c]: the same numbers in the same order, [n][h][w][c] seen as
/// [n][h*w*c]. Costs nothing: inside a Sequential, y is x's memory. Called by itself with separate
/// memory, it copies. (PyTorch's NCHW images flatten in another order: model files convert.)
template <class T>
class Flatten : public Layer<T> {
 public:
  std::string type() const override { return "Flatten"; }
  Shape output_shape(const Shape& x) const override { return {x.size()}; }
  void forward(TensorView<const T> x, TensorView<T> y, std::int64_t first) override;
  void backward(TensorView<const T> x, TensorView<const T> y, TensorView<const T> dy,
                TensorView<T> dx, Gradients<T>& grads, std::int64_t first) override;
  bool sample_wise() const override { return true; }
  bool in_place() const override { return true; }
  bool backward_reads_y() const override { return false; }
  std::optional<Activation> activation() const override { return Activation::identity; }
  double work(const Shape& /*x*/) const override { return 0; }
};

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_FLATTEN_H_
