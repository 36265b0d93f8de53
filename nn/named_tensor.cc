#include "nn/named_tensor.h"

#include <cstddef>
#include <cstdint>

namespace nnkernels::nn {

template <class T>
std::vector<NamedTensor<T>> named_tensors(const Sequential<T>& net) {
  const std::vector<Parameter<T>*> parameters = net.parameters();
  const std::vector<Buffer<T>*> buffers = net.buffers();
  const std::vector<std::string> parameter_names = net.parameter_names();
  const std::vector<std::string> buffer_names = net.buffer_names();
  std::vector<NamedTensor<T>> tensors;
  tensors.reserve(parameters.size() + buffers.size());
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    tensors.push_back({parameter_names[i], &parameters[i]->value});
  }
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    tensors.push_back({buffer_names[i], &buffers[i]->value});
  }
  return tensors;
}

template std::vector<NamedTensor<float>> named_tensors(const Sequential<float>&);
template std::vector<NamedTensor<double>> named_tensors(const Sequential<double>&);

}  // namespace nnkernels::nn
