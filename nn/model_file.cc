#include "nn/model_file.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "nn/architecture.h"
#include "nn/data/file.h"
#include "nn/data/safetensors.h"
#include "nn/data/sha256.h"
#include "nn/file_error.h"
#include "nn/number_text.h"

namespace nnkernels::nn {
namespace {

// Highway supports no other; weights go to and from files as they lie in memory.
static_assert(std::endian::native == std::endian::little);

constexpr std::string_view kReserved = "nnkernels.";
constexpr std::string_view kFormat = "nnkernels.format";
constexpr std::string_view kArchitecture = "nnkernels.architecture";
constexpr std::string_view kInput = "nnkernels.input";
constexpr std::string_view kScale = "nnkernels.scale";
constexpr std::string_view kShift = "nnkernels.shift";
constexpr std::string_view kClasses = "nnkernels.classes";
constexpr std::string_view kChecksum = "nnkernels.checksum";
constexpr std::string_view kThisFormat = "model 1";
constexpr std::size_t kChecksumDigits = 64;

std::span<const std::uint8_t> bytes_of(const Tensor<float>& tensor) {
  return {reinterpret_cast<const std::uint8_t*>(tensor.data()),
          static_cast<std::size_t>(tensor.size()) * sizeof(float)};
}

std::int64_t first_not_finite(const Tensor<float>& tensor) {
  const auto* const found =
      std::find_if(tensor.begin(), tensor.end(), [](float value) { return !std::isfinite(value); });
  return found == tensor.end() ? -1 : found - tensor.begin();
}

/// What a model file holds of a network: its parameters, then its buffers.
struct NamedTensor {
  std::string name;
  Tensor<float>* value;
};

std::vector<NamedTensor> tensors_of(const Sequential<float>& net) {
  const std::vector<Parameter<float>*> parameters = net.parameters();
  const std::vector<Buffer<float>*> buffers = net.buffers();
  const std::vector<std::string> parameter_names = net.parameter_names();
  const std::vector<std::string> buffer_names = net.buffer_names();
  std::vector<NamedTensor> tensors;
  tensors.reserve(parameters.size() + buffers.size());
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    tensors.push_back({parameter_names[i], &parameters[i]->value});
  }
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    tensors.push_back({buffer_names[i], &buffers[i]->value});
  }
  return tensors;
}

