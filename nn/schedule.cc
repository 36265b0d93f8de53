#include "nn/schedule.h"

#include <algorithm>

namespace nnkernels::nn {
namespace {

/// A block's activations and gradients may fill half of a level-2 cache of 1 MiB (Zen 4; Intel's
/// have 1.25 to 2 MiB); weights, their gradients and packed panels need the rest.
constexpr std::int64_t kBlockBytes = 1 << 19;

/// Each block has its own parameter gradients, which must be added up: no more blocks than keep
/// that cheap, yet enough for many threads.
constexpr std::int64_t kMaxBlocks = 64;

/// Block counts are multiples of this, so that 2 and 4 threads get the same number each.
constexpr std::int64_t kBlockStep = 4;

std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// Stages are the longest runs of sample-wise layers, and every other layer by itself.
std::vector<Stage> find_stages(std::span<const LayerTraits> layers) {
  std::vector<Stage> stages;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const bool joins = layers[i].sample_wise && !stages.empty() && stages.back().depth_first;
    if (!joins) stages.emplace_back().depth_first = layers[i].sample_wise;
    stages.back().layers.push_back(static_cast<int>(i));
    stages.back().work += layers[i].work;
  }
  return stages;
}

void place_activations(std::span<const LayerTraits> layers, Schedule& schedule) {
  schedule.activations.push_back({Place::Kind::caller_x});
  bool needed = true;  // some backward pass reads what the current place holds
  for (const LayerTraits& layer : layers) {
    const Place x = schedule.activations.back();
    const bool overwrites = layer.in_place && !needed && layer.x_size == layer.y_size;
    if (layer.fused || overwrites) {
      schedule.activations.push_back(x);
    } else {
      const int index = static_cast<int>(schedule.activation_sizes.size());
      schedule.activations.push_back({Place::Kind::whole, index});
      schedule.activation_sizes.push_back(layer.y_size);
    }
    needed = layer.reads_y;
  }
}

/// Without backward passes: from the first boundary to the last, each in the place that was not
/// used last.
void place_activations_of_inference(std::span<const LayerTraits> layers, Schedule& schedule) {
  schedule.activations.push_back({Place::Kind::caller_x});
  schedule.activation_sizes.assign(2, 0);
  int whole = 1, scratch = 1;  // used last
  auto stage = schedule.stages.begin();
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const LayerTraits& layer = layers[i];
    const Place x = schedule.activations.back();
    if (static_cast<int>(i) > stage->layers.back()) ++stage;
    const bool crosses = static_cast<int>(i) == stage->layers.back();
    const bool overwrites =
        layer.in_place && layer.x_size == layer.y_size &&
        (x.kind == Place::Kind::whole || (x.kind == Place::Kind::scratch && !crosses));
    if (overwrites) {
      schedule.activations.push_back(x);
      continue;
    }
    int& last = crosses ? whole : scratch;
    last = 1 - last;
    const auto at = static_cast<std::size_t>(last);
    const auto grow = [&](std::int64_t& size) { size = std::max(size, layer.y_size); };
    crosses ? grow(schedule.activation_sizes[at]) : grow(schedule.scratch_sizes[at]);
    schedule.activations.push_back({crosses ? Place::Kind::whole : Place::Kind::scratch, last});
  }
}

/// From the last boundary to the first. A gradient is needed only until the next one is computed,
/// so two buffers of each kind do.
void place_gradients(std::span<const LayerTraits> layers, Schedule& schedule) {
  schedule.gradients.assign(layers.size() + 1, {Place::Kind::caller_dy});
  if (schedule.stages.empty()) return;
  int whole = 1;  // the whole-batch buffer used last
  auto stage = schedule.stages.rbegin();
  for (int i = static_cast<int>(layers.size()) - 1; i >= 0; --i) {
    const LayerTraits& layer = layers[static_cast<std::size_t>(i)];
    const Place dy = schedule.gradients[static_cast<std::size_t>(i) + 1];
    Place& dx = schedule.gradients[static_cast<std::size_t>(i)];
    if (i == 0) {
      dx = {Place::Kind::caller_x};
      continue;
    }
    if (i < stage->layers.front()) ++stage;
    const bool crosses = i == stage->layers.front();
    const bool overwrites =
        layer.in_place && layer.x_size == layer.y_size &&
        (dy.kind == Place::Kind::whole || (dy.kind == Place::Kind::scratch && !crosses));
    if (overwrites) {
      dx = dy;
    } else if (crosses) {
      whole = 1 - whole;
      dx = {Place::Kind::whole, whole};
      auto& size = schedule.gradient_sizes[static_cast<std::size_t>(whole)];
      size = std::max(size, layer.x_size);
    } else {
      dx = {Place::Kind::scratch, dy.kind == Place::Kind::scratch ? 1 - dy.index : 0};
      auto& size = schedule.scratch_sizes[static_cast<std::size_t>(dx.index)];
      size = std::max(size, layer.x_size);
    }
  }
}

/// Bytes that one sample's way forward and back through a stage touches.
std::int64_t sample_bytes(const Stage& stage, std::span<const LayerTraits> layers,
                          const Schedule& schedule, std::size_t element_size) {
  std::int64_t numbers = 2 * layers[static_cast<std::size_t>(stage.layers.front())].x_size;
  for (const int i : stage.layers) {
    const auto at = static_cast<std::size_t>(i);
    const std::int64_t size = layers[at].y_size;
    if (schedule.activations[at] != schedule.activations[at + 1]) numbers += size;
    if (schedule.gradients.empty()) continue;
    if (schedule.gradients[at] != schedule.gradients[at + 1]) numbers += size;
  }
  return numbers * static_cast<std::int64_t>(element_size);
}

}  // namespace

Schedule make_schedule(std::span<const LayerTraits> layers, std::size_t element_size,
                       bool inference) {
  Schedule schedule;
  schedule.stages = find_stages(layers);
  if (inference) {
    place_activations_of_inference(layers, schedule);
  } else {
    place_activations(layers, schedule);
    place_gradients(layers, schedule);
  }
  for (Stage& stage : schedule.stages) {
    const std::int64_t bytes = sample_bytes(stage, layers, schedule, element_size);
    stage.block = std::max<std::int64_t>(1, kBlockBytes / std::max<std::int64_t>(1, bytes));
  }
  const auto trainable = std::find_if(layers.begin(), layers.end(),
                                      [](const LayerTraits& layer) { return layer.trainable; });
  schedule.first_trainable = static_cast<int>(trainable - layers.begin());
  return schedule;
}

std::int64_t most_blocks(const Stage& stage, std::int64_t n) {
  const std::int64_t count = divide_up(divide_up(n, stage.block), kBlockStep) * kBlockStep;
  return std::min({n, count, kMaxBlocks});
}

std::int64_t largest_block(const Stage& stage, std::int64_t n) {
  return std::min(n, std::max(stage.block, divide_up(n, kMaxBlocks)));
}

Blocks make_blocks(const Stage& stage, std::int64_t n) { return {n, most_blocks(stage, n)}; }

}  // namespace nnkernels::nn
