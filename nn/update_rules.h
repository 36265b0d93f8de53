// The update rules: SGD, Momentum, Nesterov, AdaGrad, RMSprop, Adam, AdamW.
#ifndef NNKERNELS_NN_UPDATE_RULES_H_
#define NNKERNELS_NN_UPDATE_RULES_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "nn/optimizer.h"

namespace nnkernels::nn {

// Formulas and sources are in kernels/update.h; names and defaults are PyTorch's. Constructors
// throw std::invalid_argument on a learning rate that is not finite or negative, on a fraction
// (momentum, alpha, beta) outside of [0, 1), and on an epsilon that is not positive.

/// Stochastic gradient descent: w -= lr g.
template <class T>
class SGD : public Optimizer<T> {
 public:
  explicit SGD(double learning_rate) : Optimizer<T>(learning_rate) {}
  std::string name() const override { return "sgd"; }

 private:
  void apply(Parameter<T>& parameter, OptimizerState<T>* state, std::int64_t first,
             std::int64_t count) override;
  bool apply_outer(Parameter<T>& parameter, std::int64_t first, std::span<const T> x,
                   std::span<const T> y) override;
};

/// m = momentum m + g; w -= lr m. A step of constant gradients tends to lr / (1 - momentum) of
/// them. Keras and the tutorials keep lr m instead of m, which is the same for a constant rate.
template <class T>
class Momentum : public Optimizer<T> {
 public:
  explicit Momentum(double learning_rate, double momentum = 0.9);
  std::string name() const override { return "momentum"; }

 private:
  std::vector<std::string> state_names() const override { return {"m"}; }
  void apply(Parameter<T>& parameter, OptimizerState<T>* state, std::int64_t first,
             std::int64_t count) override;
  double momentum_;
};

/// m = momentum m + g; w -= lr (g + momentum m). PyTorch's SGD(nesterov=True).
template <class T>
class Nesterov : public Optimizer<T> {
 public:
  explicit Nesterov(double learning_rate, double momentum = 0.9);
  std::string name() const override { return "nesterov"; }

 private:
  std::vector<std::string> state_names() const override { return {"m"}; }
  void apply(Parameter<T>& parameter, OptimizerState<T>* state, std::int64_t first,
             std::int64_t count) override;
  double momentum_;
};

/// v += g^2; w -= lr g / (sqrt(v) + epsilon). Steps shrink the faster, the larger gradients were.
template <class T>
class AdaGrad : public Optimizer<T> {
 public:
  explicit AdaGrad(double learning_rate, double epsilon = 1e-10);
  std::string name() const override { return "adagrad"; }

 private:
  std::vector<std::string> state_names() const override { return {"v"}; }
  void apply(Parameter<T>& parameter, OptimizerState<T>* state, std::int64_t first,
             std::int64_t count) override;
  double epsilon_;
};

/// AdaGrad that forgets: v = alpha v + (1 - alpha) g^2; w -= lr g / (sqrt(v) + epsilon).
template <class T>
class RMSprop : public Optimizer<T> {
 public:
  explicit RMSprop(double learning_rate, double alpha = 0.99, double epsilon = 1e-8);
  std::string name() const override { return "rmsprop"; }

 private:
  std::vector<std::string> state_names() const override { return {"v"}; }
  void apply(Parameter<T>& parameter, OptimizerState<T>* state, std::int64_t first,
             std::int64_t count) override;
  double alpha_, epsilon_;
};

/// RMSprop with momentum, both corrected for their start from zero.
template <class T>
class Adam : public Optimizer<T> {
 public:
  explicit Adam(double learning_rate, double beta1 = 0.9, double beta2 = 0.999,
                double epsilon = 1e-8);
  std::string name() const override { return "adam"; }

 protected:
  void apply(Parameter<T>& parameter, OptimizerState<T>* state, std::int64_t first,
             std::int64_t count) override;

  /// Decoupled from the gradient: w *= 1 - lr decay.
  double decay_ = 0;

 private:
  std::vector<std::string> state_names() const override { return {"m", "v"}; }
  double beta1_, beta2_, epsilon_;
};

/// Adam that takes weight decay out of the moments: w *= 1 - lr weight_decay before Adam's step.
/// Throws, too, unless weight_decay is finite and at least 0.
template <class T>
class AdamW : public Adam<T> {
 public:
  explicit AdamW(double learning_rate, double weight_decay = 0.01, double beta1 = 0.9,
                 double beta2 = 0.999, double epsilon = 1e-8);
  std::string name() const override { return "adamw"; }
};

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_UPDATE_RULES_H_
