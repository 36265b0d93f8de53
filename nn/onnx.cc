#include "nn/onnx.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <utility>
#include <vector>

#include "nn/activation_layers.h"
#include "nn/affine.h"
#include "nn/architecture.h"
#include "nn/avg_pool2d.h"
#include "nn/batch_norm.h"
#include "nn/conv2d.h"
#include "nn/dropout.h"
#include "nn/flatten.h"
#include "nn/global_avg_pool.h"
#include "nn/leaky_relu.h"
#include "nn/max_pool2d.h"
#include "nn/number_text.h"
#include "nn/protobuf.h"
#include "nn/softmax.h"
#include "nn/weight_layout.h"

namespace nnkernels::nn {
namespace {

static_assert(std::endian::native == std::endian::little);  // raw_data is

// Field numbers of onnx.proto, message by message.
namespace model_field {
constexpr int kIrVersion = 1;
constexpr int kProducerName = 2;
constexpr int kGraph = 7;
constexpr int kOpsetImport = 8;
constexpr int kMetadataProps = 14;
}  // namespace model_field
namespace graph_field {
constexpr int kNode = 1;
constexpr int kName = 2;
constexpr int kInitializer = 5;
constexpr int kInput = 11;
constexpr int kOutput = 12;
}  // namespace graph_field
namespace node_field {
constexpr int kInput = 1;
constexpr int kOutput = 2;
constexpr int kName = 3;
constexpr int kOpType = 4;
constexpr int kAttribute = 5;
}  // namespace node_field
namespace attribute_field {
constexpr int kName = 1;
constexpr int kFloat = 2;
constexpr int kInt = 3;
constexpr int kInts = 8;
constexpr int kType = 20;
}  // namespace attribute_field
namespace tensor_field {
constexpr int kDims = 1;
constexpr int kDataType = 2;
constexpr int kName = 8;
constexpr int kRawData = 9;
}  // namespace tensor_field

// Values of enums there.
constexpr std::int64_t kAttributeFloat = 1;
constexpr std::int64_t kAttributeInt = 2;
constexpr std::int64_t kAttributeInts = 7;
constexpr std::int64_t kDataFloat = 1;

constexpr std::int64_t kIrVersion = 7;  // the one that came with kOpset
constexpr std::int64_t kOpset = 13;
constexpr std::size_t kMaxBytes = (std::size_t{1} << 31) - 1;

/// StringStringEntryProto.
ProtobufMessage text_entry(const std::string& key, const std::string& value) {
  return ProtobufMessage().add(1, key).add(2, value);
}

/// An operator: one node of the graph.
class Node {
 public:
  explicit Node(const char* op) { message_.add(node_field::kOpType, op); }

  Node& attribute(const char* name, std::int64_t value) {
    return add(ProtobufMessage()
                   .add(attribute_field::kName, name)
                   .add(attribute_field::kInt, value)
                   .add(attribute_field::kType, kAttributeInt));
  }
  Node& attribute(const char* name, double value) {
    return add(ProtobufMessage()
                   .add(attribute_field::kName, name)
                   .add(attribute_field::kFloat, static_cast<float>(value))
                   .add(attribute_field::kType, kAttributeFloat));
  }
  Node& attribute(const char* name, const std::vector<std::int64_t>& values) {
    ProtobufMessage message;
    message.add(attribute_field::kName, name);
    for (const std::int64_t value : values) message.add(attribute_field::kInts, value);
    return add(message.add(attribute_field::kType, kAttributeInts));
  }
  Node& input(const std::string& name) {
    message_.add(node_field::kInput, name);
    return *this;
  }

  ProtobufMessage message_with(const std::string& name, const std::string& output) && {
    message_.add(node_field::kName, name).add(node_field::kOutput, output);
    return std::move(message_);
  }

 private:
  Node& add(const ProtobufMessage& attribute) {
    message_.add(node_field::kAttribute, attribute);
    return *this;
  }

