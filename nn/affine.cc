#include "nn/affine.h"

#include <stdexcept>

#include "kernels/gemm.h"
#include "kernels/vector.h"

namespace nnkernels::nn {

template <class T>
Affine<T>::Affine(std::int64_t in, std::int64_t out) : in_(in), out_(out) {
  if (in < 1 || out < 1) {
    throw std::invalid_argument("Affine: in and out must be at least 1, got " + std::to_string(in) +
                                " and " + std::to_string(out));
  }
  parameters_[0] = {"w", Tensor<T>({in, out}), Tensor<T>({in, out}), in, out};
  parameters_[1] = {"b", Tensor<T>({out}), Tensor<T>({out}), 0, 0};
}

template <class T>
std::string Affine<T>::description() const {
  return "Affine " + std::to_string(in_) + "->" + std::to_string(out_);
}

template <class T>
Shape Affine<T>::output_shape(const Shape& x) const {
  if (x != Shape{in_}) {
    throw std::invalid_argument(description() + ": expected samples of shape [" +
                                std::to_string(in_) + "], got " + x.str() +
                                (x.rank() > 1 && x.size() == in_ ? "; put a Flatten before" : ""));
  }
  return {out_};
}

template <class T>
bool Affine<T>::fuse(Activation kind) {
  if (activation_ != Activation::identity) return false;
  activation_ = kind;
  return true;
}

template <class T>
bool Affine<T>::fuse_gradient(Activation kind) {
  activation_before_ = kind;
  return true;
}

template <class T>
double Affine<T>::work(const Shape& /*x*/) const {
  return static_cast<double>(in_) * static_cast<double>(out_);
}

template <class T>
void Affine<T>::forward(TensorView<const T> x, TensorView<T> y, std::int64_t /*first*/) {
  const MatrixView<const T> w(parameters_[0].value.data(), in_, out_);
  const T* b = parameters_[1].value.data();
  gemm(T(1), x.matrix(), w, T(0), y.matrix(), {.bias = b, .activation = activation_});
}

// `dy` is already the gradient by x w + b: the activation's own layer, or the one behind it, has
// seen to its part.
template <class T>
void Affine<T>::backward(TensorView<const T> x, TensorView<const T> /*y*/, TensorView<const T> dy,
                         TensorView<T> dx, std::span<const TensorView<T>> grads,
                         std::int64_t /*first*/) {
  const MatrixView<const T> w(parameters_[0].value.data(), in_, out_);
  const MatrixView<T> dw(grads[0].data, in_, out_);
  const MatrixView<const T> dy_matrix = dy.matrix();
  // y = x w + b  =>  dw = x^T dy
  gemm(T(1), x.matrix().transposed(), dy_matrix, T(0), dw);
  // y = x w + b  =>  db = the sum of dy over the batch
  column_sums(dy_matrix.rows, out_, dy.data, grads[1].data);
  // y = x w + b  =>  dx = dy w^T
  if (!dx.empty()) gemm(T(1), dy_matrix, w.transposed(), T(0), dx.matrix());
  if (!dx.empty() && activation_before_ != Activation::identity) {
    activation_backward(activation_before_, dx.size(), x.data, dx.data, dx.data);
  }
}

template class Affine<float>;
template class Affine<double>;

}  // namespace nnkernels::nn
