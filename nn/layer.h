// The interface of a layer: what Sequential needs to know to run, train and plan it.
#ifndef NNKERNELS_NN_LAYER_H_
#define NNKERNELS_NN_LAYER_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kernels/activation.h"
#include "nn/gradients.h"
#include "nn/tensor.h"

namespace nnkernels::nn {

/// A trainable tensor and the gradient of the loss by it, of one shape. `fan_in` and `fan_out` are
/// what the initialisations of K. He and X. Glorot divide by; 0 marks a bias (initialised to zero).
template <class T>
struct Parameter {
  std::string name;  // "w", "b"; Sequential prefixes the layer's index, "0.w"
  Tensor<T> value;
  Tensor<T> grad;
  std::int64_t fan_in = 0;
  std::int64_t fan_out = 0;
  double initial = 0;  // what initialize() sets it to if fan_in is 0
};

/// A tensor that a layer keeps from step to step and that no gradient changes: a running mean. Part
/// of the trained network as parameters are, and saved with it.
template <class T>
struct Buffer {
  std::string name;  // "running_mean"; Sequential prefixes the layer's index
  Tensor<T> value;
  double initial = 0;  // what initialize() sets it to
};

/// What a forward pass is for.
struct Pass {
  /// Whether a backward pass and an update will follow: Dropout drops, BatchNorm takes its moments
  /// from the batch.
  bool training = false;
  /// The random numbers of a training pass depend on these two alone, so a run that is resumed at a
  /// step goes on with the numbers of that step.
  std::uint64_t seed = 1;
  std::uint64_t step = 0;
};

/// y = f(x; parameters), and its derivatives.
///
/// A layer owns its parameters and what the backward pass needs beyond x and y (an argmax, a mask).
/// Activations belong to Sequential, which hands x and y back to backward(). Shapes passed to
/// forward() and backward() are batches, [n, ...]; they have been checked by Sequential.
template <class T>
class Layer {
 public:
  virtual ~Layer() = default;

  /// The layer's type as users write it, "Conv2d", for messages.
  virtual std::string type() const = 0;

  /// The type and its settings for people: "Conv2d 1->30 5x5".
  virtual std::string description() const { return type(); }

  /// The shape of one y for one x. Throws std::invalid_argument, naming the layer, the shape it
  /// expects and the one it got, if the layer cannot take x.
  virtual Shape output_shape(const Shape& x) const = 0;

  /// Prepares workspace for batches of up to n samples of shape x: the only call that may allocate.
  virtual void plan(const Shape& x, std::int64_t n);

  /// True if training and inference differ. A backward pass through such a layer needs a forward
  /// pass in training before it.
  virtual bool depends_on_pass() const { return false; }

  /// Called on one thread before the forward() calls of each pass: `index` is the layer's place in
  /// the network, so that two layers do not share random numbers.
  virtual void begin_pass(const Pass& /*pass*/, std::int64_t /*index*/) {}

  /// Computes y from x. `first` is the place of x's first sample in the whole batch: a sample-wise
  /// layer (below) may be called on parts of it, and finds its workspace by `first`.
  virtual void forward(TensorView<const T> x, TensorView<T> y, std::int64_t first) = 0;

  /// From dy = dL/dy computes dx = dL/dx, unless dx is empty (nobody needs it), and overwrites
  /// grads[i] with dL/d(parameters()[i]) summed over the samples of this call. dx and dy overlap
  /// only where in_place() says so. x, y and first are those of the forward call. A layer that is
  /// given the whole batch may say piece by piece that gradients are final (Gradients::finished).
  virtual void backward(TensorView<const T> x, TensorView<const T> y, TensorView<const T> dy,
                        TensorView<T> dx, Gradients<T>& grads, std::int64_t first) = 0;

  /// The trainable tensors; the order is part of the model's file format.
  virtual std::span<Parameter<T>> parameters() { return {}; }

  /// What else a trained layer consists of; the order is part of the model's file format.
  virtual std::span<Buffer<T>> buffers() { return {}; }

  /// True if each sample's y depends on that sample's x alone and nothing is gained by taking the
  /// whole batch at once. Sequential then runs the layer depth first, on small blocks of samples,
  /// in parallel, calling forward() and backward() from several threads with disjoint samples.
  virtual bool sample_wise() const { return false; }

  /// True if y may share memory with x and dx with dy, and backward() does not read x.
  virtual bool in_place() const { return false; }

  /// False if backward() does not read y, so that an in_place() layer that follows may overwrite
  /// it.
  virtual bool backward_reads_y() const { return true; }

  /// The activation, if this layer is nothing but one. Activation::identity says that y is x under
  /// another shape (Flatten): Sequential then lets y be x's memory, and calls neither forward() nor
  /// backward().
  virtual std::optional<Activation> activation() const { return std::nullopt; }

  /// True if every number of y is a number of x, backward() only takes dy there, and the choice is
  /// the same before and after an activation (max pooling). The derivative of an activation before
  /// such a layer is then taken behind it, at y, which is smaller.
  virtual bool selects() const { return false; }

  /// Asks the layer to apply `kind` to its y from now on, because the layer that follows does just
  /// that. Returns false if it cannot. The dy that backward() gets is then already the gradient by
  /// the activation's argument.
  virtual bool fuse(Activation /*kind*/) { return false; }

  /// Asks the layer to multiply its dx by f'(its argument) from now on, f being the activation
  /// `kind` whose result its x is: activation_backward(kind) of x and dx. Returns false if it
  /// cannot.
  virtual bool fuse_gradient(Activation /*kind*/) { return false; }

  /// Asks the layer to do the work of `next` as well, forward and backward: its y, and dy, are
  /// those of `next` from now on. An activation that was fused before keeps its place between the
  /// two. Returns false if it cannot. `next` has no parameters and outlives the layer.
  virtual bool absorb(const Layer<T>& /*next*/) { return false; }

  /// Called when the network is frozen or thawed (Sequential::freeze): forget what fuse(),
  /// fuse_gradient() and absorb() asked for, since layers are joined anew. As long as `frozen`,
  /// every pass is inference with the parameters and buffers as they are now, and there is no
  /// backward().
  virtual void set_frozen(bool /*frozen*/) {}

  /// A rough count of the multiply-adds of one forward pass of one sample: what decides whether a
  /// block is worth a thread.
  virtual double work(const Shape& x) const { return static_cast<double>(x.size()); }
};

template <class T>
void Layer<T>::plan(const Shape& /*x*/, std::int64_t /*n*/) {}

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_LAYER_H_
