#include "nn/sequential.h"

#include <algorithm>
#include <span>
#include <stdexcept>

#include "kernels/cost.h"
#include "kernels/parallel.h"
#include "kernels/vector.h"
#include "nn/sequential_plan.h"

namespace nnkernels::nn {

template <class T>
void Sequential<T>::Plan::run_forward(const Stage& stage, std::int64_t first, std::int64_t count,
                                      int slot) {
  for (const int i : stage.layers) {
    const Unit& u = unit(i);
    if (u.fused) continue;
    layer(u).forward({activation(i, first, u.x, slot), u.x.batch(count)},
                     {mutable_activation(i + 1, first, u.y, slot), u.y.batch(count)}, first);
  }
}

template <class T>
void Sequential<T>::Plan::forward_stage(const Stage& stage) {
  const bool nothing =
      std::all_of(stage.layers.begin(), stage.layers.end(), [&](int i) { return unit(i).fused; });
  if (nothing) return;
  const Blocks blocks = stage.depth_first ? make_blocks(stage, n) : Blocks{n, 1};
  // A single block is no loop: its kernels may then use all threads themselves.
  if (blocks.count == 1) return run_forward(stage, 0, n, 0);
  const double microseconds = arithmetic_microseconds<T>(2 * stage.work * static_cast<double>(n));
  parallel_for(blocks.count, microseconds, [&](std::int64_t block, int slot) {
    const std::int64_t first = blocks.first(block);
    run_forward(stage, first, blocks.first(block + 1) - first, slot);
  });
}

template <class T>
void Sequential<T>::Plan::run_backward(std::size_t s, int lowest, const Blocks& blocks,
                                       std::int64_t block, int slot) {
  const Stage& stage = schedule.stages[s];
  const std::int64_t first = blocks.first(block);
  const std::int64_t count = blocks.first(block + 1) - first;
  std::vector<TensorView<T>>& grads = slots[static_cast<std::size_t>(slot)].grads;
  std::int64_t offset = stage_buffers[s].parameter_size;
  for (auto at = stage.layers.rbegin(); at != stage.layers.rend() && *at >= lowest; ++at) {
    const int i = *at;
    const Unit& u = unit(i);
    const std::span<Parameter<T>> parameters = layer(u).parameters();
    for (const Parameter<T>& parameter : parameters) offset -= parameter.value.size();
    std::int64_t place = offset;
    for (std::size_t k = 0; k < parameters.size(); ++k) {
      Parameter<T>& parameter = parameters[k];
      const std::int64_t size = parameter.value.size();
      T* sum = blocks.count == 1
                   ? parameter.grad.data()
                   : stage_buffers[s].gradients.data() + place * blocks.count + block * size;
      grads[k] = {sum, parameter.value.shape()};
      place += size;
    }
    TensorView<T> dx_view;
    if (i > lowest || dx != nullptr) {
      dx_view = {mutable_gradient(i, first, u.x, slot), u.x.batch(count)};
    }
    // The gradients of a block among several are not final yet.
    Gradients<T> results(std::span<const TensorView<T>>(grads.data(), parameters.size()),
                         blocks.count == 1 ? updater : nullptr,
                         nodes[static_cast<std::size_t>(u.node)].parameter);
    layer(u).backward({activation(i, first, u.x, slot), u.x.batch(count)},
                      {activation(i + 1, first, u.y, slot), u.y.batch(count)},
                      {gradient(i + 1, first, u.y, slot), u.y.batch(count)}, dx_view, results,
                      first);
    results.finish();
  }
}

template <class T>
void Sequential<T>::Plan::sum_gradients(std::size_t s, std::int64_t blocks) {
  const T* pieces = stage_buffers[s].gradients.data();
  for (const int i : schedule.stages[s].layers) {
    std::int64_t index = nodes[static_cast<std::size_t>(unit(i).node)].parameter;
    for (Parameter<T>& parameter : layer(unit(i)).parameters()) {
      const std::int64_t size = parameter.value.size();
      sum_pieces(blocks, size, pieces, parameter.grad.data());
      pieces += blocks * size;
      if (updater != nullptr) updater->update(index, 0, size);
      ++index;
    }
  }
}

template <class T>
void Sequential<T>::Plan::backward_stage(std::size_t s, int lowest) {
  const Stage& stage = schedule.stages[s];
  if (stage.layers.back() < lowest) return;
  const Blocks blocks = stage.depth_first ? make_blocks(stage, n) : Blocks{n, 1};
  if (blocks.count == 1) return run_backward(s, lowest, blocks, 0, 0);
  // Two products of the size of the forward one: by the data and by the weights.
  const double microseconds = arithmetic_microseconds<T>(4 * stage.work * static_cast<double>(n));
  parallel_for(blocks.count, microseconds,
               [&](std::int64_t block, int slot) { run_backward(s, lowest, blocks, block, slot); });
  sum_gradients(s, blocks.count);
}

template <class T>
Sequential<T>::Sequential(const Shape& input) : plan_(std::make_unique<Plan>()) {
  plan_->shapes.push_back(input);
}
template <class T>
Sequential<T>::~Sequential() = default;
template <class T>
Sequential<T>::Sequential(Sequential&&) noexcept = default;
template <class T>
Sequential<T>& Sequential<T>::operator=(Sequential&&) noexcept = default;

template <class T>
void Sequential<T>::add(std::unique_ptr<Layer<T>> layer) {
  if (layer == nullptr) throw std::invalid_argument("Sequential::add: the layer is a null pointer");
  Plan& p = *plan_;
  p.shapes.push_back(layer->output_shape(p.shapes.back()));
  layer->set_frozen(p.frozen);
  p.nodes.push_back({.layer = std::move(layer)});
  p.join(p.nodes.size() - 1);
  p.scheduled = false;
  p.n = -1;
}

template <class T>
void Sequential<T>::freeze() {
  try {
    plan_->set_frozen(true);
  } catch (...) {
    plan_->set_frozen(false);  // which needs no memory
    throw;
  }
}

template <class T>
void Sequential<T>::thaw() {
  plan_->set_frozen(false);
}

template <class T>
bool Sequential<T>::frozen() const {
  return plan_->frozen;
}

template <class T>
const Shape& Sequential<T>::input_shape() const {
  return plan_->shapes.front();
}

template <class T>
const Shape& Sequential<T>::output_shape() const {
  return plan_->shapes.back();
}

template <class T>
std::int64_t Sequential<T>::layer_count() const {
  return static_cast<std::int64_t>(plan_->nodes.size());
}

template <class T>
Layer<T>& Sequential<T>::layer(std::int64_t i) const {
  if (i < 0 || i >= layer_count()) {
    throw std::invalid_argument("Sequential::layer: no layer " + std::to_string(i) + " of " +
                                std::to_string(layer_count()));
  }
  return *plan_->nodes[static_cast<std::size_t>(i)].layer;
}

template <class T>
const Shape& Sequential<T>::shape_before(std::int64_t i) const {
  if (i < 0 || i > layer_count()) {
    throw std::invalid_argument("Sequential::shape_before: no layer " + std::to_string(i) + " of " +
                                std::to_string(layer_count()));
  }
  return plan_->shapes[static_cast<std::size_t>(i)];
}

template <class T>
std::vector<Parameter<T>*> Sequential<T>::parameters() const {
  std::vector<Parameter<T>*> all;
  for (const auto& node : plan_->nodes) {
    for (Parameter<T>& parameter : node.layer->parameters()) all.push_back(&parameter);
  }
  return all;
}

template <class T>
std::vector<std::string> Sequential<T>::parameter_names() const {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < plan_->nodes.size(); ++i) {
    for (const Parameter<T>& parameter : plan_->nodes[i].layer->parameters()) {
      names.push_back(std::to_string(i) + "." + parameter.name);
    }
  }
  return names;
}

