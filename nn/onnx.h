// Models for other runtimes: ONNX.
#ifndef NNKERNELS_NN_ONNX_H_
#define NNKERNELS_NN_ONNX_H_

#include <string>

#include "nn/model_file.h"

namespace nnkernels::nn {

/// What ONNX calls the graph's input and output.
inline constexpr const char* kOnnxInput = "input";
inline constexpr const char* kOnnxOutput = "output";

/// The bytes of a model file of IR version 7 and operator set 13 that computes what net.forward()
/// does in inference, in float32, for batches of any size n. The input is what the network sees
/// (pixels already scaled and shifted), [n, c, h, w] for samples of [h, w, c], ONNX's order, and
/// [n, features] for vectors. The output is [n, classes], logits unless the network ends in a
/// Softmax.
///
/// Conv2d becomes Conv, MaxPool2d MaxPool, AvgPool2d AveragePool, GlobalAvgPool2d GlobalAveragePool
/// and Flatten, Affine Gemm, BatchNorm BatchNormalization, activations and Softmax what they are.
/// Dropout is left out. Weights are moved to the order of channels first (layout torch of
/// nn/weight_layout.h), so that no Transpose is needed. Their names are those of torch, too. The
/// metadata_props hold info.metadata, "nnkernels.architecture", "nnkernels.scale" and
/// "nnkernels.shift".
///
/// Throws std::invalid_argument as layout_modules() does, for a layer that it does not know, for
/// samples that are neither images nor vectors, for weights that are not finite, for an empty
/// network, and for 2 GiB or more, which protocol buffers cannot hold.
///
/// Source: ONNX, onnx/onnx.proto and docs/Operators.md.
std::string onnx_model(const Sequential<float>& net, const ModelInfo& info);

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_ONNX_H_