template <class Number>
bool parse_number(std::string_view text, Number& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

/// "28x28x1"
std::string shape_text(const Shape& shape) {
  std::string text;
  for (int i = 0; i < shape.rank(); ++i) {
    text += (i == 0 ? "" : "x") + std::to_string(shape[i]);
  }
  return text;
}

std::vector<std::int64_t> dims_of(const Shape& shape) {
  std::vector<std::int64_t> dims;
  dims.reserve(static_cast<std::size_t>(shape.rank()));
  for (int i = 0; i < shape.rank(); ++i) dims.push_back(shape[i]);
  return dims;
}

/// As Shape::str() writes it, but of any rank: "[2, 3]".
std::string dims_text(const std::vector<std::int64_t>& dims) {
  std::string text;
  for (const std::int64_t dim : dims) text += (text.empty() ? "" : ", ") + std::to_string(dim);
  return "[" + text + "]";
}

/// The place of the checksum's digits in a file. The key with its quotes and colon can occur
/// nowhere else: within a string the quotes would be escaped, and the key is known to occur once.
std::size_t checksum_place(std::string_view file) {
  const std::string start = '"' + std::string(kChecksum) + "\":\"";
  const std::size_t place = file.find(start);
  return place == std::string_view::npos ? place : place + start.size();
}

/// Of `file`, with zeros in the place of its checksum.
std::string checksum_of(std::span<const std::uint8_t> file, std::size_t place) {
  const std::string zeros(kChecksumDigits, '0');
  Sha256 hash;
  hash.update(file.first(place));
  hash.update({reinterpret_cast<const std::uint8_t*>(zeros.data()), zeros.size()});
  hash.update(file.subspan(place + kChecksumDigits));
  return hash.hex();
}

void check_saveable(const Sequential<float>& net, const ModelInfo& info) {
  if (net.output_shape() != Shape{info.classes}) {
    throw std::invalid_argument("save_model: info.classes is " + std::to_string(info.classes) +
                                ", but the net's output has shape " + net.output_shape().str());
  }
  if (!std::isfinite(info.preprocessing.scale) || !std::isfinite(info.preprocessing.shift)) {
    throw std::invalid_argument("save_model: info.preprocessing is not finite");
  }
  for (const auto& [key, value] : info.metadata) {
    if (key.starts_with(kReserved)) {
      throw std::invalid_argument("save_model: the metadata key " + printable(key) +
                                  " begins with the reserved \"nnkernels.\"");
    }
  }
  for (const auto& [name, value] : tensors_of(net)) {
    const std::int64_t place = first_not_finite(*value);
    if (place >= 0) {
      throw std::invalid_argument("save_model: element " + std::to_string(place) + " of " + name +
                                  " is not finite");
    }
  }
}

/// A model file that is being read: its bytes and the messages about them.
class ModelReader {
 public:
  ModelReader(const std::string& path, std::span<const std::uint8_t> file)
      : path_(path), file_(file), header_(parse_safetensors(path, file_)) {}

  Model read() {
    check_format();
    check_checksum();
    ModelInfo info;
    info.preprocessing = {number<double>(kScale), number<double>(kShift)};
    info.classes = number<std::int32_t>(kClasses);
    if (info.classes < 1) fail(std::string(kClasses) + ": expected at least 1");
    for (const auto& [key, value] : header_.metadata) {
      if (!key.starts_with(kReserved)) info.metadata.emplace(key, value);
    }
    Sequential<float> net = build_net();
    if (net.output_shape() != Shape{info.classes}) {
      fail("the architecture gives an output of shape " + net.output_shape().str() + ", not " +
           std::to_string(info.classes) + " classes");
    }
    read_weights(net);
    return {std::move(net), std::move(info)};
  }

 private:
  /// Of the header as a whole.
  [[noreturn]] void fail(const std::string& problem) const { throw FileError(path_, 8, problem); }

  const std::string& metadata(std::string_view key) const {
    const auto found = header_.metadata.find(std::string(key));
    if (found == header_.metadata.end()) {
      fail("the header has no " + printable(key) +
           ": not a model that nnkernels saved, or damaged");
    }
    return found->second;
  }

  template <class Number>
  Number number(std::string_view key) const {
    Number value;
    if (!parse_number(metadata(key), value) || !std::isfinite(static_cast<double>(value))) {
      fail(std::string(key) + ": expected a number, found " + printable(metadata(key)));
    }
    return value;
  }

  void check_format() const {
    if (metadata(kFormat) != kThisFormat) {
      fail("expected the format " + printable(kThisFormat) + ", found " +
           printable(metadata(kFormat)) + "; a newer version of nnkernels may have written it");
    }
  }

  void check_checksum() const {
    const std::string& expected = metadata(kChecksum);
    const std::string_view text(reinterpret_cast<const char*>(file_.data()),
                                static_cast<std::size_t>(header_.data_start));
    const std::size_t place = checksum_place(text);
    if (expected.size() != kChecksumDigits || place == std::string_view::npos ||
        text.substr(place, kChecksumDigits) != expected) {
      fail(std::string(kChecksum) + ": expected 64 hexadecimal digits, found " +
           printable(expected));
    }
    if (checksum_of(file_, place) != expected) {
      throw FileError(path_,
                      "the file is damaged: its content does not have the checksum in its "
                      "header");
    }
  }

  Shape input_shape() const {
    const std::string& text = metadata(kInput);
    std::vector<std::int64_t> dims;
    for (std::size_t at = 0; at <= text.size();) {
      const std::size_t end = std::min(text.find('x', at), text.size());
      std::int64_t dim = 0;
      if (dims.size() == Shape::kMaxRank ||
          !parse_number(std::string_view(text).substr(at, end - at), dim) || dim < 1) {
        fail(std::string(kInput) + ": expected a shape such as 28x28x1, found " + printable(text));
      }
      dims.push_back(dim);
      at = end + 1;
    }
    return Shape::of(dims.data(), static_cast<int>(dims.size()));
  }

  Sequential<float> build_net() const {
    try {
      // An architecture larger than the file's weights must not take memory first.
      const auto data_bytes = static_cast<std::int64_t>(file_.size()) - header_.data_start;
      return build<float>(input_shape(), metadata(kArchitecture),
                          data_bytes / static_cast<std::int64_t>(sizeof(float)));
    } catch (const std::invalid_argument& error) {
      fail("its architecture cannot be built: " + std::string(error.what()));
    }
  }

  void read_weights(const Sequential<float>& net) const {
    const std::vector<NamedTensor> tensors = tensors_of(net);
    if (tensors.size() != header_.tensors.size()) {
      fail("expected " + std::to_string(tensors.size()) +
           " tensors, as the architecture has, found " + std::to_string(header_.tensors.size()));
    }
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      const SafetensorsEntry& entry = header_.tensors[i];
      const std::string& name = tensors[i].name;
      Tensor<float>& value = *tensors[i].value;
      if (entry.name != name || entry.dtype != "F32" || entry.shape != dims_of(value.shape())) {
        fail("expected tensor " + printable(name) + " of F32 and shape " + value.shape().str() +
             ", found " + printable(entry.name) + " of " + entry.dtype + " and shape " +
             dims_text(entry.shape));
      }
      const std::int64_t begin = header_.data_start + entry.begin;
      std::memcpy(value.data(), file_.data() + begin,
                  static_cast<std::size_t>(entry.end - entry.begin));
      const std::int64_t place = first_not_finite(value);
      if (place >= 0) {
        throw FileError(path_, begin + place * static_cast<std::int64_t>(sizeof(float)),
                        "expected a finite weight, found " + std::to_string(value[place]) +
                            " in tensor " + name);
      }
    }
  }

  const std::string& path_;
  std::span<const std::uint8_t> file_;
  SafetensorsHeader header_;
};

}  // namespace

