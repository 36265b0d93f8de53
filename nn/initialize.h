// The values that weights start from.
#ifndef NNKERNELS_NN_INITIALIZE_H_
#define NNKERNELS_NN_INITIALIZE_H_

#include <cstdint>
#include <string_view>

#include "nn/sequential.h"

namespace nnkernels::nn {

/// Weights are normally distributed with mean 0 and this standard deviation:
///
/// | kind     | standard deviation               | source                                      |
/// |----------|----------------------------------|---------------------------------------------|
/// | he       | sqrt(2 / fan_in)                 | K. He et al., arXiv:1502.01852, for ReLU    |
/// | xavier   | sqrt(2 / (fan_in + fan_out))     | X. Glorot and Y. Bengio (2010), for tanh    |
/// | gaussian | the one that is given            |                                             |
///
/// fan_in and fan_out are those of Parameter: for a convolution kh*kw*ic and kh*kw*oc.
enum class Initialization { he, xavier, gaussian };

/// Sets every parameter of `net`; those with fan_in 0 (biases) and buffers to their
/// Parameter::initial, Buffer::initial: zero, or one where they scale. Each weight is a pure
/// function of (seed, index of the parameter in net.parameters(), element), so the same seed gives
/// the same weights, and float weights are the rounded double ones. `gaussian_std` is used by
/// gaussian only; throws std::invalid_argument unless it is finite and not negative.
template <class T>
void initialize(Sequential<T>& net, Initialization kind, std::uint64_t seed,
                double gaussian_std = 0.01);

/// The initialization called "he", "xavier" or "gaussian"; throws std::invalid_argument, listing
/// these, for any other name.
Initialization initialization_from_name(std::string_view name);

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_INITIALIZE_H_
