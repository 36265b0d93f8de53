// A stack of layers, run forward and backward with every buffer planned in advance.
#ifndef NNKERNELS_NN_SEQUENTIAL_H_
#define NNKERNELS_NN_SEQUENTIAL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "nn/layer.h"

namespace nnkernels::nn {

/// Layers one after the other: y = f_L(... f_1(x)).
///
///     Sequential<float> net(Shape{28, 28, 1});
///     net.add<Conv2d<float>>(Conv2dOptions{.ic = 1, .oc = 30, .kh = 5, .kw = 5});
///     net.add<ReLU<float>>();
///     net.add<MaxPool2d<float>>(Pool2dOptions{.kh = 2, .kw = 2});
///     net.add<Flatten<float>>();
///     net.add<Affine<float>>(12 * 12 * 30, 10);
///     initialize(net, Initialization::he, seed);
///
/// plan(n) allocates everything that batches of up to n samples need; after that forward() and
/// backward() allocate nothing for n samples or fewer.
///
/// Neighbouring sample-wise layers (Layer::sample_wise) form a stage that runs depth first: the
/// batch is cut into blocks of samples small enough that what flows between the layers stays in the
/// L2 cache, blocks run in parallel, and each runs through all layers of the stage before the next.
/// A stage is one parallel region forward and one backward. Every other layer is a stage of its own
/// and is given the whole batch. The blocks depend on shapes only, and their gradients are added in
/// order, so result bits do not depend on the number of threads.
///
/// A layer that is nothing but an activation is computed by the layer before it where that can
/// (Layer::fuse), and else in place where no backward pass needs what it overwrites. Its backward
/// pass is then done by the layer behind it, if that can (Layer::fuse_gradient). A convolution also
/// does the work of a 2x2 max pool behind it (Layer::absorb).
///
/// A network that is to be used and not trained any more is faster, and needs less memory, when it
/// is frozen: freeze().
/// One Sequential is to be used by one thread at a time; several threads that serve requests have
/// one each (docs/layers.md). One that has been moved from can only be assigned to or destroyed.
template <class T>
class Sequential {
 public:
  /// `input` is the shape of one sample.
  explicit Sequential(const Shape& input);
  ~Sequential();
  Sequential(Sequential&&) noexcept;
  Sequential& operator=(Sequential&&) noexcept;

  /// Appends a layer. Throws std::invalid_argument if it is a null pointer, or cannot take the
  /// output of the one before.
  void add(std::unique_ptr<Layer<T>> layer);
  template <class L, class... Args>
  L& add(Args&&... args) {
    auto layer = std::make_unique<L>(std::forward<Args>(args)...);
    L& reference = *layer;
    add(std::unique_ptr<Layer<T>>(std::move(layer)));
    return reference;
  }

  const Shape& input_shape() const;
  const Shape& output_shape() const;
  std::int64_t layer_count() const;
  Layer<T>& layer(std::int64_t i) const;
  /// The shape of one sample that goes into layer i; i = layer_count() is the output.
  const Shape& shape_before(std::int64_t i) const;

  /// All parameters in layer order, and their names, "0.w", "0.b", "4.w"...
  std::vector<Parameter<T>*> parameters() const;
  std::vector<std::string> parameter_names() const;
  /// How many numbers the parameters hold.
  std::int64_t parameter_count() const;

  /// All buffers in layer order (running means and the like), and their names, "1.running_mean".
  std::vector<Buffer<T>*> buffers() const;
  std::vector<std::string> buffer_names() const;

  /// Allocates for batches of up to n samples. forward() calls it when a batch is larger than
  /// planned.
  void plan(std::int64_t n);

  /// Returns f(x) for a batch x of shape [n, input...], in a buffer that stays valid and unchanged
  /// until the next forward(). Throws std::invalid_argument if the shape does not fit, or x is a
  /// null pointer to samples.
  ///
  /// `pass` says what for: inference, unless told otherwise. Training loops say
  ///     net.forward(x, {.training = true, .seed = seed, .step = step});
  /// Nothing of that lasts: the next forward(x) is inference again.
  TensorView<const T> forward(TensorView<const T> x, const Pass& pass = {});

  /// Makes forward() faster for a network that is not trained any more, until thaw(): BatchNorm
  /// becomes part of the convolution in front of it, y = (x * w + b) s + t = x * (w s) + (b s + t),
  /// which rounds differently in the last digits; all else has the same bits. BatchNorm no longer
  /// ends a stage and Dropout does not exist; what flows inside a stage is kept in a cache-sized
  /// buffer of each thread, and of activations between stages only two.
  ///
  /// Calculates with the parameters and buffers as they are now: who changes them calls freeze()
  /// again. A training pass and backward() throw std::invalid_argument. Parameters keep their
  /// values, and can be saved as ever. Allocates, as the next forward() does.
  void freeze();
  /// Back to a network that can be trained.
  void thaw();
  bool frozen() const;

  /// From dy = dL/d(f(x)) for the x of the last forward() overwrites the grad of every parameter.
  /// x must still hold what it held then. If dx is not empty, it receives dL/dx. An updater gets
  /// every gradient as soon as it is final, and may change the parameter (which forward() and
  /// backward() must then both be called for again); of a single sample, the updater may compute
  /// gradients itself (Updater::update_outer), and grad is then left as it was.
  /// dx must not overlap x or dy. Throws std::invalid_argument if a shape is not that of the last
  /// forward(), if x or dy is a null pointer to samples, if that was no training pass although a
  /// layer depends on it (Dropout, BatchNorm), or if the updater is an optimizer that is not bound
  /// to this network or has begun no step.
  void backward(TensorView<const T> x, TensorView<const T> dy, TensorView<T> dx = {},
                Updater<T>* updater = nullptr);

  /// The output of layer i in the last forward(), for a look inside; with the activation that was
  /// fused into the layer, if any. Empty if a later layer works in place and has overwritten it, or
  /// if the layer does the work of the next one as well (Layer::absorb) and never stores it; in a
  /// frozen network, unless it is the last one.
  TensorView<const T> output(std::int64_t i) const;

 private:
  struct Plan;
  std::unique_ptr<Plan> plan_;
};

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_SEQUENTIAL_H_
