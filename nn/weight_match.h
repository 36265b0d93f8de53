// Weights of a network from the arrays of a file that was made elsewhere.
#ifndef NNKERNELS_NN_WEIGHT_MATCH_H_
#define NNKERNELS_NN_WEIGHT_MATCH_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "nn/sequential.h"
#include "nn/weight_file.h"
#include "nn/weight_layout.h"

namespace nnkernels::nn {

/// Which array a tensor of the network was taken from.
struct WeightMatch {
  std::string tensor;               // "4.w"
  std::string array;                // "fc1.weight"
  std::vector<std::int64_t> shape;  // of the array
};

/// The layout that the names of arrays speak of: tutorial if there is a w1, torch if one ends in
/// "weight", otherwise ours. A W counts as a w.
WeightLayout guess_layout(std::span<const WeightArray> arrays);

/// Fills all parameters and buffers of `net` from arrays in that layout; the matches are in the
/// network's order. `path` is for messages.
///
/// In the layouts ours and tutorial, names decide (W1 stands for w1; a bias may be of shape [1,
/// n]). In torch, whose names are free ("conv1.weight", "net.4.bias"), arrays with the same words
/// before the last dot make up a module, and modules are given to layers
///
/// - in the order of `modules`, if that is not empty;
/// - otherwise by their numbers, if nothing but a number tells them apart ("0", "3"; "net.0"...);
/// - otherwise by the shapes of their arrays. Where several modules are alike, they are taken in
///   their order in the file, which must then be the order of their names as well (numbers counting
///   as numbers): files sort by name, and a guess could be wrong without anyone noticing.
///
/// Throws FileError, naming array, layer, the shape expected and the one found, if an array is
/// missing, does not fit or is left over, or if the order of modules is not certain;
/// std::invalid_argument as layout_modules() does, and for `modules` in another layout than torch.
/// `net` is then as it was.
std::vector<WeightMatch> match_weights(const std::string& path, std::span<const WeightArray> arrays,
                                       const Sequential<float>& net, WeightLayout layout,
                                       std::span<const std::string> modules = {});

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_WEIGHT_MATCH_H_
