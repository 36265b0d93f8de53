#include "nn/softmax.h"

#include <algorithm>
#include <stdexcept>

#include "kernels/softmax.h"

namespace nnkernels::nn {

template <class T>
Shape Softmax<T>::output_shape(const Shape& x) const {
  if (x.rank() == 0) throw std::invalid_argument("Softmax: samples must have at least 1 dimension");
  return x;
}

template <class T>
void Softmax<T>::forward(TensorView<const T> x, TensorView<T> y, std::int64_t /*first*/) {
  const std::int64_t cols = x.shape[-1];
  softmax_forward(x.size() / std::max<std::int64_t>(1, cols), cols, x.data, y.data);
}

template <class T>
void Softmax<T>::backward(TensorView<const T> /*x*/, TensorView<const T> y, TensorView<const T> dy,
                          TensorView<T> dx, Gradients<T>& /*grads*/, std::int64_t /*first*/) {
  if (dx.empty()) return;
  const std::int64_t cols = y.shape[-1];
  softmax_backward(y.size() / std::max<std::int64_t>(1, cols), cols, y.data, dy.data, dx.data);
}

template class Softmax<float>;
template class Softmax<double>;

}  // namespace nnkernels::nn
