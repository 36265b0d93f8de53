#include "nn/weight_layout.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <stdexcept>
#include <utility>

#include "nn/affine.h"
#include "nn/batch_norm.h"
#include "nn/conv2d.h"
#include "nn/flatten.h"

namespace nnkernels::nn {
namespace {

constexpr std::pair<WeightLayout, std::string_view> kNames[] = {
    {WeightLayout::ours, "ours"},
    {WeightLayout::torch, "torch"},
    {WeightLayout::tutorial, "tutorial"}};

/// Walks through the layers, knowing which image the features at hand were before a Flatten.
class Walk {
 public:
  Walk(const Sequential<float>& net, WeightLayout layout) : net_(net), layout_(layout) {}

  std::vector<LayoutModule> modules() {
    std::vector<LayoutModule> modules;
    modules.reserve(static_cast<std::size_t>(net_.layer_count()));
    for (layer_ = 0; layer_ < net_.layer_count(); ++layer_) {
      Layer<float>& layer = net_.layer(layer_);
      const Shape& x = net_.shape_before(layer_);
      if (dynamic_cast<const Flatten<float>*>(&layer) != nullptr && x.rank() == 3) {
        image_ = x.dims();
      }
      LayoutModule module{.layer = layer_, .description = layer.description(), .tensors = {}};
      for (Parameter<float>& parameter : layer.parameters()) {
        module.tensors.push_back(tensor_of(layer, parameter.name, parameter.value));
      }
      for (Buffer<float>& buffer : layer.buffers()) {
        module.tensors.push_back(tensor_of(layer, buffer.name, buffer.value));
      }
      // An Affine mixes all features: behind it they are in the same order everywhere.
      if (dynamic_cast<const Affine<float>*>(&layer) != nullptr) image_.clear();
      if (!module.tensors.empty()) modules.push_back(std::move(module));
    }
    if (layout_ != WeightLayout::ours && !image_.empty() && image_[2] > 1 &&
        image_[0] * image_[1] > 1) {
      throw std::invalid_argument(
          "layout_modules: the network's outputs are the numbers of an image of several channels, "
          "which stand in another order where channels come first; put an Affine behind the "
          "Flatten");
    }
    return modules;
  }

 private:
  LayoutTensor tensor_of(const Layer<float>& layer, const std::string& name, Tensor<float>& value) {
    LayoutTensor tensor{.value = &value,
                        .own_name = std::to_string(layer_) + "." + name,
                        .name = {},
                        .shape = value.shape().dims(),
                        .dims = {},
                        .axes = {}};
    tensor.dims = tensor.shape;
    tensor.axes.resize(tensor.dims.size());
    std::iota(tensor.axes.begin(), tensor.axes.end(), 0);
    if (layout_ == WeightLayout::ours) {
      tensor.name = tensor.own_name;
    } else if (dynamic_cast<const Conv2d<float>*>(&layer) != nullptr) {
      set_conv(tensor, name);
    } else if (dynamic_cast<const Affine<float>*>(&layer) != nullptr) {
      set_affine(tensor, name);
    } else if (dynamic_cast<const BatchNorm<float>*>(&layer) != nullptr) {
      set_batch_norm(tensor, name);
    } else {
      throw std::invalid_argument("layout_modules: no layout but ours knows the weights of " +
                                  layer.type());
    }
    return tensor;
  }

  void set_conv(LayoutTensor& tensor, const std::string& name) {
    tensor.name = weight_name(name);
    if (name != "w") return;
    const std::vector<std::int64_t>& d = tensor.dims;
    tensor.shape = {d[3], d[2], d[0], d[1]};
    tensor.axes = {3, 2, 0, 1};
  }

  void set_affine(LayoutTensor& tensor, const std::string& name) {
    tensor.name = weight_name(name);
    if (name != "w") return;
    const std::int64_t in = tensor.dims[0];
    const std::int64_t out = tensor.dims[1];
    const std::vector<std::int64_t> image =
        image_.empty() ? std::vector<std::int64_t>{1, 1, in} : image_;
    tensor.dims = {image[0], image[1], image[2], out};
    if (layout_ == WeightLayout::torch) {
      tensor.shape = {out, in};
      tensor.axes = {3, 2, 0, 1};
    } else {
      tensor.axes = {2, 0, 1, 3};
    }
  }

