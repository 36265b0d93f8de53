#include "nn/dropout.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "nn/number_text.h"
#include "nn/random.h"

namespace nnkernels::nn {
namespace {

constexpr double kSteps = 65536;  // of a probability, in kernels/dropout.h

}  // namespace

template <class T>
Dropout<T>::Dropout(double p) : p_(p) {
  if (!(p >= 0 && p < 1)) {
    throw std::invalid_argument("Dropout: p must be at least 0 and less than 1, got " +
                                std::to_string(p));
  }
  mask_.threshold = static_cast<std::uint32_t>(std::min(std::round(p * kSteps), kSteps - 1));
}

template <class T>
std::string Dropout<T>::description() const {
  return "Dropout " + number_text(p_);
}

template <class T>
void Dropout<T>::begin_pass(const Pass& pass, std::int64_t index) {
  // The counters of Random (nn/random.h) for this purpose and step.
  const std::uint64_t high = pass.step << 8 | static_cast<std::uint64_t>(Purpose::dropout);
  mask_.key = {static_cast<std::uint32_t>(pass.seed), static_cast<std::uint32_t>(pass.seed >> 32)};
  mask_.high = {static_cast<std::uint32_t>(high), static_cast<std::uint32_t>(high >> 32)};
  base_ = index << 43;
  training_ = pass.training;
}

template <class T>
void Dropout<T>::drop(TensorView<const T> from, TensorView<T> to, std::int64_t first) const {
  const double kept = 1 - mask_.threshold / kSteps;
  const std::int64_t element = base_ + first * from.shape.sample().size();
  dropout(from.size(), element, mask_, static_cast<T>(1 / kept), from.data, to.data);
}

template <class T>
void Dropout<T>::forward(TensorView<const T> x, TensorView<T> y, std::int64_t first) {
  if (training_) return drop(x, y, first);
  if (x.data != y.data) std::copy_n(x.data, x.size(), y.data);
}

// y = x m / (1 - p) for a mask m of zeros and ones  =>  dx = dy m / (1 - p)
template <class T>
void Dropout<T>::backward(TensorView<const T> /*x*/, TensorView<const T> /*y*/,
                          TensorView<const T> dy, TensorView<T> dx, Gradients<T>& /*grads*/,
                          std::int64_t first) {
  if (!dx.empty()) drop(dy, dx, first);
}

template class Dropout<float>;
template class Dropout<double>;

}  // namespace nnkernels::nn
