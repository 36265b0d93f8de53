#include "nn/model_exchange.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "nn/architecture.h"
#include "nn/data/bytes.h"
#include "nn/data/file.h"
#include "nn/data/sha256.h"
#include "nn/file_error.h"
#include "nn/model_keys.h"
#include "nn/number_text.h"
#include "nn/shape_text.h"

namespace nnkernels::nn {
namespace {

constexpr std::string_view kLayout = "nnkernels.layout";
constexpr std::string_view kKnownKeys[] = {kLayout, kArchitecture, kInput,   kScale,
                                           kShift,  kClasses,      kChecksum};

/// What a file says about itself.
class Texts {
 public:
  Texts(const std::string& path, const WeightFile& file) : path_(path), texts_(file.texts) {}

  [[noreturn]] void fail(std::string_view key, const std::string& expected) const {
    throw FileError(
        path_, std::string(key) + ": expected " + expected + ", found " + printable(text(key)));
  }

  const std::string& text(std::string_view key) const {
    const auto found = texts_.find(std::string(key));
    if (found != texts_.end()) return found->second;
    throw FileError(path_, "no " + std::string(key) + ", which tells about the model");
  }

  double number(std::string_view key) const {
    const std::string& digits = text(key);
    double value = 0;
    const char* const end = digits.data() + digits.size();
    const auto [stop, error] = std::from_chars(digits.data(), end, value);
    if (error != std::errc() || stop != end || !std::isfinite(value)) fail(key, "a number");
    return value;
  }

 private:
  const std::string& path_;
  const std::map<std::string, std::string>& texts_;
};

/// Of the weights, whatever their layout, and of all texts but itself.
std::string checksum_of(const Sequential<float>& net,
                        const std::map<std::string, std::string>& texts) {
  std::string all = weights_sha256(net);
  for (const auto& [key, value] : texts) {
    // With their lengths, so that nothing can move from one to the next.
    if (key != kChecksum) {
      all += '\n' + std::to_string(key.size()) + ' ' + std::to_string(value.size()) + ' ' + key +
             value;
    }
  }
  return sha256(bytes_of(all));
}

/// How many parameters an architecture for this file may have: one much larger than the file would
/// never fit, and must not take memory; a little room lets match_weights() say what does not fit.
std::int64_t most_parameters(const WeightFile& file) {
  std::int64_t count = std::int64_t{1} << 24;
  for (const WeightArray& array : file.arrays) {
    count += static_cast<std::int64_t>(array.values.size());
  }
  return count;
}

}  // namespace

void export_model(const std::string& path, const Sequential<float>& net, const ModelInfo& info,
                  WeightLayout layout) {
  check_model("export_model", net, info);
  WeightFile file{.texts = info.metadata, .arrays = {}};
  file.texts[std::string(kLayout)] = weight_layout_name(layout);
  file.texts[std::string(kArchitecture)] = architecture_of(net);
  file.texts[std::string(kInput)] = shape_text(net.input_shape());
  file.texts[std::string(kScale)] = number_text(info.preprocessing.scale);
  file.texts[std::string(kShift)] = number_text(info.preprocessing.shift);
  file.texts[std::string(kClasses)] = std::to_string(info.classes);
  file.texts[std::string(kChecksum)] = checksum_of(net, file.texts);
  for (const LayoutModule& module : layout_modules(net, layout)) {
    for (const LayoutTensor& tensor : module.tensors) {
      file.arrays.push_back({tensor.name, tensor.shape, to_layout(tensor)});
    }
  }
  write_weight_file(path, file);
}

bool describes_itself(const WeightFile& file) { return file.texts.contains(std::string(kLayout)); }

ImportedModel import_model(const std::string& path, const WeightFile& file,
                           const ModelDescription& description) {
  auto net = build<float>(description.input, description.architecture, most_parameters(file));
  const Shape& output = net.output_shape();
  if (output.rank() != 1) {
    throw std::invalid_argument("import_model: the architecture gives an output of shape " +
                                output.str() + ", not one number a class");
  }
  ModelInfo info{.preprocessing = description.preprocessing,
                 .classes = static_cast<std::int32_t>(output[0]),
                 .metadata = {}};
  const WeightLayout layout = description.layout.value_or(guess_layout(file.arrays));
  std::vector<WeightMatch> matches =
      match_weights(path, file.arrays, net, layout, description.modules);
  return {
      .model = {std::move(net), std::move(info)}, .layout = layout, .matches = std::move(matches)};
}

ImportedModel import_model(const std::string& path, const WeightFile& file) {
  const Texts texts(path, file);
  const std::optional<WeightLayout> layout = weight_layout(texts.text(kLayout));
  if (!layout) texts.fail(kLayout, "ours, torch or tutorial");
  const std::optional<Shape> input = parse_shape(texts.text(kInput));
  if (!input) texts.fail(kInput, "a shape such as 28x28x1");
  const ModelDescription description{
      .architecture = texts.text(kArchitecture),
      .input = *input,
      .preprocessing = {.scale = texts.number(kScale), .shift = texts.number(kShift)},
      .layout = layout,
      .modules = {}};
  ImportedModel imported = [&] {
    try {
      return import_model(path, file, description);
    } catch (const std::invalid_argument& error) {
      throw FileError(path, std::string(kArchitecture) + ": " + error.what());
    }
  }();
  if (texts.number(kClasses) != static_cast<double>(imported.model.info.classes)) {
    texts.fail(kClasses, std::to_string(imported.model.info.classes));
  }
  if (file.texts.contains(std::string(kChecksum)) &&
      texts.text(kChecksum) != checksum_of(imported.model.net, file.texts)) {
    throw FileError(path, std::string("weights and texts do not have the checksum in ") +
                              std::string(kChecksum) +
                              ": they are damaged, or were changed without leaving that out");
  }
  for (const auto& [key, value] : file.texts) {
    if (!key.starts_with(kReservedKeys)) {
      imported.model.info.metadata.emplace(key, value);
    } else if (std::find(std::begin(kKnownKeys), std::end(kKnownKeys), key) ==
               std::end(kKnownKeys)) {
      throw FileError(path, "unknown text " + printable(key));
    }
  }
  return imported;
}

}  // namespace nnkernels::nn
