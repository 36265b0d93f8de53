#include "nn/activation_layers.h"

namespace nnkernels::nn {

template <class T>
void ActivationLayer<T>::forward(TensorView<const T> x, TensorView<T> y, std::int64_t /*first*/) {
  activation_forward(kind_, x.size(), x.data, y.data);
}

template <class T>
void ActivationLayer<T>::backward(TensorView<const T> /*x*/, TensorView<const T> y,
                                  TensorView<const T> dy, TensorView<T> dx, Gradients<T>& /*grads*/,
                                  std::int64_t /*first*/) {
  // y = f(x)  =>  dx = dy f'(x), and f'(x) is a function of y
  if (!dx.empty()) activation_backward(kind_, y.size(), y.data, dy.data, dx.data);
}

template class ActivationLayer<float>;
template class ActivationLayer<double>;
template class ReLU<float>;
template class ReLU<double>;
template class Sigmoid<float>;
template class Sigmoid<double>;
template class Tanh<float>;
template class Tanh<double>;

}  // namespace nnkernels::nn
