// Optimizers: from gradients to new weights.
#ifndef NNKERNELS_NN_OPTIMIZER_H_
#define NNKERNELS_NN_OPTIMIZER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "nn/sequential.h"

namespace nnkernels::nn {

/// One tensor of an optimizer's memory, "momentum.0.w", of the shape of the parameter "0.w".
template <class T>
struct OptimizerState {
  std::string name;
  Tensor<T> value;
};

/// An update rule and its memory. The rules are computed by kernels/update.h, element by element.
///
///     Adam<float> adam(0.001);
///     adam.bind(net);
///     ... net.backward(x, dy); adam.step();
///
/// or, in one pass over weights and gradients while they are in the cache, with the same result:
///
///     ... adam.begin_step(); net.backward(x, dy, {}, &adam);
template <class T>
class Optimizer : public Updater<T> {
 public:
  /// The name that make_optimizer() knows: "adam".
  virtual std::string name() const = 0;

  /// Takes charge of the parameters of `net`, which must outlive the optimizer's use; allocates the
  /// state, all zero, and sets steps() to 0. The only call that allocates.
  void bind(const Sequential<T>& net);

  /// Updates every bound parameter's value from its grad. Does nothing before bind().
  void step();

  /// Counts a step whose updates a backward pass will ask for.
  void begin_step() { ++steps_; }
  /// Updates elements [first, first + count) of bound parameter `index`: from several threads at
  /// once, if their ranges are disjoint.
  void update(std::int64_t index, std::int64_t first, std::int64_t count) final;

  double learning_rate() const { return learning_rate_; }
  /// Throws std::invalid_argument unless `rate` is finite and at least 0. May be called between
  /// any two steps: this is how a schedule drives an optimizer.
  void set_learning_rate(double rate);

  /// How many steps were taken since bind(), and what a checkpoint sets it back to. Throws
  /// std::invalid_argument on a negative count.
  std::int64_t steps() const { return steps_; }
  void set_steps(std::int64_t steps);

  /// The state, in an order that bind() fixes: what a checkpoint has to save and restore, next to
  /// the weights and steps().
  std::vector<OptimizerState<T>>& state() { return state_; }
  const std::vector<OptimizerState<T>>& state() const { return state_; }

 protected:
  explicit Optimizer(double learning_rate) { set_learning_rate(learning_rate); }

  /// The names of the tensors that the rule keeps for each parameter.
  virtual std::vector<std::string> state_names() const { return {}; }
  /// Updates elements [first, first + count) of one parameter; `state` holds one tensor for each of
  /// state_names(). steps() already counts this step.
  virtual void apply(Parameter<T>& parameter, OptimizerState<T>* state, std::int64_t first,
                     std::int64_t count) = 0;

 private:
  double learning_rate_ = 0;
  std::int64_t steps_ = 0;
  std::vector<Parameter<T>*> parameters_;
  std::vector<OptimizerState<T>> state_;  // [parameter][state name]
};

/// Stochastic gradient descent: w -= lr g.
template <class T>
class SGD : public Optimizer<T> {
 public:
  explicit SGD(double learning_rate) : Optimizer<T>(learning_rate) {}
  std::string name() const override { return "sgd"; }

 private:
  void apply(Parameter<T>& parameter, OptimizerState<T>* state, std::int64_t first,
             std::int64_t count) override;
};

/// v = momentum v - lr g; w += v. Throws std::invalid_argument unless 0 <= momentum < 1.
template <class T>
class Momentum : public Optimizer<T> {
 public:
  explicit Momentum(double learning_rate, double momentum = 0.9);
  std::string name() const override { return "momentum"; }

 private:
  std::vector<std::string> state_names() const override { return {"momentum"}; }
  void apply(Parameter<T>& parameter, OptimizerState<T>* state, std::int64_t first,
             std::int64_t count) override;
  double momentum_;
};

/// Adam (D. Kingma and J. Ba, arXiv:1412.6980; kernels/update.h has the formulas). Throws
/// std::invalid_argument unless 0 <= beta1, beta2 < 1 and epsilon > 0.
template <class T>
class Adam : public Optimizer<T> {
 public:
  explicit Adam(double learning_rate, double beta1 = 0.9, double beta2 = 0.999,
                double epsilon = 1e-8);
  std::string name() const override { return "adam"; }

 private:
  std::vector<std::string> state_names() const override { return {"m", "v"}; }
  void apply(Parameter<T>& parameter, OptimizerState<T>* state, std::int64_t first,
             std::int64_t count) override;
  double beta1_, beta2_, epsilon_;
};

/// The optimizer called "sgd", "momentum" or "adam", its other settings at their defaults. Throws
/// std::invalid_argument, listing these, for any other name, and on a bad learning rate.
template <class T>
std::unique_ptr<Optimizer<T>> make_optimizer(std::string_view name, double learning_rate);

/// The names that make_optimizer() knows.
std::vector<std::string> optimizer_names();

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_OPTIMIZER_H_
