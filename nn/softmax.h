// The softmax as a layer.
#ifndef NNKERNELS_NN_SOFTMAX_H_
#define NNKERNELS_NN_SOFTMAX_H_

#include <cstdint>
#include <string>

#include "nn/layer.h"

namespace nnkernels::nn {

/// y[j] = exp(x[j]) / sum over k of exp(x[k]) over the last dimension of x, any others being rows.
/// The formulas, forward and backward, are in kernels/softmax.h.
///
/// To train a classifier, leave it out and use SoftmaxWithLoss, which is faster and stable: the
/// logarithm of a y that has underflowed is not finite. Works in place and sample by sample;
/// allocates nothing.
template <class T>
class Softmax : public Layer<T> {
 public:
  std::string type() const override { return "Softmax"; }
  /// Throws std::invalid_argument if samples are single numbers.
  Shape output_shape(const Shape& x) const override;
  void forward(TensorView<const T> x, TensorView<T> y, std::int64_t first) override;
  void backward(TensorView<const T> x, TensorView<const T> y, TensorView<const T> dy,
                TensorView<T> dx, Gradients<T>& grads, std::int64_t first) override;
  bool sample_wise() const override { return true; }
  bool in_place() const override { return true; }
};

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_SOFTMAX_H_
