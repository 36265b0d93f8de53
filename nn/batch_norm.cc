#include "nn/batch_norm.h"

#include <cmath>
#include <stdexcept>

#include "kernels/batch_norm.h"
#include "kernels/moments.h"

namespace nnkernels::nn {

template <class T>
BatchNorm<T>::BatchNorm(std::int64_t channels, double momentum, double epsilon)
    : channels_(channels), momentum_(momentum), epsilon_(epsilon) {
  if (channels < 1 || !(momentum >= 0 && momentum <= 1) || !(epsilon > 0)) {
    throw std::invalid_argument(
        "BatchNorm: channels must be at least 1, momentum in [0, 1] and epsilon greater than 0, "
        "got " +
        std::to_string(channels) + ", " + std::to_string(momentum) + " and " +
        std::to_string(epsilon));
  }
  const Shape shape{channels};
  parameters_[0] = {"gamma", Tensor<T>(shape), Tensor<T>(shape), 0, 0, 1};
  parameters_[1] = {"beta", Tensor<T>(shape), Tensor<T>(shape), 0, 0, 0};
  buffers_[0] = {"running_mean", Tensor<T>(shape), 0};
  buffers_[1] = {"running_var", Tensor<T>(shape), 1};
  for (std::vector<T>* each :
       {&mean_, &variance_, &scale_, &shift_, &products_, &away_, &constant_}) {
    each->resize(static_cast<std::size_t>(channels));
  }
}

template <class T>
std::string BatchNorm<T>::description() const {
  return "BatchNorm " + std::to_string(channels_);
}

template <class T>
Shape BatchNorm<T>::output_shape(const Shape& x) const {
  if (x.rank() == 0 || x[-1] != channels_) {
    throw std::invalid_argument(description() + ": expected samples of " +
                                std::to_string(channels_) + " channels, got " + x.str());
  }
  return x;
}

template <class T>
void BatchNorm<T>::begin_pass(const Pass& pass, std::int64_t /*index*/) {
  training_ = pass.training;
}

template <class T>
bool BatchNorm<T>::fuse(Activation kind) {
  relu_ = kind == Activation::relu;
  return relu_;
}

template <class T>
void BatchNorm<T>::set_frozen(bool frozen) {
  relu_ = false;
  frozen_ = frozen;
  if (frozen) set_scale(buffers_[0].value.data(), buffers_[1].value.data());
}

template <class T>
void BatchNorm<T>::set_scale(const T* mean, const T* variance) {
  for (std::int64_t j = 0; j < channels_; ++j) {
    const auto at = static_cast<std::size_t>(j);
    const double scale = static_cast<double>(parameters_[0].value[j]) /
                         std::sqrt(static_cast<double>(variance[j]) + epsilon_);
    scale_[at] = static_cast<T>(scale);
    shift_[at] = static_cast<T>(static_cast<double>(parameters_[1].value[j]) -
                                static_cast<double>(mean[j]) * scale);
  }
}

template <class T>
void BatchNorm<T>::update_running_moments(std::int64_t rows) {
  const double unbiased = rows > 1 ? static_cast<double>(rows) / static_cast<double>(rows - 1) : 0;
  const auto move = [&](T& running, double to) {
    running += static_cast<T>(momentum_ * (to - static_cast<double>(running)));
  };
  for (std::int64_t j = 0; j < channels_; ++j) {
    const auto at = static_cast<std::size_t>(j);
    move(buffers_[0].value[j], static_cast<double>(mean_[at]));
    if (rows > 1) move(buffers_[1].value[j], static_cast<double>(variance_[at]) * unbiased);
  }
}

template <class T>
void BatchNorm<T>::forward(TensorView<const T> x, TensorView<T> y, std::int64_t /*first*/) {
  const std::int64_t rows = x.size() / channels_;
  if (training_) {
    column_moments(rows, channels_, x.data, mean_.data(), variance_.data());
    set_scale(mean_.data(), variance_.data());
    update_running_moments(rows);
  } else if (!frozen_) {
    set_scale(buffers_[0].value.data(), buffers_[1].value.data());
  }
  scale_shift(rows, channels_, scale_.data(), shift_.data(), relu_, x.data, y.data);
}

// With s = 1 / sqrt(variance + epsilon), z = (x - mean) s and sums over the r rows:
//   dbeta = sum dy, dgamma = sum dy z, dx = gamma s (dy - dbeta / r - z dgamma / r)
template <class T>
void BatchNorm<T>::backward(TensorView<const T> x, TensorView<const T> /*y*/,
                            TensorView<const T> dy, TensorView<T> dx, Gradients<T>& grads,
                            std::int64_t /*first*/) {
  const std::int64_t rows = x.size() / channels_;
  T* const dgamma = grads[0].data;
  T* const dbeta = grads[1].data;
  batch_norm_sums(rows, channels_, x.data, mean_.data(), dy.data, dbeta, products_.data());
  const auto count = static_cast<double>(rows);
  for (std::int64_t j = 0; j < channels_; ++j) {
    const auto at = static_cast<std::size_t>(j);
    const double s = 1 / std::sqrt(static_cast<double>(variance_[at]) + epsilon_);
    const double sum = static_cast<double>(products_[at]) * s;
    const auto scale = static_cast<double>(scale_[at]);
    dgamma[j] = static_cast<T>(sum);
    away_[at] = static_cast<T>(-scale * s * sum / count);
    constant_[at] = static_cast<T>(-scale * static_cast<double>(dbeta[j]) / count);
  }
  if (dx.empty()) return;
  batch_norm_dx(rows, channels_, x.data, mean_.data(), scale_.data(), away_.data(),
                constant_.data(), dy.data, dx.data);
}

template class BatchNorm<float>;
template class BatchNorm<double>;

}  // namespace nnkernels::nn
