#include "nn/max_pool2d.h"

#include <limits>
#include <stdexcept>

namespace nnkernels::nn {

template <class T>
MaxPool2d<T>::MaxPool2d(const Pool2dOptions& options) : options_(resolved(options, "MaxPool2d")) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
  if (options_.kh > kMost / options_.kw) {
    throw std::invalid_argument("MaxPool2d: a window has at most 2^31 - 1 pixels, got " +
                                std::to_string(options_.kh) + "x" + std::to_string(options_.kw));
  }
}

template <class T>
std::string MaxPool2d<T>::description() const {
  return pool_description(options_, "MaxPool2d");
}

template <class T>
Shape MaxPool2d<T>::output_shape(const Shape& x) const {
  const PoolShape pool = pool_shape(options_, x, 1, "MaxPool2d");
  return {pool.oh(), pool.ow(), pool.c};
}

template <class T>
void MaxPool2d<T>::plan(const Shape& x, std::int64_t n) {
  if (!frozen_) argmax_.reserve(n * output_shape(x).size());
}

template <class T>
void MaxPool2d<T>::forward(TensorView<const T> x, TensorView<T> y, std::int64_t first) {
  std::int32_t* argmax = frozen_ ? nullptr : argmax_.data() + first * y.shape.sample().size();
  max_pool_forward(pool_shape(options_, x.shape.sample(), x.shape[0], "MaxPool2d"), x.data, y.data,
                   argmax);
}

template <class T>
void MaxPool2d<T>::backward(TensorView<const T> x, TensorView<const T> y, TensorView<const T> dy,
                            TensorView<T> dx, Gradients<T>& /*grads*/, std::int64_t first) {
  if (dx.empty()) return;
  const std::int32_t* argmax = argmax_.data() + first * y.shape.sample().size();
  // y = x[argmax]  =>  dx[argmax] += dy
  max_pool_backward(pool_shape(options_, x.shape.sample(), x.shape[0], "MaxPool2d"), dy.data,
                    argmax, dx.data);
}

template class MaxPool2d<float>;
template class MaxPool2d<double>;

}  // namespace nnkernels::nn
