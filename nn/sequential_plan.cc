#include "nn/sequential_plan.h"

#include <algorithm>
#include <stdexcept>

#include "kernels/parallel.h"

namespace nnkernels::nn {

template <class T>
void Sequential<T>::Plan::make_schedule() {
  std::vector<LayerTraits> traits;
  std::size_t most_parameters = 0;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    Layer<T>& layer = *nodes[i].layer;
    most_parameters = std::max(most_parameters, layer.parameters().size());
    traits.push_back({.x_size = shapes[i].size(),
                      .y_size = shapes[i + 1].size(),
                      .work = layer.work(shapes[i]),
                      .identity = nodes[i].identity,
                      .fused = nodes[i].fused,
                      .sample_wise = layer.sample_wise(),
                      .in_place = layer.in_place(),
                      .reads_y = layer.backward_reads_y(),
                      .trainable = !layer.parameters().empty(),
                      .activation = layer.activation().has_value() && !nodes[i].identity,
                      .selects = layer.selects()});
  }
  schedule = nn::make_schedule(traits, sizeof(T));
  activations.clear();
  activations.resize(schedule.activation_sizes.size());
  stage_buffers.clear();
  stage_buffers.resize(schedule.stages.size());
  for (std::size_t s = 0; s < schedule.stages.size(); ++s) {
    for (const int i : schedule.stages[s].layers) {
      for (const Parameter<T>& parameter : layer(i).parameters()) {
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
  for (std::size_t i = 0; i < nodes.size(); ++i) nodes[i].layer->plan(shapes[i], samples);
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
void Sequential<T>::Plan::check_batch(const char* argument, const Shape& got,
                                      const Shape& expected) const {
  if (got != expected) {
    throw std::invalid_argument("Sequential::backward: " + std::string(argument) +
                                " must have the shape " + expected.str() +
                                " of the last forward(), got " + got.str());
  }
}

template <class T>
TensorView<T> Sequential<T>::Plan::mutable_activation(int boundary, std::int64_t first,
                                                      std::int64_t count) const {
  const Place place = schedule.activations[static_cast<std::size_t>(boundary)];
  const Shape& one = shape(boundary);
  const AlignedBuffer<T>& buffer = activations[static_cast<std::size_t>(place.index)];
  return {buffer.data() + first * one.size(), one.batch(count)};
}

template <class T>
TensorView<const T> Sequential<T>::Plan::activation(int boundary, std::int64_t first,
                                                    std::int64_t count) const {
  const Place place = schedule.activations[static_cast<std::size_t>(boundary)];
  if (place.kind == Place::Kind::whole) return mutable_activation(boundary, first, count);
  const Shape& one = shape(boundary);
  return {x + first * one.size(), one.batch(count)};
}

template <class T>
TensorView<T> Sequential<T>::Plan::mutable_gradient(int boundary, std::int64_t first,
                                                    std::int64_t count, int slot) {
  const Place place = schedule.gradients[static_cast<std::size_t>(boundary)];
  const auto index = static_cast<std::size_t>(place.index);
  const Shape& one = shape(boundary);
  if (place.kind == Place::Kind::scratch) {
    return {slots[static_cast<std::size_t>(slot)].scratch[index].data(), one.batch(count)};
  }
  T* data = place.kind == Place::Kind::whole ? gradients[index].data() : dx;
  return {data + first * one.size(), one.batch(count)};
}

template <class T>
TensorView<const T> Sequential<T>::Plan::gradient(int boundary, std::int64_t first,
                                                  std::int64_t count, int slot) {
  const Place place = schedule.gradients[static_cast<std::size_t>(boundary)];
  if (place.kind != Place::Kind::caller_dy) return mutable_gradient(boundary, first, count, slot);
  const Shape& one = shape(boundary);
  return {dy + first * one.size(), one.batch(count)};
}

template struct Sequential<float>::Plan;
template struct Sequential<double>::Plan;

}  // namespace nnkernels::nn