void save_model(const std::string& path, const Sequential<float>& net, const ModelInfo& info) {
  check_saveable(net, info);
  std::map<std::string, std::string> metadata = info.metadata;
  const auto set = [&](std::string_view key, std::string value) {
    metadata.emplace(std::string(key), std::move(value));
  };
  set(kFormat, std::string(kThisFormat));
  set(kArchitecture, architecture_of(net));
  set(kInput, shape_text(net.input_shape()));
  set(kScale, number_text(info.preprocessing.scale));
  set(kShift, number_text(info.preprocessing.shift));
  set(kClasses, std::to_string(info.classes));
  set(kChecksum, std::string(kChecksumDigits, '0'));

  const std::vector<NamedTensor> tensors = tensors_of(net);
  std::vector<SafetensorsEntry> entries;
  entries.reserve(tensors.size());
  std::int64_t end = 0;
  for (const auto& [name, value] : tensors) {
    const std::int64_t begin = end;
    end += static_cast<std::int64_t>(bytes_of(*value).size());
    entries.push_back({name, "F32", dims_of(value->shape()), begin, end});
  }
  const std::string header = safetensors_header(metadata, entries);
  std::vector<std::uint8_t> file(header.begin(), header.end());
  file.reserve(header.size() + static_cast<std::size_t>(end));
  for (const auto& [name, value] : tensors) {
    const auto bytes = bytes_of(*value);
    file.insert(file.end(), bytes.begin(), bytes.end());
  }
  const std::size_t place = checksum_place(header);
  const std::string checksum = checksum_of(file, place);
  std::copy(checksum.begin(), checksum.end(), file.begin() + static_cast<std::ptrdiff_t>(place));
  write_file_atomically(path, file);
}

Model load_model(const std::string& path) {
  return parse_model(path, read_file(path, kMaxModelFile));
}

Model parse_model(const std::string& path, std::span<const std::uint8_t> bytes) {
  return ModelReader(path, bytes).read();
}

std::string weights_sha256(const Sequential<float>& net) {
  Sha256 hash;
  for (const auto& [name, value] : tensors_of(net)) hash.update(bytes_of(*value));
  return hash.hex();
}

}  // namespace nnkernels::nn
