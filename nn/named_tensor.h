// Tensors with the names that they have in files.
#ifndef NNKERNELS_NN_NAMED_TENSOR_H_
#define NNKERNELS_NN_NAMED_TENSOR_H_

#include <string>
#include <vector>

#include "nn/sequential.h"

namespace nnkernels::nn {

/// A borrowed tensor.
template <class T>
struct NamedTensor {
  std::string name;
  Tensor<T>* value = nullptr;
};

/// All that a network has learnt: its parameters, then its buffers, each in layer order, under the
/// names of Sequential::parameter_names() and buffer_names().
template <class T>
std::vector<NamedTensor<T>> named_tensors(const Sequential<T>& net);

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_NAMED_TENSOR_H_
