#include "bench/network_parts.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "bench/data.h"
#include "nn/architecture.h"
#include "nn/initialize.h"

namespace nnkernels::bench {
namespace {

using nn::Layer;
using nn::Sequential;

bool only_changes_shape(const Layer<float>& layer) {
  return layer.activation() == std::optional(Activation::identity);
}

/// The text of each layer.
std::vector<std::string> layer_texts(const Sequential<float>& net) {
  const std::string all = nn::architecture_of(net);
  std::vector<std::string> texts;
  constexpr const char* kSeparator = ", ";
  for (std::size_t begin = 0; begin < all.size();) {
    const std::size_t end = std::min(all.find(kSeparator, begin), all.size());
    texts.push_back(all.substr(begin, end - begin));
    begin = end + 2;
  }
  return texts;
}

/// Whether layer i runs together with the one before it.
bool joins(const Sequential<float>& net, std::int64_t i) {
  const Layer<float>&layer = net.layer(i), &before = net.layer(i - 1);
  if (only_changes_shape(layer)) return true;
  if (layer.activation()) return true;
  return layer.sample_wise() && before.sample_wise();
}

NetworkPart part_of(const Sequential<float>& net, const std::vector<std::string>& texts,
                    std::int64_t begin, std::int64_t end) {
  NetworkPart part{"", net.shape_before(begin), false, 0, 0};
  for (std::int64_t i = 0; i < begin; ++i) {
    part.wants_dx |= !net.layer(i).parameters().empty();
  }
  for (std::int64_t i = begin; i < end; ++i) {
    part.text += (i > begin ? ", " : "") + texts[static_cast<std::size_t>(i)];
    if (!only_changes_shape(net.layer(i))) ++part.count;
    if (!net.layer(i).parameters().empty()) {
      part.multiply_adds += net.layer(i).work(net.shape_before(i));
    }
  }
  return part;
}

}  // namespace

std::vector<NetworkStage> stages_of(const Sequential<float>& net) {
  const std::vector<std::string> texts = layer_texts(net);
  std::vector<NetworkStage> stages;
  for (std::int64_t begin = 0; begin < net.layer_count();) {
    std::int64_t end = begin + 1;
    // Changes of the shape in front of everything run with what follows.
    while (begin == 0 && end < net.layer_count() && only_changes_shape(net.layer(end - 1))) ++end;
    while (end < net.layer_count() && joins(net, end)) ++end;
    NetworkStage stage{part_of(net, texts, begin, end), {}};
    for (std::int64_t i = begin; i < end; ++i) {
      if (only_changes_shape(net.layer(i))) continue;
      stage.layers.push_back(part_of(net, texts, i, i + 1));
    }
    stages.push_back(std::move(stage));
    begin = end;
  }
  return stages;
}

struct PartRunner::State {
  State(const NetworkPart& part, std::int64_t batch_size)
      : net(nn::build<float>(part.input, part.text)),
        x(part.input.batch(batch_size)),
        dy(net.output_shape().batch(batch_size)) {
    nn::initialize(net, nn::Initialization::he, 1);
    net.plan(batch_size);
    const Array<float> values = random_array<float>(std::max(x.size(), dy.size()), 2);
    std::copy_n(values.data(), x.size(), x.begin());
    std::copy_n(values.data(), dy.size(), dy.begin());
    if (part.wants_dx) dx = nn::Tensor<float>(part.input.batch(batch_size));
    net.forward(x.view(), {.training = true});  // what the backward pass goes back from
  }

  nn::Sequential<float> net;
  nn::Tensor<float> x, dy, dx;
};

PartRunner::PartRunner(const NetworkPart& part, std::int64_t batch_size)
    : state_(std::make_shared<State>(part, batch_size)),
      wants_dx_(part.wants_dx),
      flops_(2 * part.multiply_adds * static_cast<double>(batch_size)) {}

Work PartRunner::forward() const {
  return timed([state = state_] { state->net.forward(state->x.view(), {.training = true}); });
}

Work PartRunner::backward() const {
  return timed([state = state_, wants_dx = wants_dx_] {
    state->net.backward(state->x.view(), state->dy.view(),
                        wants_dx ? state->dx.view() : nn::TensorView<float>());
  });
}

}  // namespace nnkernels::bench