  ProtobufMessage message_;
};

ProtobufMessage initializer(const LayoutTensor& tensor) {
  const std::vector<float> values = to_layout(tensor);
  if (!std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); })) {
    throw std::invalid_argument("onnx_model: " + tensor.own_name +
                                " has a weight that is not finite");
  }
  ProtobufMessage message;
  for (const std::int64_t dim : tensor.shape) message.add(tensor_field::kDims, dim);
  const std::string_view bytes(reinterpret_cast<const char*>(values.data()),
                               values.size() * sizeof(float));
  return message.add(tensor_field::kDataType, kDataFloat)
      .add(tensor_field::kName, tensor.name)
      .add(tensor_field::kRawData, bytes);
}

/// ValueInfoProto of a batch of samples of shape x, channels first.
ProtobufMessage value_info(const char* name, const Shape& x) {
  const auto dim = [](auto value_or_name, int field) {
    return ProtobufMessage().add(field, value_or_name);
  };
  constexpr int kDim = 1;
  constexpr int kDimValue = 1;
  constexpr int kDimParam = 2;
  ProtobufMessage shape;
  shape.add(kDim, dim("n", kDimParam));
  if (x.rank() == 3) shape.add(kDim, dim(x[2], kDimValue));
  for (int i = 0; i < std::min(x.rank(), 2); ++i) shape.add(kDim, dim(x[i], kDimValue));
  // TypeProto.Tensor: elem_type, shape; TypeProto: tensor_type; ValueInfoProto: name, type.
  const ProtobufMessage tensor = ProtobufMessage().add(1, kDataFloat).add(2, shape);
  return ProtobufMessage().add(1, name).add(2, ProtobufMessage().add(1, tensor));
}

Node conv_node(const Conv2dOptions& o) {
  return Node("Conv")
      .attribute("kernel_shape", std::vector{o.kh, o.kw})
      .attribute("strides", std::vector{o.stride_h, o.stride_w})
      .attribute("pads", std::vector{o.pad_h, o.pad_w, o.pad_h, o.pad_w})
      .attribute("dilations", std::vector{o.dilation_h, o.dilation_w})
      .attribute("group", o.groups);
}

Node pool_node(const char* op, const Pool2dOptions& o) {
  return Node(op)
      .attribute("kernel_shape", std::vector{o.kh, o.kw})
      .attribute("strides", std::vector{o.stride_h, o.stride_w})
      .attribute("pads", std::vector{o.pad_h, o.pad_w, o.pad_h, o.pad_w});
}

/// The operator of a layer, without inputs.
Node node_of(const Layer<float>& layer) {
  if (const auto* conv = dynamic_cast<const Conv2d<float>*>(&layer)) {
    return conv_node(conv->options());
  }
  if (const auto* pool = dynamic_cast<const MaxPool2d<float>*>(&layer)) {
    return pool_node("MaxPool", pool->options());
  }
  if (const auto* pool = dynamic_cast<const AvgPool2d<float>*>(&layer)) {
    const std::int64_t window = pool->divisor() == PoolDivisor::window ? 1 : 0;
    return pool_node("AveragePool", pool->options()).attribute("count_include_pad", window);
  }
  if (const auto* norm = dynamic_cast<const BatchNorm<float>*>(&layer)) {
    return Node("BatchNormalization").attribute("epsilon", norm->epsilon());
  }
  if (const auto* leaky = dynamic_cast<const LeakyReLU<float>*>(&layer)) {
    return Node("LeakyRelu").attribute("alpha", leaky->slope());
  }
  const std::int64_t first_axis = 1;
  if (dynamic_cast<const Affine<float>*>(&layer) != nullptr) {
    return Node("Gemm").attribute("transB", std::int64_t{1});
  }
  if (dynamic_cast<const ReLU<float>*>(&layer) != nullptr) return Node("Relu");
  if (dynamic_cast<const Sigmoid<float>*>(&layer) != nullptr) return Node("Sigmoid");
  if (dynamic_cast<const Tanh<float>*>(&layer) != nullptr) return Node("Tanh");
  // Over the features of a vector or the channels of an image: axis 1 of both.
  if (dynamic_cast<const Softmax<float>*>(&layer) != nullptr) {
    return Node("Softmax").attribute("axis", first_axis);
  }
  if (dynamic_cast<const Flatten<float>*>(&layer) != nullptr) {
    return Node("Flatten").attribute("axis", first_axis);
  }
  if (dynamic_cast<const GlobalAvgPool2d<float>*>(&layer) != nullptr) {
    return Node("GlobalAveragePool");
  }
  throw std::invalid_argument("onnx_model: ONNX has no operator for the layer " + layer.type());
}

