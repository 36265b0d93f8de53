// Where a layer leaves the gradients of its parameters, and who takes them from there.
#ifndef NNKERNELS_NN_GRADIENTS_H_
#define NNKERNELS_NN_GRADIENTS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "nn/tensor.h"

namespace nnkernels::nn {

template <class T>
struct Parameter;

/// Updates parameters from their gradients while a backward pass runs: an optimizer.
template <class T>
class Updater {
 public:
  virtual ~Updater() = default;

  /// Called by Sequential::backward(), before anything is computed, with the network's parameters;
  /// throws std::invalid_argument if the updater cannot update these. Unless overridden it takes
  /// any.
  virtual void begin_backward(std::span<Parameter<T>* const> parameters);

  /// Elements [first, first + count) of the gradient of parameter `index`, in the order of
  /// Sequential::parameters(), are final, and nothing reads the parameter's value there until the
  /// next forward pass. Called once for every element; from several threads, with disjoint ranges.
  virtual void update(std::int64_t index, std::int64_t first, std::int64_t count) = 0;

  /// Instead of update() for the x.size() y.size() elements from `first` on, whose gradient is
  /// x[i] y[j], row by row, and has not been written. Returns false, and does nothing, if it has to
  /// be.
  virtual bool update_outer(std::int64_t index, std::int64_t first, std::span<const T> x,
                            std::span<const T> y);
};

template <class T>
void Updater<T>::begin_backward(std::span<Parameter<T>* const> /*parameters*/) {}

template <class T>
bool Updater<T>::update_outer(std::int64_t /*index*/, std::int64_t /*first*/,
                              std::span<const T> /*x*/, std::span<const T> /*y*/) {
  return false;
}

/// The gradients that one call of Layer::backward() computes, one tensor for each parameter.
template <class T>
class Gradients {
 public:
  /// The parameters of `tensors` are those from `index` on. Without an updater nothing is updated.
  explicit Gradients(std::span<const TensorView<T>> tensors, Updater<T>* updater = nullptr,
                     std::int64_t index = 0)
      : tensors_(tensors), updater_(updater), index_(index) {}

  const TensorView<T>& operator[](std::size_t k) const { return tensors_[k]; }

  /// Says that elements [first, first + count) of tensor k are final, and that the layer will not
  /// read the parameter's value there any more: they may be used while they lie in the cache. A
  /// layer may leave this to its caller, for all its tensors or for none. May be called from
  /// several threads.
  void finished(std::size_t k, std::int64_t first, std::int64_t count) {
    reported_.store(true, std::memory_order_relaxed);
    if (updater_ != nullptr) updater_->update(index_ + static_cast<std::int64_t>(k), first, count);
  }

  /// The same for elements of tensor k, from `first` on, that are x[i] y[j], row by row. Returns
  /// false if the layer has to write them and to say finished().
  bool finished_outer(std::size_t k, std::int64_t first, std::span<const T> x,
                      std::span<const T> y) {
    const std::int64_t index = index_ + static_cast<std::int64_t>(k);
    if (updater_ == nullptr || !updater_->update_outer(index, first, x, y)) return false;
    reported_.store(true, std::memory_order_relaxed);
    return true;
  }

  /// For the caller of backward(): finishes every tensor, unless the layer has done so.
  void finish() {
    if (reported_.load(std::memory_order_relaxed)) return;
    for (std::size_t k = 0; k < tensors_.size(); ++k) finished(k, 0, tensors_[k].size());
  }

 private:
  std::span<const TensorView<T>> tensors_;
  Updater<T>* updater_;
  std::int64_t index_;
  std::atomic<bool> reported_ = false;
};

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_GRADIENTS_H_
