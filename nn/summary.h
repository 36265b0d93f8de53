// What a network consists of, in figures: shapes, parameters, work and memory, layer by layer.
#ifndef NNKERNELS_NN_SUMMARY_H_
#define NNKERNELS_NN_SUMMARY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "nn/sequential.h"

namespace nnkernels::nn {

/// One layer; work and memory are those of one sample.
struct LayerSummary {
  std::string description;         // Layer::description()
  Shape output;                    // of one sample
  std::int64_t parameters = 0;     // trainable numbers
  std::int64_t multiply_adds = 0;  // of a forward pass
  std::int64_t activation_bytes = 0;
};

/// A network: its layers, and their sums.
///
/// multiply_adds are those of the products with weights (convolution: oh ow kh kw ic/groups oc,
/// with those that meet the padding; affine: in out): 2 floating-point operations each. What costs
/// an operation or so a number (activations, pooling, biases) counts as 0.
///
/// activation_bytes are what the outputs of all layers take in type T: what a training step keeps
/// at most. A layer that only reshapes its input takes none. Sequential needs less where layers are
/// fused or work in place.
struct Summary {
  Shape input;
  std::vector<LayerSummary> layers;
  std::int64_t parameters = 0;
  std::int64_t parameter_bytes = 0;
  std::int64_t multiply_adds = 0;
  std::int64_t activation_bytes = 0;
};

template <class T>
Summary summarize(const Sequential<T>& net);

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_SUMMARY_H_
