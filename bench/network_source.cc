#include "bench/network_source.h"

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <vector>

#include "kernels/aligned_buffer.h"
#include "nn/architecture.h"
#include "nn/file_error.h"
#include "nn/initialize.h"
#include "nn/model_file.h"

namespace nnkernels::bench {
namespace {

namespace fs = std::filesystem;

constexpr const char* kBest = "best.safetensors";
constexpr const char* kLast = "last.safetensors";

bool is_path(const std::string& text) {
  std::error_code error;
  return fs::exists(text, error) || text.find('/') != std::string::npos ||
         text.find(".safetensors") != std::string::npos;
}

/// The file of a saved model: itself, or the one that nncli eval takes of a run.
std::string model_file(const fs::path& path) {
  std::error_code error;
  if (!fs::exists(path, error)) {
    throw nn::FileError(path.string(),
                        "no such model; give a folder that `nncli train` made, or "
                        "its last.safetensors");
  }
  if (!fs::is_directory(path, error)) return path.string();
  return (path / (fs::exists(path / kBest, error) ? kBest : kLast)).string();
}

std::string with_classes(std::string text) {
  constexpr std::string_view kWord = "classes";
  for (std::size_t at; (at = text.find(kWord)) != std::string::npos;) {
    text.replace(at, kWord.size(), "10");
  }
  return text;
}

void check_classifier(const nn::Sequential<float>& net) {
  const nn::Shape &x = net.input_shape(), &y = net.output_shape();
  if (x.rank() != 3) {
    throw std::invalid_argument("expected a network for images, got one for " + x.str());
  }
  if (y.rank() != 1) {
    throw std::invalid_argument(
        "expected a network that ends in a vector of classes, got an output of " + y.str() +
        "; append \"flatten, affine 10\"");
  }
}

}  // namespace

nn::Sequential<float> NetworkSource::make() const {
  if (!file.empty()) return nn::load_model(file).net;
  nn::Sequential<float> net = nn::build<float>(input, architecture);
  nn::initialize(net, nn::Initialization::he, 1);
  return net;
}

NetworkSource network_source(const std::string& text) {
  const std::vector<std::string> known = nn::model_names();
  NetworkSource source{.name = text, .architecture = "", .input = nn::model_input(), .file = ""};
  if (std::find(known.begin(), known.end(), text) != known.end()) {
    source.architecture = nn::model_architecture(text);
  } else if (is_path(text)) {
    source.file = model_file(text);
    const nn::Sequential<float> net = source.make();
    source.architecture = nn::architecture_of(net);
    source.input = net.input_shape();
  } else {
    source.architecture = with_classes(text);
  }
  check_classifier(source.make());
  return source;
}

std::vector<std::string> with_model_flag(std::vector<std::string> words) {
  if (!words.empty() && !words[0].starts_with("-")) words.insert(words.begin(), "--model");
  return words;
}

nn::Dataset random_images(std::int64_t count, std::int64_t at_least,
                          const nn::Sequential<float>& net) {
  constexpr std::int64_t kMostBytes = 256 << 20;
  const nn::Shape image = net.input_shape();
  nn::Dataset data;
  data.n = std::max(at_least, std::min(count, kMostBytes / image.size()));
  data.h = image[0];
  data.w = image[1];
  data.c = image[2];
  data.classes = static_cast<std::int32_t>(net.output_shape()[-1]);
  const auto size = static_cast<std::size_t>(data.n * image.size());
  data.pixels.reserve(size);
  use_huge_pages(data.pixels.data(), size);  // as data sets that were read
  data.pixels.resize(size);
  for (std::size_t i = 0; i < data.pixels.size(); ++i) {
    data.pixels[i] = static_cast<std::uint8_t>(i * i >> 8);
  }
  for (std::int64_t i = 0; i < data.n; ++i) {
    data.labels.push_back(static_cast<std::int32_t>(i % data.classes));
  }
  return data;
}

}  // namespace nnkernels::bench
