// The values that weights start from.
#ifndef NNKERNELS_NN_INITIALIZE_H_
#define NNKERNELS_NN_INITIALIZE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "nn/sequential.h"

namespace nnkernels::nn {

/// How weights begin. All but fan_in and uniform are normally distributed with mean 0:
///
/// | kind     | standard deviation           | source                                            |
/// |----------|------------------------------|---------------------------------------------------|
/// | he       | sqrt(2 / fan_in)             | K. He et al., arXiv:1502.01852, for ReLU          |
/// | xavier   | sqrt(2 / (fan_in + fan_out)) | X. Glorot and Y. Bengio (2010), for tanh          |
/// | lecun    | sqrt(1 / fan_in)             | Y. LeCun et al., "Efficient BackProp" (1998)      |
/// | fan_out  | sqrt(1 / fan_out)            | T. Rashid, "Make Your Own Neural Network" (2016)  |
/// | fan_in   | even in [-s, s), s = sqrt(1 / fan_in) | PyTorch's default for weights            |
/// | gaussian | the scale that is given      |                                                   |
/// | uniform  | even in [-scale, scale)      |                                                   |
///
/// fan_in and fan_out are those of Parameter: for a convolution kh*kw*ic and kh*kw*oc.
enum class Initialization { he, xavier, lecun, fan_out, fan_in, gaussian, uniform };

/// Sets every parameter of `net`; those with fan_in 0 (biases) and buffers to their
/// Parameter::initial, Buffer::initial: zero, or one where they scale. Each weight is a pure
/// function of (seed, index of the parameter in net.parameters(), element), so the same seed gives
/// the same weights, and float weights are the rounded double ones. `scale` is used by gaussian and
/// uniform only; throws std::invalid_argument unless it is finite and not negative.
template <class T>
void initialize(Sequential<T>& net, Initialization kind, std::uint64_t seed, double scale = 0.01);

/// The initialization called "he", "xavier", "lecun", "fan-out", "fan-in", "gaussian" or "uniform";
/// throws std::invalid_argument, listing these, for any other name.
Initialization initialization_from_name(std::string_view name);

/// The names that initialization_from_name() knows.
std::vector<std::string> initialization_names();

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_INITIALIZE_H_
