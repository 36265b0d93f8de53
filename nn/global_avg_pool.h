// Global average pooling.
#ifndef NNKERNELS_NN_GLOBAL_AVG_POOL_H_
#define NNKERNELS_NN_GLOBAL_AVG_POOL_H_

#include <cstdint>
#include <string>

#include "nn/layer.h"

namespace nnkernels::nn {

/// y[c] = the mean of x[h][w][c] over h and w: from an image to one number a channel (M. Lin, Q.
/// Chen and S. Yan, arXiv:1312.4400). Also known as GlobalAveragePooling2D (Keras). Runs sample by
/// sample; allocates nothing.
template <class T>
class GlobalAvgPool2d : public Layer<T> {
 public:
  std::string type() const override { return "GlobalAvgPool2d"; }
  /// Throws std::invalid_argument unless samples are of [h][w][c].
  Shape output_shape(const Shape& x) const override;
  void forward(TensorView<const T> x, TensorView<T> y, std::int64_t first) override;
  void backward(TensorView<const T> x, TensorView<const T> y, TensorView<const T> dy,
                TensorView<T> dx, Gradients<T>& grads, std::int64_t first) override;
  bool sample_wise() const override { return true; }
  bool backward_reads_y() const override { return false; }
};

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_GLOBAL_AVG_POOL_H_
