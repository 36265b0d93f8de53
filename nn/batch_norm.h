// Batch normalization.
#ifndef NNKERNELS_NN_BATCH_NORM_H_
#define NNKERNELS_NN_BATCH_NORM_H_

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "nn/layer.h"

namespace nnkernels::nn {

/// y = gamma (x - mean) / sqrt(variance + epsilon) + beta for each channel, the last dimension of x
/// (S. Ioffe and C. Szegedy, arXiv:1502.03167): x of [n][c] (PyTorch's BatchNorm1d) or [n][h][w][c]
/// (BatchNorm2d).
///
/// In training, mean and variance (divided by the count r = n h w) are those of the batch, and
///     running_mean += momentum (mean - running_mean)
///     running_var += momentum (variance r / (r - 1) - running_var)
/// as in PyTorch (Keras's momentum is 1 minus this one). A batch of r = 1 has no spread: y is beta,
/// and running_var stays. In inference they are the running ones.
///
/// gamma and beta are parameters, 1 and 0 after initialize(); the running moments are buffers, 0
/// and
/// 1. A ReLU behind it is computed in the same pass. Takes the whole batch at once; forward reads x
/// twice and backward x and dy twice. A bias before it has no effect ("nobias"). In a frozen
/// network it runs sample by sample, or is part of the convolution before it. Allocates nothing
/// after construction, but for the kernels' own scratch memory.
template <class T>
class BatchNorm : public Layer<T> {
 public:
  /// Throws std::invalid_argument unless channels is at least 1, momentum in [0, 1] and epsilon
  /// greater than 0.
  explicit BatchNorm(std::int64_t channels, double momentum = 0.1, double epsilon = 1e-5);

  double momentum() const { return momentum_; }
  double epsilon() const { return epsilon_; }

  /// As long as the layer is frozen, y = scale x + shift with the numbers of each channel.
  bool frozen() const { return frozen_; }
  std::span<const T> scale() const { return scale_; }
  std::span<const T> shift() const { return shift_; }

  std::string type() const override { return "BatchNorm"; }
  std::string description() const override;
  Shape output_shape(const Shape& x) const override;
  bool depends_on_pass() const override { return true; }
  void begin_pass(const Pass& pass, std::int64_t index) override;
  void forward(TensorView<const T> x, TensorView<T> y, std::int64_t first) override;
  void backward(TensorView<const T> x, TensorView<const T> y, TensorView<const T> dy,
                TensorView<T> dx, Gradients<T>& grads, std::int64_t first) override;
  std::span<Parameter<T>> parameters() override { return parameters_; }
  std::span<Buffer<T>> buffers() override { return buffers_; }
  bool backward_reads_y() const override { return false; }
  bool sample_wise() const override { return frozen_; }
  bool in_place() const override { return frozen_; }
  bool fuse(Activation kind) override;
  void set_frozen(bool frozen) override;

 private:
  /// Sets scale_ and shift_ from these moments of each channel.
  void set_scale(const T* mean, const T* variance);
  /// After a batch of so many rows, whose moments are in mean_ and variance_.
  void update_running_moments(std::int64_t rows);

  std::int64_t channels_;
  double momentum_;
  double epsilon_;
  bool training_ = false;
  bool relu_ = false;
  bool frozen_ = false;
  std::array<Parameter<T>, 2> parameters_;  // gamma, beta
  std::array<Buffer<T>, 2> buffers_;        // running_mean, running_var
  // Of the last forward pass, [channels] each.
  std::vector<T> mean_, variance_, scale_, shift_;
  // Of the backward pass: dx = scale dy + away (x - mean) + constant.
  std::vector<T> products_, away_, constant_;
};

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_BATCH_NORM_H_
