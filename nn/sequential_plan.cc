#include "nn/sequential_plan.h"

#include <algorithm>
#include <stdexcept>

#include "kernels/parallel.h"

namespace nnkernels::nn {

template <class T>
void Sequential<T>::Plan::make_units() {
  units.clear();
  boundaries.assign(shapes.size(), 0);
  int activation = -1;  // a fused one whose backward pass nobody does
  const auto run_activation = [&](std::size_t boundary) {
    if (activation < 0) return;
    units.push_back({activation, shapes[boundary], shapes[boundary], true});
    boundaries[boundary] = static_cast<int>(units.size());
    activation = -1;
  };
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const Node& node = nodes[i];
    boundaries[i + 1] = boundaries[i];
    if (node.fused && !node.fused_gradient && !frozen) activation = static_cast<int>(i);
    if (node.absorbed) {
      for (std::size_t k = static_cast<std::size_t>(units.back().node) + 1; k <= i; ++k) {
        boundaries[k] = -1;
      }
      units.back().y = shapes[i + 1];
    }
    if (!node.runs()) continue;
    // The derivative of an activation is taken behind a layer that selects.
    if (!node.layer->selects()) run_activation(i);
    units.push_back({static_cast<int>(i), shapes[i], shapes[i + 1], false});
    boundaries[i + 1] = static_cast<int>(units.size());
  }
  run_activation(nodes.size());
}

template <class T>
void Sequential<T>::Plan::join(std::size_t i) {
  Node& node = nodes[i];
  node.fused = node.fused_gradient = node.absorbed = false;
  const std::optional<Activation> kind = node.layer->activation();
  node.identity = kind == Activation::identity;
  node.parameter = 0;
  if (i > 0) {
    const Node& last = nodes[i - 1];
    node.parameter = last.parameter + static_cast<std::int64_t>(last.layer->parameters().size());
  }

  // The last layer that runs, and what is known of those since.
  bool fused = false, reshaped = false;
  std::size_t end = i;
  for (; end > 0 && !nodes[end - 1].runs(); --end) {
    fused = fused || nodes[end - 1].fused;
    reshaped = reshaped || (nodes[end - 1].identity && shapes[end - 1] != shapes[end]);
  }
  if (!node.identity && end > 0) {
    Layer<T>& before = *nodes[end - 1].layer;
    if (kind) {
      node.fused = !fused && before.fuse(*kind);
    } else {
      node.absorbed = !reshaped && before.absorb(*node.layer);
    }
  }
  if (!node.runs() || node.layer->selects()) return;
  // The nearest fused activation with nothing but selecting layers in between.
  for (std::size_t k = i; k-- > 0;) {
    Node& other = nodes[k];
    if (other.fused && !other.fused_gradient) {
      other.fused_gradient = node.layer->fuse_gradient(*other.layer->activation());
    }
    if (other.fused || (other.runs() && !other.layer->selects())) break;
  }
}

template <class T>
void Sequential<T>::Plan::set_frozen(bool on) {
  n = -1;
  scheduled = false;
  frozen = on;
  for (const Node& node : nodes) node.layer->set_frozen(on);
  for (std::size_t i = 0; i < nodes.size(); ++i) join(i);
}

template <class T>
void Sequential<T>::Plan::make_schedule() {
  make_units();
  std::vector<LayerTraits> traits;
  std::size_t most_parameters = 0;
  for (const Unit& u : units) {
    Layer<T>& l = layer(u);
    most_parameters = std::max(most_parameters, l.parameters().size());
    traits.push_back({.x_size = u.x.size(),
                      .y_size = u.y.size(),
                      .work = l.work(u.x),
                      .fused = u.fused,
                      .sample_wise = l.sample_wise(),
                      .in_place = l.in_place(),
                      .reads_y = l.backward_reads_y(),
                      .trainable = !l.parameters().empty()});
  }
  schedule = nn::make_schedule(traits, sizeof(T), frozen);
  all_parameters.clear();
  for (const Node& node : nodes) {
    for (Parameter<T>& parameter : node.layer->parameters()) all_parameters.push_back(&parameter);
  }
  activations.clear();
  activations.resize(schedule.activation_sizes.size());
  stage_buffers.clear();
  stage_buffers.resize(schedule.stages.size());
  for (std::size_t s = 0; s < schedule.stages.size(); ++s) {
    for (const int i : schedule.stages[s].layers) {
      for (const Parameter<T>& parameter : layer(unit(i)).parameters()) {
        stage_buffers[s].parameter_size += parameter.value.size();
      }
    }
  }
  slots.clear();
  slots.resize(1);
  slots[0].grads.resize(most_parameters);
  planned = 0;
  scheduled = true;
}

