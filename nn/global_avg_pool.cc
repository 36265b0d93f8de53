#include "nn/global_avg_pool.h"

#include <stdexcept>

#include "nn/pool2d_options.h"

namespace nnkernels::nn {
namespace {

/// The pooling whose only window is the whole image.
PoolShape window(const Shape& sample, std::int64_t n) {
  const Pool2dOptions options{
      .kh = sample[0], .kw = sample[1], .stride_h = sample[0], .stride_w = sample[1]};
  return pool_shape(options, sample, n, "GlobalAvgPool2d");
}

}  // namespace

template <class T>
Shape GlobalAvgPool2d<T>::output_shape(const Shape& x) const {
  if (x.rank() != 3) {
    throw std::invalid_argument("GlobalAvgPool2d: expected samples of shape [h, w, c], got " +
                                x.str());
  }
  return {window(x, 1).c};
}

template <class T>
void GlobalAvgPool2d<T>::forward(TensorView<const T> x, TensorView<T> y, std::int64_t /*first*/) {
  average_pool_forward(window(x.shape.sample(), x.shape[0]), PoolDivisor::inside, x.data, y.data);
}

template <class T>
void GlobalAvgPool2d<T>::backward(TensorView<const T> x, TensorView<const T> /*y*/,
                                  TensorView<const T> dy, TensorView<T> dx, Gradients<T>& /*grads*/,
                                  std::int64_t /*first*/) {
  if (dx.empty()) return;
  average_pool_backward(window(x.shape.sample(), x.shape[0]), PoolDivisor::inside, dy.data,
                        dx.data);
}

template class GlobalAvgPool2d<float>;
template class GlobalAvgPool2d<double>;

}  // namespace nnkernels::nn