template <class T>
std::int64_t Sequential<T>::parameter_count() const {
  std::int64_t count = 0;
  for (const Parameter<T>* parameter : parameters()) count += parameter->value.size();
  return count;
}

template <class T>
std::vector<Buffer<T>*> Sequential<T>::buffers() const {
  std::vector<Buffer<T>*> all;
  for (const auto& node : plan_->nodes) {
    for (Buffer<T>& buffer : node.layer->buffers()) all.push_back(&buffer);
  }
  return all;
}

template <class T>
std::vector<std::string> Sequential<T>::buffer_names() const {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < plan_->nodes.size(); ++i) {
    for (const Buffer<T>& buffer : plan_->nodes[i].layer->buffers()) {
      names.push_back(std::to_string(i) + "." + buffer.name);
    }
  }
  return names;
}

template <class T>
void Sequential<T>::plan(std::int64_t n) {
  Plan& p = *plan_;
  if (n < 0) {
    throw std::invalid_argument("Sequential::plan: n must not be negative, got " +
                                std::to_string(n));
  }
  if (!p.scheduled) p.make_schedule();
  if (n > p.planned || p.slots.size() < static_cast<std::size_t>(threads())) {
    p.n = -1;
    p.allocate(std::max(n, p.planned));
  }
}

template <class T>
TensorView<const T> Sequential<T>::forward(TensorView<const T> x, const Pass& pass) {
  Plan& p = *plan_;
  if (x.shape.rank() == 0 || x.shape.sample() != input_shape()) {
    throw std::invalid_argument("Sequential::forward: x must be a batch of samples of shape " +
                                input_shape().str() + ", got " + x.shape.str());
  }
  Plan::check_not_null("forward", "x", x);
  if (p.frozen && pass.training) {
    throw std::invalid_argument(
        "Sequential::forward: the network is frozen; call thaw() before a training pass");
  }
  plan(x.shape[0]);
  p.n = x.shape[0];
  p.x = x.data;
  p.trained = pass.training;
  try {
    for (std::size_t i = 0; i < p.nodes.size(); ++i) {
      p.nodes[i].layer->begin_pass(pass, static_cast<std::int64_t>(i));
    }
    if (p.n > 0) {
      for (const Stage& stage : p.schedule.stages) p.forward_stage(stage);
    }
  } catch (...) {
    p.n = -1;  // there is no forward pass to go back through
    throw;
  }
  return {p.activation(p.boundaries.back(), 0, output_shape(), 0), output_shape().batch(p.n)};
}