template <class T>
void Sequential<T>::Plan::allocate(std::int64_t samples) {
  for (const Shape& one : shapes) (void)one.batch(samples);  // throws if that is too large
  for (const Unit& u : units) layer(u).plan(u.x, samples);
  for (std::size_t i = 0; i < activations.size(); ++i) {
    activations[i].reserve(samples * schedule.activation_sizes[i]);
  }
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    gradients[i].reserve(samples * schedule.gradient_sizes[i]);
  }
  for (std::size_t s = 0; s < stage_buffers.size(); ++s) {
    const Stage& stage = schedule.stages[s];
    const std::int64_t blocks = stage.depth_first ? most_blocks(stage, samples) : 1;
    if (blocks > 1) stage_buffers[s].gradients.reserve(blocks * stage_buffers[s].parameter_size);
  }
  planned = samples;
  allocate_slots();
}

template <class T>
void Sequential<T>::Plan::allocate_slots() {
  std::int64_t block = 0;
  for (const Stage& stage : schedule.stages) {
    if (stage.depth_first) block = std::max(block, largest_block(stage, planned));
  }
  const std::size_t most_parameters = slots[0].grads.size();
  slots.resize(std::max(slots.size(), static_cast<std::size_t>(threads())));
  for (Slot& slot : slots) {
    slot.grads.resize(most_parameters);
    for (std::size_t i = 0; i < slot.scratch.size(); ++i) {
      slot.scratch[i].reserve(block * schedule.scratch_sizes[i]);
    }
  }
}

template <class T>
void Sequential<T>::Plan::check_not_null(const char* function, const char* argument,
                                         TensorView<const T> batch) {
  if (batch.data != nullptr || batch.shape.size() == 0) return;
  throw std::invalid_argument("Sequential::" + std::string(function) + ": " + argument +
                              ", of shape " + batch.shape.str() + ", is a null pointer");
}

template <class T>
void Sequential<T>::Plan::check_batch(const char* argument, TensorView<const T> got,
                                      const Shape& expected) const {
  if (got.shape != expected) {
    throw std::invalid_argument("Sequential::backward: " + std::string(argument) +
                                " must have the shape " + expected.str() +
                                " of the last forward(), got " + got.shape.str());
  }
  check_not_null("backward", argument, got);
}

template <class T>
void Sequential<T>::Plan::check_backward_of_inference() const {
  for (const Node& node : nodes) {
    if (!node.layer->depends_on_pass()) continue;
    throw std::invalid_argument("Sequential::backward: the last forward() was inference, and " +
                                node.layer->type() +
                                " needs a training pass: forward(x, {.training = true, ...})");
  }
}

template <class T>
T* Sequential<T>::Plan::mutable_activation(int boundary, std::int64_t first, const Shape& one,
                                           int slot) {
  const Place place = schedule.activations[static_cast<std::size_t>(boundary)];
  const auto index = static_cast<std::size_t>(place.index);
  if (place.kind == Place::Kind::scratch) {
    return slots[static_cast<std::size_t>(slot)].scratch[index].data();
  }
  return activations[index].data() + first * one.size();
}

template <class T>
const T* Sequential<T>::Plan::activation(int boundary, std::int64_t first, const Shape& one,
                                         int slot) {
  const Place place = schedule.activations[static_cast<std::size_t>(boundary)];
  if (place.kind != Place::Kind::caller_x) return mutable_activation(boundary, first, one, slot);
  return x + first * one.size();
}

template <class T>
T* Sequential<T>::Plan::mutable_gradient(int boundary, std::int64_t first, const Shape& one,
                                         int slot) {
  const Place place = schedule.gradients[static_cast<std::size_t>(boundary)];
  const auto index = static_cast<std::size_t>(place.index);
  if (place.kind == Place::Kind::scratch) {
    return slots[static_cast<std::size_t>(slot)].scratch[index].data();
  }
  T* data = place.kind == Place::Kind::whole ? gradients[index].data() : dx;
  return data + first * one.size();
}

template <class T>
const T* Sequential<T>::Plan::gradient(int boundary, std::int64_t first, const Shape& one,
                                       int slot) {
  const Place place = schedule.gradients[static_cast<std::size_t>(boundary)];
  if (place.kind != Place::Kind::caller_dy) return mutable_gradient(boundary, first, one, slot);
  return dy + first * one.size();
}

template struct Sequential<float>::Plan;
template struct Sequential<double>::Plan;

}  // namespace nnkernels::nn
