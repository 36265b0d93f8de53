#include "nn/conv2d.h"

#include <stdexcept>

#include "kernels/conv_pool.h"
#include "nn/max_pool2d.h"
#include "nn/size_text.h"

namespace nnkernels::nn {
template <class T>
Conv2d<T>::Conv2d(const Conv2dOptions& options) : options_(options) {
  const auto& o = options;
  for (const std::int64_t size : {o.ic, o.oc, o.kh, o.kw, o.stride_h, o.stride_w, o.dilation_h,
                                  o.dilation_w, o.groups, o.pad_h + 1, o.pad_w + 1}) {
    if (size < 1) {
      throw std::invalid_argument(
          "Conv2d: sizes, strides, dilations and groups must be at least 1 and pads at least 0, "
          "got ic " +
          std::to_string(o.ic) + ", oc " + std::to_string(o.oc) + ", kernel " +
          size_text(o.kh, o.kw) + ", stride " + size_text(o.stride_h, o.stride_w) + ", pad " +
          size_text(o.pad_h, o.pad_w) + ", dilation " + size_text(o.dilation_h, o.dilation_w) +
          ", groups " + std::to_string(o.groups));
    }
  }
  if (o.ic % o.groups != 0 || o.oc % o.groups != 0) {
    throw std::invalid_argument("Conv2d: groups must divide the channels, got ic " +
                                std::to_string(o.ic) + ", oc " + std::to_string(o.oc) +
                                ", groups " + std::to_string(o.groups));
  }
  // An output sees the inputs of its group, and an input is seen by the outputs of its group.
  const std::int64_t taps = o.kh * o.kw, group_ic = o.ic / o.groups, group_oc = o.oc / o.groups;
  const Shape w{o.kh, o.kw, group_ic, o.oc};
  parameters_[0] = {"w", Tensor<T>(w), Tensor<T>(w), taps * group_ic, taps * group_oc};
  parameters_[1] = {"b", Tensor<T>({o.oc}), Tensor<T>({o.oc}), 0, 0};
}

template <class T>
std::string Conv2d<T>::description() const {
  const auto& o = options_;
  std::string text =
      "Conv2d " + std::to_string(o.ic) + "->" + std::to_string(o.oc) + " " + size_text(o.kh, o.kw);
  if (o.stride_h != 1 || o.stride_w != 1) text += " stride " + size_text(o.stride_h, o.stride_w);
  if (o.pad_h != 0 || o.pad_w != 0) text += " pad " + size_text(o.pad_h, o.pad_w);
  if (o.dilation_h != 1 || o.dilation_w != 1)
    text += " dilation " + size_text(o.dilation_h, o.dilation_w);
  if (o.groups != 1) text += " groups " + std::to_string(o.groups);
  return text;
}

template <class T>
ConvShape Conv2d<T>::shape(const Shape& sample, std::int64_t n) const {
  const auto& o = options_;
  return {.n = n,
          .ih = sample[0],
          .iw = sample[1],
          .ic = o.ic,
          .oc = o.oc,
          .kh = o.kh,
          .kw = o.kw,
          .stride_h = o.stride_h,
          .stride_w = o.stride_w,
          .pad_h = o.pad_h,
          .pad_w = o.pad_w,
          .dilation_h = o.dilation_h,
          .dilation_w = o.dilation_w,
          .groups = o.groups};
}

template <class T>
Shape Conv2d<T>::output_shape(const Shape& x) const {
  if (x.rank() != 3 || x[2] != options_.ic) {
    throw std::invalid_argument(description() + ": expected samples of shape [h, w, " +
                                std::to_string(options_.ic) + "], got " + x.str());
  }
  const ConvShape conv = shape(x, 1);
  check(conv, description().c_str());
  return {conv.oh(), conv.ow(), conv.oc};
}

template <class T>
bool Conv2d<T>::fuse(Activation kind) {
  if (activation_ != Activation::identity) return false;
  activation_ = kind;
  return true;
}

template <class T>
bool Conv2d<T>::fuse_gradient(Activation kind) {
  activation_before_ = kind;
  return true;
}

template <class T>
bool Conv2d<T>::absorb(const Layer<T>& next) {
  const auto* norm = dynamic_cast<const BatchNorm<T>*>(&next);
  if (norm != nullptr && norm->frozen() && !pools_ && activation_ == Activation::identity) {
    fold(*norm);
    return true;
  }
  const auto* pool = dynamic_cast<const MaxPool2d<T>*>(&next);
  if (pools_ || pool == nullptr || options_.groups != 1) return false;
  pools_ = pool->options() == Pool2dOptions{.kh = 2, .kw = 2, .stride_h = 2, .stride_w = 2};
  return pools_;
}

template <class T>
void Conv2d<T>::fold(const BatchNorm<T>& norm) {
  const Tensor<T>& w = folded_w_.size() > 0 ? folded_w_ : parameters_[0].value;
  const Tensor<T>& b = folded_b_.size() > 0 ? folded_b_ : parameters_[1].value;
  Tensor<T> scaled_w(w.shape()), moved_b(b.shape());
  for (std::int64_t i = 0; i < w.size(); ++i) {
    scaled_w[i] = norm.scale()[static_cast<std::size_t>(i % options_.oc)] * w[i];
  }
  for (std::int64_t j = 0; j < options_.oc; ++j) {
    const auto at = static_cast<std::size_t>(j);
    moved_b[j] = norm.scale()[at] * b[j] + norm.shift()[at];
  }
  folded_w_ = std::move(scaled_w);
  folded_b_ = std::move(moved_b);
}

template <class T>
void Conv2d<T>::set_frozen(bool frozen) {
  activation_ = activation_before_ = Activation::identity;
  pools_ = false;
  frozen_ = frozen;
  folded_w_ = {};
  folded_b_ = {};
}

template <class T>
double Conv2d<T>::work(const Shape& x) const {
  const ConvShape conv = shape(x, 1);
  return static_cast<double>(conv.oh() * conv.ow()) * static_cast<double>(conv.w_size());
}

template <class T>
void Conv2d<T>::plan(const Shape& x, std::int64_t n) {
  if (!pools_ || frozen_) return;
  const ConvShape conv = shape(x, 1);
  winner_.reserve(n * (conv.oh() / 2) * (conv.ow() / 2) * conv.oc);
}

template <class T>
void Conv2d<T>::forward(TensorView<const T> x, TensorView<T> y, std::int64_t first) {
  const ConvShape conv = shape(x.shape.sample(), x.shape[0]);
  const T* w = parameters_[0].value.data();
  Epilogue<T> epilogue{.bias = options_.bias ? parameters_[1].value.data() : nullptr,
                       .activation = activation_};
  if (folded_w_.size() > 0) {
    w = folded_w_.data();
    epilogue.bias = folded_b_.data();
  }
  if (pools_) {
    std::uint8_t* winner = frozen_ ? nullptr : winner_.data() + first * y.shape.sample().size();
    conv_max_pool_forward(conv, x.data, w, y.data, winner, epilogue);
  } else {
    conv_forward(conv, x.data, w, y.data, epilogue);
  }
}

// `dy` is already the gradient by x * w + b: the activation's own layer, or the one behind it, has
// seen to its part.
template <class T>
void Conv2d<T>::backward(TensorView<const T> x, TensorView<const T> y, TensorView<const T> dy,
                         TensorView<T> dx, Gradients<T>& grads, std::int64_t first) {
  const ConvShape conv = shape(x.shape.sample(), x.shape[0]);
  const T* w = parameters_[0].value.data();
  T* dw = grads[0].data;
  T* db = options_.bias ? grads[1].data : nullptr;
  // y = x * w + b  =>  dw = x correlated with dy, db = the sum of dy over images and pixels,
  //                    dx = the transposed convolution of dy by w
  if (pools_) {
    const std::uint8_t* winner = winner_.data() + first * y.shape.sample().size();
    conv_max_pool_backward_weights(conv, x.data, dy.data, winner, dw, db);
    if (!dx.empty()) conv_max_pool_backward_data(conv, dy.data, winner, w, dx.data);
  } else {
    conv_backward_weights(conv, x.data, dy.data, dw, db);
    if (!dx.empty()) conv_backward_data(conv, dy.data, w, dx.data);
  }
  if (!dx.empty() && activation_before_ != Activation::identity) {
    activation_backward(activation_before_, dx.size(), x.data, dx.data, dx.data);
  }
}

template class Conv2d<float>;
template class Conv2d<double>;

}  // namespace nnkernels::nn
