#include "nn/update_rules.h"

#include <cmath>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "nn/number_text.h"

namespace nnkernels::nn {
namespace {

// Settings are checked as the numbers of type T that the kernels see: 0.99999999 is 1 as a float.

template <class T>
std::string got(double value) {
  return ", got " + number_text(value) +
         (std::is_same_v<T, float>
              ? ", which is " + number_text(static_cast<T>(value)) + " as a float"
              : "");
}

template <class T>
void check_fraction(const char* optimizer, const char* name, double value) {
  if (!(value >= 0 && static_cast<T>(value) < 1)) {
    throw std::invalid_argument(std::string(optimizer) + ": " + name +
                                " must be at least 0 and less than 1" + got<T>(value));
  }
}

template <class T>
void check_epsilon(const char* optimizer, double epsilon) {
  if (!std::isfinite(static_cast<T>(epsilon)) || static_cast<T>(epsilon) <= 0) {
    throw std::invalid_argument(std::string(optimizer) +
                                ": epsilon must be finite and greater than 0" + got<T>(epsilon));
  }
}

}  // namespace

template <class T>
void SGD<T>::apply(Parameter<T>& parameter, OptimizerState<T>* /*state*/, std::int64_t first,
                   std::int64_t count) {
  sgd_update(count, static_cast<T>(this->learning_rate()), parameter.grad.data() + first,
             parameter.value.data() + first, this->terms());
}

template <class T>
bool SGD<T>::apply_outer(Parameter<T>& parameter, std::int64_t first, std::span<const T> x,
                         std::span<const T> y) {
  const GradientOptions& options = this->gradient_options();
  if (options.weight_decay != 0 || options.clip_value != 0) return false;
  sgd_outer_update(static_cast<std::int64_t>(x.size()), static_cast<std::int64_t>(y.size()),
                   static_cast<T>(this->learning_rate()), x.data(), y.data(),
                   parameter.value.data() + first);
  return true;
}

template <class T>
Momentum<T>::Momentum(double learning_rate, double momentum)
    : Optimizer<T>(learning_rate), momentum_(momentum) {
  check_fraction<T>("Momentum", "momentum", momentum);
}

template <class T>
void Momentum<T>::apply(Parameter<T>& parameter, OptimizerState<T>* state, std::int64_t first,
                        std::int64_t count) {
  momentum_update(count, static_cast<T>(this->learning_rate()), static_cast<T>(momentum_),
                  parameter.grad.data() + first, state[0].value.data() + first,
                  parameter.value.data() + first, this->terms());
}

template <class T>
Nesterov<T>::Nesterov(double learning_rate, double momentum)
    : Optimizer<T>(learning_rate), momentum_(momentum) {
  check_fraction<T>("Nesterov", "momentum", momentum);
}

template <class T>
void Nesterov<T>::apply(Parameter<T>& parameter, OptimizerState<T>* state, std::int64_t first,
                        std::int64_t count) {
  nesterov_update(count, static_cast<T>(this->learning_rate()), static_cast<T>(momentum_),
                  parameter.grad.data() + first, state[0].value.data() + first,
                  parameter.value.data() + first, this->terms());
}

template <class T>
AdaGrad<T>::AdaGrad(double learning_rate, double epsilon)
    : Optimizer<T>(learning_rate), epsilon_(epsilon) {
  check_epsilon<T>("AdaGrad", epsilon);
}

template <class T>
void AdaGrad<T>::apply(Parameter<T>& parameter, OptimizerState<T>* state, std::int64_t first,
                       std::int64_t count) {
  adagrad_update(count, static_cast<T>(this->learning_rate()), static_cast<T>(epsilon_),
                 parameter.grad.data() + first, state[0].value.data() + first,
                 parameter.value.data() + first, this->terms());
}

template <class T>
RMSprop<T>::RMSprop(double learning_rate, double alpha, double epsilon)
    : Optimizer<T>(learning_rate), alpha_(alpha), epsilon_(epsilon) {
  check_fraction<T>("RMSprop", "alpha", alpha);
  check_epsilon<T>("RMSprop", epsilon);
}

template <class T>
void RMSprop<T>::apply(Parameter<T>& parameter, OptimizerState<T>* state, std::int64_t first,
                       std::int64_t count) {
  rmsprop_update(count, static_cast<T>(this->learning_rate()), static_cast<T>(alpha_),
                 static_cast<T>(epsilon_), parameter.grad.data() + first,
                 state[0].value.data() + first, parameter.value.data() + first, this->terms());
}

template <class T>
Adam<T>::Adam(double learning_rate, double beta1, double beta2, double epsilon)
    : Optimizer<T>(learning_rate), beta1_(beta1), beta2_(beta2), epsilon_(epsilon) {
  check_fraction<T>("Adam", "beta1", beta1);
  check_fraction<T>("Adam", "beta2", beta2);
  check_epsilon<T>("Adam", epsilon);
}

template <class T>
void Adam<T>::apply(Parameter<T>& parameter, OptimizerState<T>* state, std::int64_t first,
                    std::int64_t count) {
  const AdamStep<T> rule{.lr = static_cast<T>(this->learning_rate()),
                         .beta1 = static_cast<T>(beta1_),
                         .beta2 = static_cast<T>(beta2_),
                         .epsilon = static_cast<T>(epsilon_),
                         .step = this->steps(),
                         .decay = static_cast<T>(decay_)};
  adam_update(count, rule, parameter.grad.data() + first, state[0].value.data() + first,
              state[1].value.data() + first, parameter.value.data() + first, this->terms());
}

template <class T>
AdamW<T>::AdamW(double learning_rate, double weight_decay, double beta1, double beta2,
                double epsilon)
    : Adam<T>(learning_rate, beta1, beta2, epsilon) {
  if (!std::isfinite(static_cast<T>(weight_decay)) || weight_decay < 0) {
    throw std::invalid_argument("AdamW: weight_decay must be finite and at least 0" +
                                got<T>(weight_decay));
  }
  this->decay_ = weight_decay;
}

template class SGD<float>;
template class SGD<double>;
template class Momentum<float>;
template class Momentum<double>;
template class Nesterov<float>;
template class Nesterov<double>;
template class AdaGrad<float>;
template class AdaGrad<double>;
template class RMSprop<float>;
template class RMSprop<double>;
template class Adam<float>;
template class Adam<double>;
template class AdamW<float>;
template class AdamW<double>;

}  // namespace nnkernels::nn
