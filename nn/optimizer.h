// Optimizers: from gradients to new weights.
#ifndef NNKERNELS_NN_OPTIMIZER_H_
#define NNKERNELS_NN_OPTIMIZER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/update.h"
#include "nn/sequential.h"

namespace nnkernels::nn {

/// One tensor of an optimizer's memory, "m.0.w", of the shape of the parameter "0.w".
template <class T>
struct OptimizerState {
  std::string name;
  Tensor<T> value;
};

/// What happens to gradients before the update rule sees them: first clipping, then L2 decay.
struct GradientOptions {
  /// Each gradient becomes g + weight_decay w; for AdamW, which decays w itself, see there.
  double weight_decay = 0;
  /// Each element of a gradient is held in [-clip_value, clip_value]; 0 does not clip.
  double clip_value = 0;
  /// If the norm N of all gradients together is larger, all are multiplied by
  /// clip_norm / (N + 1e-6) (R. Pascanu et al., arXiv:1211.5063; PyTorch's clip_grad_norm_);
  /// 0 does not clip.
  double clip_norm = 0;
};

/// An update rule and its memory. The rules (nn/update_rules.h) are computed by kernels/update.h,
/// element by element.
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
  /// state, all zero, and sets steps() to 0. The only call that allocates. Layers that are added
  /// later are not bound: bind() again.
  void bind(const Sequential<T>& net);

  /// Updates every bound parameter's value from its grad. Does nothing before bind().
  void step();

  /// Whether gradients may be used as soon as each is final: not when they are clipped by the norm
  /// of all.
  bool updates_in_backward() const { return gradients_.clip_norm == 0; }
  /// Counts a step whose updates the next backward pass will ask for. Throws std::invalid_argument
  /// unless updates_in_backward().
  void begin_step();
  /// Throws std::invalid_argument unless the parameters are those that are bound, and begin_step()
  /// was called since the last backward pass.
  void begin_backward(std::span<Parameter<T>* const> parameters) final;
  /// Updates elements [first, first + count) of bound parameter `index`: from several threads at
  /// once, if their ranges are disjoint. Throws std::invalid_argument if there is no such
  /// parameter; the range is not checked.
  void update(std::int64_t index, std::int64_t first, std::int64_t count) final;
  bool update_outer(std::int64_t index, std::int64_t first, std::span<const T> x,
                    std::span<const T> y) final;

  double learning_rate() const { return learning_rate_; }
  /// Throws std::invalid_argument unless `rate` is finite and at least 0. May be called between
  /// any two steps: this is how a schedule drives an optimizer.
  void set_learning_rate(double rate);

  const GradientOptions& gradient_options() const { return gradients_; }
  /// Throws std::invalid_argument unless all are finite and at least 0, also as numbers of type T,
  /// and clip_value is none that becomes 0 there.
  void set_gradient_options(const GradientOptions& options);

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
  /// The same for elements whose gradient is x[i] y[j]; false if the rule cannot.
  virtual bool apply_outer(Parameter<T>& /*parameter*/, std::int64_t /*first*/,
                           std::span<const T> /*x*/, std::span<const T> /*y*/) {
    return false;
  }
  /// What gradient_options() come to in this step.
  const GradientTerms<T>& terms() const { return terms_; }

 private:
  std::size_t place(std::int64_t index) const;

  double learning_rate_ = 0;
  GradientOptions gradients_;
  GradientTerms<T> terms_;
  std::int64_t steps_ = 0;
  bool step_begun_ = false;
  std::vector<Parameter<T>*> parameters_;
  std::vector<OptimizerState<T>> state_;  // [parameter][state name]
};

/// Everything that makes an optimizer, by PyTorch's names and defaults. A rule ignores what it has
/// no use for.
struct OptimizerOptions {
  std::string name = "sgd";
  double lr = 0.01;
  double momentum = 0.9;                    // momentum, nesterov
  double beta1 = 0.9;                       // adam, adamw
  double beta2 = 0.999;                     // the same
  double alpha = 0.99;                      // rmsprop
  std::optional<double> epsilon = {};       // unset: 1e-10 for adagrad, 1e-8 for others
  std::optional<double> weight_decay = {};  // unset: 0.01 for adamw, 0 for others
  double clip_value = 0;                    // 0: off
  double clip_norm = 0;                     // 0: off
};

/// The optimizer that `options` describe. Throws std::invalid_argument, listing the names that are
/// known, for any other name, and on settings out of range.
template <class T>
std::unique_ptr<Optimizer<T>> make_optimizer(const OptimizerOptions& options);
/// All other settings at their defaults.
template <class T>
std::unique_ptr<Optimizer<T>> make_optimizer(std::string_view name, double learning_rate);

/// The names that make_optimizer() knows.
std::vector<std::string> optimizer_names();

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_OPTIMIZER_H_
