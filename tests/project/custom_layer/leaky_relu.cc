#include "tests/project/custom_layer/leaky_relu.h"

#include <stdexcept>

using nnkernels::nn::Gradients;
using nnkernels::nn::TensorView;

template <class T>
LeakyReLU<T>::LeakyReLU(T slope) : slope_(slope) {
  if (!(slope > 0 && slope < 1)) {
    throw std::invalid_argument("LeakyReLU: slope must lie between 0 and 1, got " +
                                std::to_string(slope));
  }
}

template <class T>
void LeakyReLU<T>::forward(TensorView<const T> x, TensorView<T> y, std::int64_t /*first*/) {
  for (std::int64_t i = 0; i < x.size(); ++i) {
    y.data[i] = x.data[i] > 0 ? x.data[i] : slope_ * x.data[i];
  }
}

template <class T>
void LeakyReLU<T>::backward(TensorView<const T> /*x*/, TensorView<const T> y,
                            TensorView<const T> dy, TensorView<T> dx, Gradients<T>& /*grads*/,
                            std::int64_t /*first*/) {
  if (dx.empty()) return;
  // y = x > 0 ? x : slope * x  =>  dx = x > 0 ? dy : slope * dy, and y has the sign of x
  for (std::int64_t i = 0; i < y.size(); ++i) {
    dx.data[i] = y.data[i] > 0 ? dy.data[i] : slope_ * dy.data[i];
  }
}

template class LeakyReLU<float>;
template class LeakyReLU<double>;
