#include "nn/optimizer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "nn/number_text.h"
#include "nn/update_rules.h"

namespace nnkernels::nn {
namespace {

/// `value` must be finite also as the number that the kernels see.
template <class T>
void check_not_negative(const char* name, double value) {
  if (!std::isfinite(static_cast<T>(value)) || value < 0) {
    throw std::invalid_argument("Optimizer: " + std::string(name) +
                                " must be finite and at least 0, got " + number_text(value));
  }
}

}  // namespace

template <class T>
void Optimizer<T>::bind(const Sequential<T>& net) {
  std::vector<OptimizerState<T>> state;
  const std::vector<Parameter<T>*> parameters = net.parameters();
  const std::vector<std::string> parameter_names = net.parameter_names();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    for (const std::string& name : state_names()) {
      state.push_back({name + "." + parameter_names[i], Tensor<T>(parameters[i]->value.shape())});
    }
  }
  parameters_ = parameters;
  state_ = std::move(state);
  steps_ = 0;
  step_begun_ = false;
}

template <class T>
void Optimizer<T>::step() {
  ++steps_;
  if (gradients_.clip_norm > 0) {
    double squares = 0;
    for (const Parameter<T>* parameter : parameters_) {
      squares += squared_norm(parameter->grad.size(), parameter->grad.data());
    }
    // Not std::min, which would hide a norm that is NaN.
    const double scale = gradients_.clip_norm / (std::sqrt(squares) + 1e-6);
    terms_.scale = scale > 1 ? T(1) : static_cast<T>(scale);
  }
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    update(static_cast<std::int64_t>(i), 0, parameters_[i]->value.size());
  }
}

template <class T>
void Optimizer<T>::begin_step() {
  if (!updates_in_backward()) {
    throw std::invalid_argument(
        "Optimizer::begin_step: clipping by norm needs all gradients; call step() after "
        "backward()");
  }
  ++steps_;
  step_begun_ = true;
}

template <class T>
void Optimizer<T>::begin_backward(std::span<Parameter<T>* const> parameters) {
  if (!std::equal(parameters.begin(), parameters.end(), parameters_.begin(), parameters_.end())) {
    throw std::invalid_argument(
        "Optimizer: expected the parameters that are bound, " + std::to_string(parameters_.size()) +
        ", got " + std::to_string(parameters.size()) +
        " of another network, or of layers added since; call bind() with this one");
  }
  if (!step_begun_) {
    throw std::invalid_argument(
        "Optimizer: no begin_step() before this backward pass, which updates parameters");
  }
  step_begun_ = false;
}

template <class T>
std::size_t Optimizer<T>::place(std::int64_t index) const {
  const auto i = static_cast<std::size_t>(index);
  if (i < parameters_.size()) return i;
  throw std::invalid_argument("Optimizer: no parameter " + std::to_string(index) + " of the " +
                              std::to_string(parameters_.size()) + " that are bound");
}

template <class T>
void Optimizer<T>::update(std::int64_t index, std::int64_t first, std::int64_t count) {
  const std::size_t i = place(index);
  const std::size_t each = state_.size() / parameters_.size();
  apply(*parameters_[i], state_.data() + i * each, first, count);
}

template <class T>
bool Optimizer<T>::update_outer(std::int64_t index, std::int64_t first, std::span<const T> x,
                                std::span<const T> y) {
  return apply_outer(*parameters_[place(index)], first, x, y);
}

template <class T>
void Optimizer<T>::set_learning_rate(double rate) {
  check_not_negative<T>("the learning rate", rate);
  learning_rate_ = rate;
}

template <class T>
void Optimizer<T>::set_gradient_options(const GradientOptions& options) {
  check_not_negative<T>("weight_decay", options.weight_decay);
  check_not_negative<T>("clip_value", options.clip_value);
  check_not_negative<T>("clip_norm", options.clip_norm);
  if (options.clip_value > 0 && static_cast<T>(options.clip_value) == 0) {
    throw std::invalid_argument(
        "Optimizer: clip_value must be 0, for no clipping, or larger, got " +
        number_text(options.clip_value));
  }
  gradients_ = options;
  terms_ = {.decay = static_cast<T>(options.weight_decay)};
  if (options.clip_value > 0) terms_.limit = static_cast<T>(options.clip_value);
}

template <class T>
void Optimizer<T>::set_steps(std::int64_t steps) {
  if (steps < 0) {
    throw std::invalid_argument("Optimizer::set_steps: steps must not be negative, got " +
                                std::to_string(steps));
  }
  steps_ = steps;
}

template <class T>
std::unique_ptr<Optimizer<T>> make_optimizer(const OptimizerOptions& o) {
  std::unique_ptr<Optimizer<T>> made;
  GradientOptions gradients{.weight_decay = o.weight_decay.value_or(0),
                            .clip_value = o.clip_value,
                            .clip_norm = o.clip_norm};
  const double epsilon = o.epsilon.value_or(o.name == "adagrad" ? 1e-10 : 1e-8);
  if (o.name == "sgd") made = std::make_unique<SGD<T>>(o.lr);
  if (o.name == "momentum") made = std::make_unique<Momentum<T>>(o.lr, o.momentum);
  if (o.name == "nesterov") made = std::make_unique<Nesterov<T>>(o.lr, o.momentum);
  if (o.name == "adagrad") made = std::make_unique<AdaGrad<T>>(o.lr, epsilon);
  if (o.name == "rmsprop") made = std::make_unique<RMSprop<T>>(o.lr, o.alpha, epsilon);
  if (o.name == "adam") made = std::make_unique<Adam<T>>(o.lr, o.beta1, o.beta2, epsilon);
  if (o.name == "adamw") {
    made =
        std::make_unique<AdamW<T>>(o.lr, o.weight_decay.value_or(0.01), o.beta1, o.beta2, epsilon);
    gradients.weight_decay = 0;
  }
  if (made == nullptr) {
    std::string known;
    for (const std::string& name : optimizer_names()) known += (known.empty() ? "" : ", ") + name;
    throw std::invalid_argument("make_optimizer: expected one of " + known + ", got \"" + o.name +
                                "\"");
  }
  made->set_gradient_options(gradients);
  return made;
}

template <class T>
std::unique_ptr<Optimizer<T>> make_optimizer(std::string_view name, double learning_rate) {
  return make_optimizer<T>({.name = std::string(name), .lr = learning_rate});
}

std::vector<std::string> optimizer_names() {
  return {"sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw"};
}

template class Optimizer<float>;
template class Optimizer<double>;
template std::unique_ptr<Optimizer<float>> make_optimizer(const OptimizerOptions&);
template std::unique_ptr<Optimizer<double>> make_optimizer(const OptimizerOptions&);
template std::unique_ptr<Optimizer<float>> make_optimizer(std::string_view, double);
template std::unique_ptr<Optimizer<double>> make_optimizer(std::string_view, double);

}  // namespace nnkernels::nn