template <class T>
void Sequential<T>::backward(TensorView<const T> x, TensorView<const T> dy, TensorView<T> dx,
                             Updater<T>* updater) {
  Plan& p = *plan_;
  if (p.frozen) {
    throw std::invalid_argument("Sequential::backward: the network is frozen; call thaw() first");
  }
  if (p.n < 0) throw std::invalid_argument("Sequential::backward: no forward() before");
  if (!p.trained) p.check_backward_of_inference();
  p.check_batch("x", x, input_shape().batch(p.n));
  p.check_batch("dy", dy, output_shape().batch(p.n));
  if (!dx.empty()) p.check_batch("dx", dx, x.shape);
  if (updater != nullptr) updater->begin_backward(p.all_parameters);
  if (p.slots.size() < static_cast<std::size_t>(threads())) p.allocate_slots();
  p.x = x.data;
  p.dy = dy.data;
  p.dx = dx.data;
  p.updater = updater;
  if (p.n == 0) {
    std::int64_t index = 0;
    for (Parameter<T>* parameter : p.all_parameters) {
      std::fill(parameter->grad.begin(), parameter->grad.end(), T(0));
      if (updater != nullptr) updater->update(index++, 0, parameter->grad.size());
    }
    return;
  }
  // What lies below the first parameters needs no gradient, unless the caller asks for dx.
  const int lowest = dx.empty() ? p.schedule.first_trainable : 0;
  for (std::size_t s = p.schedule.stages.size(); s-- > 0;) p.backward_stage(s, lowest);
  if (!dx.empty() && p.schedule.stages.empty()) std::copy_n(dy.data, dy.size(), dx.data);
}

template <class T>
TensorView<const T> Sequential<T>::output(std::int64_t i) const {
  Plan& p = *plan_;
  if (i < 0 || i >= layer_count() || p.n < 0) {
    throw std::invalid_argument("Sequential::output: layer " + std::to_string(i) + " of " +
                                std::to_string(layer_count()) +
                                (p.n < 0 ? ", but no forward() before" : " does not exist"));
  }
  const auto at = static_cast<std::size_t>(i) + 1;
  const int boundary = p.boundaries[at];
  if (boundary < 0 || (p.frozen && boundary != p.boundaries.back())) return {};
  for (auto u = static_cast<std::size_t>(boundary); u < p.units.size(); ++u) {
    if (p.schedule.activations[u + 1] != p.schedule.activations[u]) break;
    if (!p.units[u].fused) return {};
  }
  return {p.activation(boundary, 0, p.shapes[at], 0), p.shapes[at].batch(p.n)};
}

template class Sequential<float>;
template class Sequential<double>;

}  // namespace nnkernels::nn
