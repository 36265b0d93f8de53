#include "nn/initialize.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "nn/random.h"

namespace nnkernels::nn {
namespace {

template <class T>
double standard_deviation(const Parameter<T>& parameter, Initialization kind, double gaussian_std) {
  if (parameter.fan_in == 0) return 0;
  const auto fan_in = static_cast<double>(parameter.fan_in);
  const auto fan_out = static_cast<double>(parameter.fan_out);
  switch (kind) {
    case Initialization::he:
      return std::sqrt(2 / fan_in);
    case Initialization::xavier:
      return std::sqrt(2 / (fan_in + fan_out));
    case Initialization::gaussian:
      break;
  }
  return gaussian_std;
}

}  // namespace

template <class T>
void initialize(Sequential<T>& net, Initialization kind, std::uint64_t seed, double gaussian_std) {
  if (!std::isfinite(gaussian_std) || gaussian_std < 0) {
    throw std::invalid_argument("initialize: gaussian_std must be finite and not negative, got " +
                                std::to_string(gaussian_std));
  }
  const Random random(seed, Purpose::weights);
  std::uint64_t index = 0;
  for (Parameter<T>* parameter : net.parameters()) {
    const double deviation = standard_deviation(*parameter, kind, gaussian_std);
    const auto rest = static_cast<T>(parameter->fan_in == 0 ? parameter->initial : 0);
    std::uint64_t element = 0;
    for (T& value : parameter->value) {
      value = deviation == 0 ? rest : static_cast<T>(deviation * random.gaussian(index, element));
      ++element;
    }
    ++index;
  }
  for (Buffer<T>* buffer : net.buffers()) {
    std::fill(buffer->value.begin(), buffer->value.end(), static_cast<T>(buffer->initial));
  }
}

Initialization initialization_from_name(std::string_view name) {
  if (name == "he") return Initialization::he;
  if (name == "xavier") return Initialization::xavier;
  if (name == "gaussian") return Initialization::gaussian;
  throw std::invalid_argument("initialization_from_name: expected he, xavier or gaussian, got \"" +
                              std::string(name) + "\"");
}

template void initialize(Sequential<float>&, Initialization, std::uint64_t, double);
template void initialize(Sequential<double>&, Initialization, std::uint64_t, double);

}  // namespace nnkernels::nn