/// What a layer becomes: nothing in inference, one node, or two.
std::vector<Node> nodes_of(const Layer<float>& layer) {
  std::vector<Node> nodes;
  if (dynamic_cast<const Dropout<float>*>(&layer) != nullptr) return nodes;
  nodes.push_back(node_of(layer));
  if (dynamic_cast<const GlobalAvgPool2d<float>*>(&layer) != nullptr) {
    nodes.push_back(Node("Flatten").attribute("axis", std::int64_t{1}));
  }
  return nodes;
}

/// A node that has all but its name, its input and its output.
struct Step {
  Node node;
  std::string name;
  const LayoutModule* weights;  // or null
};

std::vector<Step> steps_of(const Sequential<float>& net, const std::vector<LayoutModule>& modules) {
  std::vector<Step> steps;
  steps.reserve(2 * static_cast<std::size_t>(net.layer_count()));
  for (std::int64_t i = 0; i < net.layer_count(); ++i) {
    const Shape& x = net.shape_before(i);
    if (x.rank() != 1 && x.rank() != 3) {
      throw std::invalid_argument(
          "onnx_model: expected samples that are images or vectors, got the shape " + x.str() +
          " before layer " + std::to_string(i + 1));
    }
    const auto module = std::find_if(modules.begin(), modules.end(),
                                     [=](const LayoutModule& m) { return m.layer == i; });
    const LayoutModule* weights = module == modules.end() ? nullptr : &*module;
    std::string name = std::to_string(i);
    for (Node& node : nodes_of(net.layer(i))) {
      steps.push_back({std::move(node), name, std::exchange(weights, nullptr)});
      name += ".flat";
    }
  }
  if (steps.empty()) throw std::invalid_argument("onnx_model: the network has no layers");
  return steps;
}

ProtobufMessage graph_of(const Sequential<float>& net) {
  const std::vector<LayoutModule> modules = layout_modules(net, WeightLayout::torch);
  ProtobufMessage graph;
  std::string x = kOnnxInput;
  std::vector<Step> steps = steps_of(net, modules);
  for (Step& step : steps) {
    step.node.input(x);
    if (step.weights != nullptr) {
      for (const LayoutTensor& tensor : step.weights->tensors) step.node.input(tensor.name);
    }
    x = &step == &steps.back() ? std::string(kOnnxOutput) : step.name + ".y";
    graph.add(graph_field::kNode, std::move(step.node).message_with(step.name, x));
  }
  graph.add(graph_field::kName, "nnkernels");
  for (const LayoutModule& module : modules) {
    for (const LayoutTensor& tensor : module.tensors) {
      graph.add(graph_field::kInitializer, initializer(tensor));
    }
  }
  return graph.add(graph_field::kInput, value_info(kOnnxInput, net.input_shape()))
      .add(graph_field::kOutput, value_info(kOnnxOutput, net.output_shape()));
}

}  // namespace

std::string onnx_model(const Sequential<float>& net, const ModelInfo& info) {
  ProtobufMessage model;
  model.add(model_field::kIrVersion, kIrVersion)
      .add(model_field::kProducerName, "nnkernels")
      .add(model_field::kGraph, graph_of(net))
      .add(model_field::kOpsetImport, ProtobufMessage().add(1, "").add(2, kOpset));
  std::map<std::string, std::string> texts = info.metadata;
  texts["nnkernels.architecture"] = architecture_of(net);
  texts["nnkernels.scale"] = number_text(info.preprocessing.scale);
  texts["nnkernels.shift"] = number_text(info.preprocessing.shift);
  for (const auto& [key, value] : texts) {
    model.add(model_field::kMetadataProps, text_entry(key, value));
  }
  if (model.bytes().size() > kMaxBytes) {
    throw std::invalid_argument("onnx_model: the model takes " +
                                std::to_string(model.bytes().size()) +
                                " bytes; protocol buffers hold less than 2 GiB");
  }
  return model.bytes();
}

}  // namespace nnkernels::nn
