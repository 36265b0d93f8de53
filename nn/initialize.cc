#include "nn/initialize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>

#include "nn/random.h"

namespace nnkernels::nn {
namespace {

constexpr std::array<std::pair<std::string_view, Initialization>, 7> kNames = {{
    {"he", Initialization::he},
    {"xavier", Initialization::xavier},
    {"lecun", Initialization::lecun},
    {"fan-out", Initialization::fan_out},
    {"fan-in", Initialization::fan_in},
    {"gaussian", Initialization::gaussian},
    {"uniform", Initialization::uniform},
}};

/// What random numbers of mean 0 and width 1 are multiplied by.
template <class T>
double width(const Parameter<T>& parameter, Initialization kind, double scale) {
  if (parameter.fan_in == 0) return 0;
  const auto fan_in = static_cast<double>(parameter.fan_in);
  const auto fan_out = static_cast<double>(parameter.fan_out);
  switch (kind) {
    case Initialization::he:
      return std::sqrt(2 / fan_in);
    case Initialization::xavier:
      return std::sqrt(2 / (fan_in + fan_out));
    case Initialization::lecun:
    case Initialization::fan_in:
      return std::sqrt(1 / fan_in);
    case Initialization::fan_out:
      return std::sqrt(1 / fan_out);
    case Initialization::gaussian:
    case Initialization::uniform:
      break;
  }
  return scale;
}

}  // namespace

template <class T>
void initialize(Sequential<T>& net, Initialization kind, std::uint64_t seed, double scale) {
  if (!std::isfinite(scale) || scale < 0) {
    throw std::invalid_argument("initialize: scale must be finite and not negative, got " +
                                std::to_string(scale));
  }
  const Random random(seed, Purpose::weights);
  const bool even = kind == Initialization::uniform || kind == Initialization::fan_in;
  std::uint64_t index = 0;
  for (Parameter<T>* parameter : net.parameters()) {
    const double factor = width(*parameter, kind, scale);
    const auto rest = static_cast<T>(parameter->fan_in == 0 ? parameter->initial : 0);
    std::uint64_t element = 0;
    for (T& value : parameter->value) {
      const auto draw = [&] {
        return even ? 2 * random.uniform(index, element) - 1 : random.gaussian(index, element);
      };
      value = factor == 0 ? rest : static_cast<T>(factor * draw());
      ++element;
    }
    ++index;
  }
  for (Buffer<T>* buffer : net.buffers()) {
    std::fill(buffer->value.begin(), buffer->value.end(), static_cast<T>(buffer->initial));
  }
}

Initialization initialization_from_name(std::string_view name) {
  std::string known;
  for (const auto& [word, kind] : kNames) {
    if (word == name) return kind;
    known += (known.empty() ? "" : ", ") + std::string(word);
  }
  throw std::invalid_argument("initialization_from_name: expected one of " + known + ", got \"" +
                              std::string(name) + "\"");
}

std::vector<std::string> initialization_names() {
  std::vector<std::string> names;
  names.reserve(kNames.size());
  for (const auto& [word, kind] : kNames) names.emplace_back(word);
  return names;
}

template void initialize(Sequential<float>&, Initialization, std::uint64_t, double);
template void initialize(Sequential<double>&, Initialization, std::uint64_t, double);

}  // namespace nnkernels::nn
