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

void check_saveable(const Sequential<float>& net, const ModelInfo& info) {
  if (net.output_shape() != Shape{info.classes}) {
    throw std::invalid_argument("save_model: info.classes is " + std::to_string(info.classes) +
                                ", but the net's output has shape " + net.output_shape().str());
  }
  if (!std::isfinite(info.preprocessing.scale) || !std::isfinite(info.preprocessing.shift)) {
    throw std::invalid_argument("save_model: info.preprocessing is not finite");
  }
  for (const auto& [key, value] : info.metadata) {
    if (key.starts_with(kReservedKeys)) {
      throw std::invalid_argument("save_model: the metadata key " + printable(key) +
                                  " begins with the reserved \"nnkernels.\"");
    }
  }
  for (const auto& [name, value] : named_tensors(net)) {
    const std::int64_t place = first_not_finite(*value);
    if (place >= 0) {
      throw std::invalid_argument("save_model: element " + std::to_string(place) + " of " + name +
                                  " is not finite");
    }
  }
}

Sequential<float> build_net(const TensorFile& file) {
  try {
    // An architecture larger than the file's weights must not take memory first.
    return build<float>(file.input_shape(kInput), file.metadata(kArchitecture), file.size());
  } catch (const std::invalid_argument& error) {
    file.fail("its architecture cannot be built: " + std::string(error.what()));
  }
}

}  // namespace

void save_model(const std::string& path, const Sequential<float>& net, const ModelInfo& info) {
  check_saveable(net, info);
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
