#include "nn/affine.h"

#include <algorithm>
#include <span>
#include <stdexcept>

#include "kernels/gemm.h"
#include "kernels/parallel.h"
#include "kernels/prefetch.h"
#include "kernels/vector.h"

namespace nnkernels::nn {
namespace {

/// How many rows of w make a piece of backward(): full tiles both as rows (of dw) and as columns
/// (of dx), and few enough that they, their gradient and an optimizer's state stay in the L2 cache.
std::int64_t rows_of_piece(std::int64_t in) {
  if (in >= 576) return 96;
  return in >= 128 ? 64 : in;
}

}  // namespace

template <class T>
Affine<T>::Affine(std::int64_t in, std::int64_t out, bool bias) : in_(in), out_(out), bias_(bias) {
  if (in < 1 || out < 1) {
    throw std::invalid_argument("Affine: in and out must be at least 1, got " + std::to_string(in) +
                                " and " + std::to_string(out));
  }
  parameters_[0] = {"w", Tensor<T>({in, out}), Tensor<T>({in, out}), in, out};
  parameters_[1] = {"b", Tensor<T>({out}), Tensor<T>({out}), 0, 0};
}

template <class T>
std::string Affine<T>::description() const {
  return "Affine " + std::to_string(in_) + "->" + std::to_string(out_) + (bias_ ? "" : " nobias");
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
  const T* b = bias_ ? parameters_[1].value.data() : nullptr;
  gemm(T(1), x.matrix(), w, T(0), y.matrix(), {.bias = b, .activation = activation_});
}

// `dy` is already the gradient by x w + b: the activation's own layer, or the one behind it, has
// seen to its part. Some rows of w at a time take part in dx and dw and are then finished: they and
// their gradient are still in the cache when the optimizer comes for them.
template <class T>
void Affine<T>::backward(TensorView<const T> x, TensorView<const T> /*y*/, TensorView<const T> dy,
                         TensorView<T> dx, Gradients<T>& grads, std::int64_t /*first*/) {
  const MatrixView<const T> w(parameters_[0].value.data(), in_, out_);
  const MatrixView<T> dw(grads[0].data, in_, out_);
  const MatrixView<const T> x_matrix = x.matrix(), dy_matrix = dy.matrix();
  // y = x w + b  =>  db = the sum of dy over the batch
  if (bias_) {
    column_sums(dy_matrix.rows, out_, dy.data, grads[1].data);
    grads.finished(1, 0, out_);
  }

  const std::int64_t step = rows_of_piece(in_), pieces = (in_ + step - 1) / step;
  const auto run = [&](std::int64_t piece, int /*slot*/) {
    const std::int64_t row = piece * step, rows = std::min(step, in_ - row);
    const MatrixView<const T> x_block = x_matrix.col_block(row, rows);
    if (!dx.empty()) {
      prefetch(x_block);
      const MatrixView<T> dx_block = dx.matrix().col_block(row, rows);
      // y = x w + b  =>  dx = dy w^T
      gemm(T(1), dy_matrix, w.row_block(row, rows).transposed(), T(0), dx_block);
      activation_backward(activation_before_, x_block, dx_block);
    }
    // Of a single sample, dw is an outer product and need not be written to be used.
    const auto in_block = std::span(x_block.data, static_cast<std::size_t>(rows));
    const auto out = std::span(dy.data, static_cast<std::size_t>(out_));
    if (x_matrix.rows == 1 && grads.finished_outer(0, row * out_, in_block, out)) return;
    // y = x w + b  =>  dw = x^T dy
    gemm(T(1), x_block.transposed(), dy_matrix, T(0), dw.row_block(row, rows));
    grads.finished(0, row * out_, rows * out_);
  };
  // A single piece is no loop: its products may then use all threads themselves.
  if (pieces == 1) return run(0, 0);
  const double flops =
      (dx.empty() ? 2.0 : 4.0) * static_cast<double>(dy.size()) * static_cast<double>(in_);
  parallel_for(pieces, flops / kFlopsPerMicrosecond, run);
}

template class Affine<float>;
template class Affine<double>;

}  // namespace nnkernels::nn
