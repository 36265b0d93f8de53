// Networks as text: "conv 30 5x5, relu, maxpool 2, flatten, affine 100, relu, affine 10".
#ifndef NNKERNELS_NN_ARCHITECTURE_H_
#define NNKERNELS_NN_ARCHITECTURE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "nn/sequential.h"

namespace nnkernels::nn {

/// What build() accepts unless told otherwise: 2^33 parameters, 32 GiB of floats.
inline constexpr std::int64_t kMaxParameters = std::int64_t{1} << 33;

/// The most layers that a text may have, and the most bytes.
inline constexpr std::int64_t kMaxLayers = 1000;
inline constexpr std::size_t kMaxArchitectureText = std::size_t{64} << 10;

/// The largest input or output of a layer, in numbers a sample: 2^28, a GiB of floats.
inline constexpr std::int64_t kMaxActivation = std::int64_t{1} << 28;

/// Builds the network that `text` describes for samples of shape `input`. Weights are zero until
/// initialize(). Layers are separated by commas, words by spaces; case does not matter:
///
/// | text                                     | layer                                          |
/// |------------------------------------------|------------------------------------------------|
/// | conv OC KERNEL [stride S] [pad P] [dilation D] [groups G] [nobias] | Conv2d, OC channels out |
/// | maxpool KERNEL [stride S] [pad P]        | MaxPool2d; the stride is KERNEL if not given   |
/// | avgpool KERNEL [stride S] [pad P] [divisor inside or window] | AvgPool2d                  |
/// | relu, sigmoid, tanh, flatten             |                                                |
/// | affine OUT [nobias] (or dense, linear)   | Affine, OUT numbers out                        |
/// | globalavgpool                            | GlobalAvgPool2d                                |
/// | batchnorm [momentum M] [epsilon E]       | BatchNorm; 0.1 and 1e-5 if not given           |
/// | dropout [P]                              | Dropout with the probability P, 0.5 if not given |
/// | leakyrelu [SLOPE]                        | LeakyReLU; the slope is 0.01 if not given      |
/// | softmax                                  | Softmax                                        |
///
/// KERNEL, S, P and D are one number for both directions ("2") or height x width ("5x3"). Sizes in
/// are taken from the layer before.
///
/// Throws std::invalid_argument that names the layer by its number (from 1) and the word that is
/// wrong, and suggests the closest word that is known; also if a layer cannot take its input, or
/// if it would bring the number of parameters above `max_parameters` (before any of its memory is
/// allocated: texts may come from files that are not to be trusted), or another limit above is
/// passed.
template <class T>
Sequential<T> build(const Shape& input, std::string_view text,
                    std::int64_t max_parameters = kMaxParameters);

/// The text that build() makes `net` from, in its shortest form: "5x5" for the kernel of a
/// convolution, otherwise "2" rather than "2x2", and no option that has its default. Throws
/// std::invalid_argument for a layer that the text form does not know.
template <class T>
std::string architecture_of(const Sequential<T>& net);

/// The input of the built-in models: 28 x 28 pixels, one channel.
Shape model_input();

/// The text of a built-in model: "mlp" (784-128-64-10 with ReLU) or "cnn" (convolution, pooling
/// and two affine layers), both for model_input(). Throws std::invalid_argument, listing these,
/// for any other name.
std::string model_architecture(std::string_view model);

/// The names that model_architecture() knows.
std::vector<std::string> model_names();

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_ARCHITECTURE_H_