  void set_batch_norm(LayoutTensor& tensor, const std::string& name) {
    if (layout_ == WeightLayout::torch) {
      std::string theirs = name;
      if (name == "gamma") theirs = "weight";
      if (name == "beta") theirs = "bias";
      tensor.name = std::to_string(layer_) + "." + theirs;
    } else {
      tensor.name = name + std::to_string(weighted_);
      if (!taken_.insert(tensor.name).second) {
        throw std::invalid_argument(
            "layout_modules: the tutorials' names have room for one BatchNorm behind a layer, got "
            "two (" +
            tensor.name + ")");
      }
    }
    if (!image_.empty() && net_.shape_before(layer_).rank() == 1) {
      tensor.dims = image_;
      tensor.axes = {2, 0, 1};
    }
  }

  /// Of the w or b of an Affine or a Conv2d; w comes first.
  std::string weight_name(const std::string& name) {
    if (name == "w") ++weighted_;
    if (layout_ == WeightLayout::tutorial) return name + std::to_string(weighted_);
    return std::to_string(layer_) + (name == "w" ? ".weight" : ".bias");
  }

  const Sequential<float>& net_;
  WeightLayout layout_;
  std::int64_t layer_ = 0;
  std::int64_t weighted_ = 0;        // layers Affine and Conv2d so far
  std::vector<std::int64_t> image_;  // [h][w][c]; or empty: features have one order only
  std::set<std::string> taken_;
};

/// Calls f(i, j) for each element: i is its place in the order of the axes, j in that of dims.
template <class F>
void for_each_moved(const std::vector<std::int64_t>& dims, const std::vector<int>& axes, F&& f) {
  const std::size_t rank = dims.size();
  std::vector<std::int64_t> stride(rank, 1);
  for (std::size_t d = rank; d-- > 1;) stride[d - 1] = stride[d] * dims[d];
  std::int64_t count = 1;
  for (const std::int64_t dim : dims) count *= dim;
  std::vector<std::int64_t> index(rank);  // in the order of the axes
  std::int64_t from = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    f(i, from);
    for (std::size_t d = rank; d-- > 0;) {
      const auto axis = static_cast<std::size_t>(axes[d]);
      from += stride[axis];
      if (++index[d] < dims[axis]) break;
      from -= stride[axis] * dims[axis];
      index[d] = 0;
    }
  }
}

}  // namespace

std::optional<WeightLayout> weight_layout(std::string_view name) {
  for (const auto& [layout, known] : kNames) {
    if (known == name) return layout;
  }
  return std::nullopt;
}

std::string weight_layout_name(WeightLayout layout) {
  const auto* const found = std::find_if(std::begin(kNames), std::end(kNames),
                                         [=](const auto& known) { return known.first == layout; });
  return std::string(found->second);
}

std::vector<LayoutModule> layout_modules(const Sequential<float>& net, WeightLayout layout) {
  return Walk(net, layout).modules();
}

std::vector<float> to_layout(const LayoutTensor& tensor) {
  std::vector<float> values(static_cast<std::size_t>(tensor.value->size()));
  for_each_moved(tensor.dims, tensor.axes, [&](std::int64_t i, std::int64_t j) {
    values[static_cast<std::size_t>(i)] = (*tensor.value)[j];
  });
  return values;
}

void from_layout(const LayoutTensor& tensor, const std::vector<float>& values) {
  if (static_cast<std::int64_t>(values.size()) != tensor.value->size()) {
    throw std::invalid_argument("from_layout: values: expected " +
                                std::to_string(tensor.value->size()) + " numbers for " +
                                tensor.name + ", got " + std::to_string(values.size()));
  }
  for_each_moved(tensor.dims, tensor.axes, [&](std::int64_t i, std::int64_t j) {
    (*tensor.value)[j] = values[static_cast<std::size_t>(i)];
  });
}

}  // namespace nnkernels::nn
