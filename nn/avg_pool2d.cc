#include "nn/avg_pool2d.h"

namespace nnkernels::nn {

template <class T>
AvgPool2d<T>::AvgPool2d(const Pool2dOptions& options, PoolDivisor divisor)
    : options_(resolved(options, "AvgPool2d")), divisor_(divisor) {}

template <class T>
std::string AvgPool2d<T>::description() const {
  return pool_description(options_, "AvgPool2d") +
         (divisor_ == PoolDivisor::window ? " divisor window" : "");
}

template <class T>
Shape AvgPool2d<T>::output_shape(const Shape& x) const {
  const PoolShape pool = pool_shape(options_, x, 1, "AvgPool2d");
  return {pool.oh(), pool.ow(), pool.c};
}

template <class T>
void AvgPool2d<T>::forward(TensorView<const T> x, TensorView<T> y, std::int64_t /*first*/) {
  average_pool_forward(pool_shape(options_, x.shape.sample(), x.shape[0], "AvgPool2d"), divisor_,
                       x.data, y.data);
}

template <class T>
void AvgPool2d<T>::backward(TensorView<const T> x, TensorView<const T> /*y*/,
                            TensorView<const T> dy, TensorView<T> dx, Gradients<T>& /*grads*/,
                            std::int64_t /*first*/) {
  if (dx.empty()) return;
  // y = (sum of x over the window) / divisor  =>  dx += dy / divisor, all over the window
  average_pool_backward(pool_shape(options_, x.shape.sample(), x.shape[0], "AvgPool2d"), divisor_,
                        dy.data, dx.data);
}

template class AvgPool2d<float>;
template class AvgPool2d<double>;

}  // namespace nnkernels::nn
