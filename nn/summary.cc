#include "nn/summary.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

namespace nnkernels::nn {
namespace {

/// Layer::work() is exact for products with weights; elsewhere it is a guess at the time.
template <class T>
std::int64_t multiply_adds(Layer<T>& layer, const Shape& x) {
  const std::span<Parameter<T>> parameters = layer.parameters();
  const bool multiplies = std::any_of(parameters.begin(), parameters.end(),
                                      [](const Parameter<T>& each) { return each.fan_in > 0; });
  return multiplies ? std::llround(layer.work(x)) : 0;
}

}  // namespace

template <class T>
Summary summarize(const Sequential<T>& net) {
  Summary summary{.input = net.input_shape(), .layers = {}};
  summary.layers.reserve(static_cast<std::size_t>(net.layer_count()));
  for (std::int64_t i = 0; i < net.layer_count(); ++i) {
    Layer<T>& layer = net.layer(i);
    const Shape& y = net.shape_before(i + 1);
    const bool reshapes = layer.activation() == Activation::identity;
    LayerSummary entry{
        .description = layer.description(),
        .output = y,
        .multiply_adds = multiply_adds(layer, net.shape_before(i)),
        .activation_bytes = reshapes ? 0 : y.size() * static_cast<std::int64_t>(sizeof(T))};
    for (const Parameter<T>& each : layer.parameters()) entry.parameters += each.value.size();
    summary.parameters += entry.parameters;
    summary.multiply_adds += entry.multiply_adds;
    summary.activation_bytes += entry.activation_bytes;
    summary.layers.push_back(std::move(entry));
  }
  summary.parameter_bytes = summary.parameters * static_cast<std::int64_t>(sizeof(T));
  return summary;
}

template Summary summarize(const Sequential<float>&);
template Summary summarize(const Sequential<double>&);

}  // namespace nnkernels::nn
