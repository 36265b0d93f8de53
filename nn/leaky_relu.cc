#include "nn/leaky_relu.h"

#include <stdexcept>

#include "nn/number_text.h"

namespace nnkernels::nn {

template <class T>
LeakyReLU<T>::LeakyReLU(double slope) : slope_(slope) {
  if (!(slope > 0 && slope < 1)) {
    throw std::invalid_argument("LeakyReLU: slope must lie between 0 and 1, got " +
                                std::to_string(slope));
  }
}

template <class T>
std::string LeakyReLU<T>::description() const {
  return "LeakyReLU " + number_text(slope_);
}

template <class T>
void LeakyReLU<T>::forward(TensorView<const T> x, TensorView<T> y, std::int64_t /*first*/) {
  const auto slope = static_cast<T>(slope_);
  const T* const from = x.data;
  T* const to = y.data;
  for (std::int64_t i = 0; i < x.size(); ++i) to[i] = from[i] > 0 ? from[i] : slope * from[i];
}

template <class T>
void LeakyReLU<T>::backward(TensorView<const T> /*x*/, TensorView<const T> y,
                            TensorView<const T> dy, TensorView<T> dx, Gradients<T>& /*grads*/,
                            std::int64_t /*first*/) {
  if (dx.empty()) return;
  const auto slope = static_cast<T>(slope_);
  // y = x > 0 ? x : slope x  =>  dx = x > 0 ? dy : slope dy, and y has the sign of x
  for (std::int64_t i = 0; i < y.size(); ++i) {
    dx.data[i] = y.data[i] > 0 ? dy.data[i] : slope * dy.data[i];
  }
}

template class LeakyReLU<float>;
template class LeakyReLU<double>;

}  // namespace nnkernels::nn
