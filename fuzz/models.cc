// Safetensors and model files.
#include <algorithm>
#include <cmath>
#include <string>

#include "fuzz/targets.h"
#include "nn/architecture.h"
#include "nn/data/safetensors.h"
#include "nn/data/sha256.h"
#include "nn/model_file.h"

namespace nnkernels::fuzz {
namespace {

bool same(const nn::SafetensorsEntry& a, const nn::SafetensorsEntry& b) {
  return a.name == b.name && a.dtype == b.dtype && a.shape == b.shape && a.begin == b.begin &&
         a.end == b.end;
}

/// `file` with the checksum that it should have, which a fuzzer could not guess; as it is, if there
/// is no place for one.
std::string with_checksum(std::string_view file) {
  std::string result(file);
  const std::string key = "\"nnkernels.checksum\":\"";
  const std::size_t place = result.find(key);
  if (place == std::string::npos || result.size() - place < key.size() + 64) return result;
  result.replace(place + key.size(), 64, 64, '0');
  result.replace(place + key.size(), 64, nn::sha256(bytes_of(result)));
  return result;
}

}  // namespace

void run_safetensors(Bytes bytes) {
  nn::SafetensorsHeader header;
  if (!accepted([&] { header = nn::parse_safetensors(kPath, bytes); })) return;
  std::string file = nn::safetensors_header(header.metadata, header.tensors);
  file += text_of(bytes.subspan(static_cast<std::size_t>(header.data_start)));
  const nn::SafetensorsHeader again = nn::parse_safetensors(kPath, bytes_of(file));
  require(again.metadata == header.metadata, "metadata read back");
  const auto less = [](const nn::SafetensorsEntry& a, const nn::SafetensorsEntry& b) {
    return a.name < b.name;
  };
  std::vector<nn::SafetensorsEntry> a = header.tensors;
  std::vector<nn::SafetensorsEntry> b = again.tensors;
  std::sort(a.begin(), a.end(), less);
  std::sort(b.begin(), b.end(), less);
  require(std::equal(a.begin(), a.end(), b.begin(), b.end(), same), "tensors read back");
}

void run_model(Bytes bytes) {
  const std::string file = with_checksum(text_of(bytes));
  accepted([&] {
    const nn::Model model = nn::parse_model(kPath, bytes_of(file));
    const std::string text = nn::architecture_of(model.net);
    const nn::Shape& input = model.net.input_shape();
    require(nn::architecture_of(nn::build<float>(input, text)) == text, "an architecture is text");
    require(model.net.output_shape() == nn::Shape{model.info.classes},
            "as many outputs as classes");
    for (const nn::Parameter<float>* parameter : model.net.parameters()) {
      require(std::all_of(parameter->value.begin(), parameter->value.end(),
                          [](float value) { return std::isfinite(value); }),
              "finite weights");
    }
  });
}

}  // namespace nnkernels::fuzz
