#include "nn/affine.h"

#include <algorithm>
#include <span>
#include <stdexcept>

#include "kernels/cost.h"
#include "kernels/gemm.h"
#include "kernels/parallel.h"
#include "kernels/prefetch.h"
#include "kernels/vector.h"

namespace nnkernels::nn {
namespace {

/// How the rows of w are cut into pieces: few enough rows that they, their gradient and an
/// optimizer's state stay in the L2 cache, full tiles both as rows (of dw) and as columns (of dx),
/// and all of nearly one size, so that every thread gets as much.
class Pieces {
 public:
  explicit Pieces(std::int64_t in) : in_(in) {
    const std::int64_t rows = in >= 576 ? 96 : in >= 128 ? 64 : in;
    count_ = std::max<std::int64_t>(1, (in + rows / 2) / rows);
  }
  std::int64_t count() const { return count_; }
  /// The first row of piece i. Boundaries are those of cache lines in rows of x and dx.
  std::int64_t begin(std::int64_t i) const {
    return i == count_ ? in_ : (in_ + kGrain - 1) / kGrain * i / count_ * kGrain;
  }

 private:
  static constexpr std::int64_t kGrain = 16;
  std::int64_t in_, count_;
};

/// Into how many parts, each of whole pieces, forward() cuts the sums over `in`: more than one only
/// where the partial sums, n x out each, cost little against reading w.
std::int64_t parts_of_sum(std::int64_t in, std::int64_t out, std::int64_t n) {
  if (n <= 16 || in < 4 * out) return 1;  // so few rows have their own ways through gemm()
  return std::clamp<std::int64_t>(Pieces(in).count() / 2, 1, 8);
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
void Affine<T>::set_frozen(bool /*frozen*/) {
  activation_ = activation_before_ = Activation::identity;
}

template <class T>
double Affine<T>::work(const Shape& /*x*/) const {
  return static_cast<double>(in_) * static_cast<double>(out_);
}

template <class T>
void Affine<T>::plan(const Shape& /*x*/, std::int64_t n) {
  const std::int64_t parts = parts_of_sum(in_, out_, n);
  if (parts > 1) partial_sums_.reserve(parts * n * out_);
}

// Each thread reads the rows of w that it will change in backward(): w then stays in its caches,
// and is not fetched from another core's twice a step.
template <class T>
void Affine<T>::forward(TensorView<const T> x, TensorView<T> y, std::int64_t /*first*/) {
  const MatrixView<const T> w(parameters_[0].value.data(), in_, out_), x_matrix = x.matrix();
  const T* b = bias_ ? parameters_[1].value.data() : nullptr;
  const std::int64_t n = x_matrix.rows, parts = parts_of_sum(in_, out_, n);
  if (parts == 1) {
    return gemm(T(1), x_matrix, w, T(0), y.matrix(), {.bias = b, .activation = activation_});
  }
  const Pieces pieces(in_);
  partial_sums_.reserve(parts * n * out_);
  const double flops = 2.0 * static_cast<double>(y.size()) * static_cast<double>(in_);
  parallel_for(parts, arithmetic_microseconds<T>(flops), [&](std::int64_t part, int /*slot*/) {
    const std::int64_t row = pieces.begin(pieces.count() * part / parts);
    const std::int64_t rows = pieces.begin(pieces.count() * (part + 1) / parts) - row;
    gemm(T(1), x_matrix.col_block(row, rows), w.row_block(row, rows), T(0),
         MatrixView<T>(partial_sums_.data() + part * n * out_, n, out_));
  });
  sum_pieces(parts, n * out_, partial_sums_.data(), y.data);
  if (bias_) add_bias(n, out_, b, y.data);
  activation_forward(activation_, n * out_, y.data, y.data);
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

  const Pieces pieces(in_);
  const auto run = [&](std::int64_t piece, int /*slot*/) {
    const std::int64_t row = pieces.begin(piece), rows = pieces.begin(piece + 1) - row;
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
  if (pieces.count() == 1) return run(0, 0);
  const double flops =
      (dx.empty() ? 2.0 : 4.0) * static_cast<double>(dy.size()) * static_cast<double>(in_);
  parallel_for(pieces.count(), arithmetic_microseconds<T>(flops), run);
}

template class Affine<float>;
template class Affine<double>;

}  // namespace nnkernels::nn
