#include "nn/model_file.h"

#include <cmath>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

#include "nn/architecture.h"
#include "nn/data/bytes.h"
#include "nn/data/file.h"
#include "nn/data/sha256.h"
#include "nn/file_error.h"
#include "nn/model_keys.h"
#include "nn/number_text.h"
#include "nn/shape_text.h"
#include "nn/tensor_file.h"

namespace nnkernels::nn {
namespace {

constexpr std::string_view kModelFormat = "model 1";

Sequential<float> build_net(const TensorFile& file) {
  try {
    // An architecture larger than the file's weights must not take memory first.
    return build<float>(file.input_shape(kInput), file.metadata(kArchitecture), file.size());
  } catch (const std::invalid_argument& error) {
    file.fail("its architecture cannot be built: " + std::string(error.what()));
  }
}

}  // namespace

void check_model(const char* function, const Sequential<float>& net, const ModelInfo& info) {
  const auto require = [function](bool good, const std::string& problem) {
    if (!good) throw std::invalid_argument(std::string(function) + ": " + problem);
  };
  require(info.classes >= 1 && net.output_shape() == Shape{info.classes},
          "info.classes is " + std::to_string(info.classes) + ", but the net's output has shape " +
              net.output_shape().str());
  require(std::isfinite(info.preprocessing.scale) && std::isfinite(info.preprocessing.shift),
          "info.preprocessing is not finite");
  for (const auto& [key, value] : info.metadata) {
    require(!key.starts_with(kReservedKeys),
            "the metadata key " + printable(key) + " begins with the reserved \"nnkernels.\"");
  }
  require(parse_shape(shape_text(net.input_shape())) == net.input_shape(),
          "files hold inputs of one to three dimensions up to a million, got " +
              net.input_shape().str());
  require(net.layer_count() >= 1 && net.layer_count() <= kMaxLayers &&
              architecture_of(net).size() <= kMaxArchitectureText,
          "files hold from 1 to " + std::to_string(kMaxLayers) + " layers in at most " +
              std::to_string(kMaxArchitectureText) + " bytes of text, got " +
              std::to_string(net.layer_count()) + " layers");
  for (std::int64_t i = 0; i < net.layer_count(); ++i) {
    require(net.shape_before(i).size() <= kMaxActivation,
            "files hold layers of inputs of at most " + std::to_string(kMaxActivation) +
                " numbers, got " + net.shape_before(i).str());
  }
  for (const auto& [name, value] : named_tensors(net)) {
    const std::int64_t place = first_not_finite(*value);
    require(place < 0, "element " + std::to_string(place) + " of " + name + " is not finite");
  }
}

void save_model(const std::string& path, const Sequential<float>& net, const ModelInfo& info) {
  check_model("save_model", net, info);
  std::map<std::string, std::string> metadata = info.metadata;
  const auto set = [&](std::string_view key, std::string value) {
    metadata.emplace(std::string(key), std::move(value));
  };
  set(kArchitecture, architecture_of(net));
  set(kInput, shape_text(net.input_shape()));
  set(kScale, number_text(info.preprocessing.scale));
  set(kShift, number_text(info.preprocessing.shift));
  set(kClasses, std::to_string(info.classes));
  save_tensors(path, kModelFormat, std::move(metadata), named_tensors(net));
}

Model load_model(const std::string& path) {
  return parse_model(path, read_file(path, kMaxModelFile));
}

Model parse_model(const std::string& path, std::span<const std::uint8_t> bytes) {
  const TensorFile file(path, bytes, kModelFormat);
  ModelInfo info;
  info.preprocessing = {file.number<double>(kScale), file.number<double>(kShift)};
  info.classes = file.number<std::int32_t>(kClasses);
  if (info.classes < 1) file.fail(std::string(kClasses) + ": expected at least 1");
  for (const auto& [key, value] : file.metadata()) {
    if (!key.starts_with(kReservedKeys)) info.metadata.emplace(key, value);
  }
  Sequential<float> net = build_net(file);
  if (net.output_shape() != Shape{info.classes}) {
    file.fail("the architecture gives an output of shape " + net.output_shape().str() + ", not " +
              std::to_string(info.classes) + " classes");
  }
  const std::vector<NamedTensor<float>> tensors = named_tensors(net);
  file.read(tensors);
  for (std::size_t i = 0; i < tensors.size(); ++i) file.check_finite(i, *tensors[i].value);
  return {std::move(net), std::move(info)};
}

std::string weights_sha256(const Sequential<float>& net) {
  Sha256 hash;
  for (const auto& [name, value] : named_tensors(net)) {
    hash.update(bytes_of(*value));
  }
  return hash.hex();
}

}  // namespace nnkernels::nn
