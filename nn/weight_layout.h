// The weights of a network in the layouts of PyTorch and of numpy tutorials.
#ifndef NNKERNELS_NN_WEIGHT_LAYOUT_H_
#define NNKERNELS_NN_WEIGHT_LAYOUT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "nn/sequential.h"

namespace nnkernels::nn {

/// How the arrays of a file are named, and in which order their numbers stand. L is a layer's
/// place in the network from 0, K counts the layers Affine and Conv2d from 1:
///
/// | layout   | Affine                   | Conv2d                             | BatchNorm |
/// |----------|--------------------------|------------------------------------|----------------------|
/// | ours     | L.w [in][out], L.b       | L.w [kh][kw][ic/groups][oc], L.b   | L.gamma, L.beta,
/// L.running_mean, L.running_var | | torch    | L.weight [out][in], L.bias | L.weight
/// [oc][ic/groups][kh][kw], L.bias | L.weight, L.bias, L.running_mean, L.running_var | | tutorial |
/// wK [in][out], bK         | wK [oc][ic/groups][kh][kw], bK     | gammaK, betaK, running_meanK,
/// running_varK |
///
/// torch is the state_dict() of an nn.Sequential of the same layers (Flatten and activations
/// count). A BatchNorm of a tutorial has the K of the Affine or Conv2d before it.
///
/// Behind a Flatten of images [h][w][c], features are in the order (h, w, c) in ours, and (c, h, w)
/// in the other two: what an Affine or a BatchNorm there has for each feature is moved accordingly.
enum class WeightLayout { ours, torch, tutorial };

/// The layout of a name, "ours", "torch" or "tutorial"; none for any other.
std::optional<WeightLayout> weight_layout(std::string_view name);
std::string weight_layout_name(WeightLayout layout);

/// A parameter or buffer, and what stands for it in a file.
struct LayoutTensor {
  Tensor<float>* value = nullptr;   // of the network
  std::string own_name;             // of the network: "4.w"
  std::string name;                 // in the file
  std::vector<std::int64_t> shape;  // in the file
  /// `value` seen as an array of the dimensions dims; dimension d of the file's is axes[d] of
  /// these. (Some of the file's are products of several.)
  std::vector<std::int64_t> dims;
  std::vector<int> axes;
};

/// A layer that has tensors.
struct LayoutModule {
  std::int64_t layer = 0;
  std::string description;  // "Conv2d 1->30 5x5"
  std::vector<LayoutTensor> tensors;
};

/// The layers of `net` that have parameters, in order; it is borrowed. Throws std::invalid_argument
/// for a layer that is none of the three, unless the layout is ours, for two BatchNorms behind
/// one layer if it is tutorial, and, unless it is ours, for a Flatten of several channels without
/// an Affine behind it: the outputs themselves would be in another order.
std::vector<LayoutModule> layout_modules(const Sequential<float>& net, WeightLayout layout);

/// The numbers of tensor.value in the order of the file.
std::vector<float> to_layout(const LayoutTensor& tensor);

/// The other way: fills tensor.value. Throws std::invalid_argument unless there are as many numbers
/// as it has.
void from_layout(const LayoutTensor& tensor, const std::vector<float>& values);

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_WEIGHT_LAYOUT_H_
