#include "nn/optimizer.h"

#include <cmath>
#include <stdexcept>

#include "kernels/update.h"

namespace nnkernels::nn {
namespace {

void check_fraction(const char* optimizer, const char* name, double value) {
  if (!(value >= 0 && value < 1)) {
    throw std::invalid_argument(std::string(optimizer) + ": " + name +
                                " must be at least 0 and less than 1, got " +
                                std::to_string(value));
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
}

template <class T>
void Optimizer<T>::step() {
  begin_step();
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    update(static_cast<std::int64_t>(i), 0, parameters_[i]->value.size());
  }
}

template <class T>
void Optimizer<T>::update(std::int64_t index, std::int64_t first, std::int64_t count) {
  const auto i = static_cast<std::size_t>(index);
  if (i >= parameters_.size()) return;
  const std::size_t each = state_.size() / parameters_.size();
  apply(*parameters_[i], state_.data() + i * each, first, count);
}

template <class T>
void Optimizer<T>::set_learning_rate(double rate) {
  if (!std::isfinite(rate) || rate < 0) {
    throw std::invalid_argument("Optimizer: the learning rate must be finite and at least 0, got " +
                                std::to_string(rate));
  }
  learning_rate_ = rate;
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
void SGD<T>::apply(Parameter<T>& parameter, OptimizerState<T>* /*state*/, std::int64_t first,
                   std::int64_t count) {
  sgd_update(count, static_cast<T>(this->learning_rate()), parameter.grad.data() + first,
             parameter.value.data() + first);
}

template <class T>
Momentum<T>::Momentum(double learning_rate, double momentum)
    : Optimizer<T>(learning_rate), momentum_(momentum) {
  check_fraction("Momentum", "momentum", momentum);
}

template <class T>
void Momentum<T>::apply(Parameter<T>& parameter, OptimizerState<T>* state, std::int64_t first,
                        std::int64_t count) {
  momentum_update(count, static_cast<T>(this->learning_rate()), static_cast<T>(momentum_),
                  parameter.grad.data() + first, state[0].value.data() + first,
                  parameter.value.data() + first);
}

template <class T>
Adam<T>::Adam(double learning_rate, double beta1, double beta2, double epsilon)
    : Optimizer<T>(learning_rate), beta1_(beta1), beta2_(beta2), epsilon_(epsilon) {
  check_fraction("Adam", "beta1", beta1);
  check_fraction("Adam", "beta2", beta2);
  if (!std::isfinite(epsilon) || epsilon <= 0) {
    throw std::invalid_argument("Adam: epsilon must be finite and greater than 0, got " +
                                std::to_string(epsilon));
  }
}

template <class T>
void Adam<T>::apply(Parameter<T>& parameter, OptimizerState<T>* state, std::int64_t first,
                    std::int64_t count) {
  const AdamStep<T> rule{.lr = static_cast<T>(this->learning_rate()),
                         .beta1 = static_cast<T>(beta1_),
                         .beta2 = static_cast<T>(beta2_),
                         .epsilon = static_cast<T>(epsilon_),
                         .step = this->steps()};
  adam_update(count, rule, parameter.grad.data() + first, state[0].value.data() + first,
              state[1].value.data() + first, parameter.value.data() + first);
}

template <class T>
std::unique_ptr<Optimizer<T>> make_optimizer(std::string_view name, double learning_rate) {
  if (name == "sgd") return std::make_unique<SGD<T>>(learning_rate);
  if (name == "momentum") return std::make_unique<Momentum<T>>(learning_rate);
  if (name == "adam") return std::make_unique<Adam<T>>(learning_rate);
  throw std::invalid_argument("make_optimizer: expected sgd, momentum or adam, got \"" +
                              std::string(name) + "\"");
}

std::vector<std::string> optimizer_names() { return {"sgd", "momentum", "adam"}; }

template class Optimizer<float>;
template class Optimizer<double>;
template class SGD<float>;
template class SGD<double>;
template class Momentum<float>;
template class Momentum<double>;
template class Adam<float>;
template class Adam<double>;
template std::unique_ptr<Optimizer<float>> make_optimizer(std::string_view, double);
template std::unique_ptr<Optimizer<double>> make_optimizer(std::string_view, double);

}  // namespace nnkernels::nn
