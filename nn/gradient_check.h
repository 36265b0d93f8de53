// The numerical gradient check: do the backward passes compute the derivative of the forward pass?
#ifndef NNKERNELS_NN_GRADIENT_CHECK_H_
#define NNKERNELS_NN_GRADIENT_CHECK_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "nn/sequential.h"

namespace nnkernels::nn {

/// Returns L(y) and, unless dy is empty, sets dy = dL/dy.
using CheckedLoss = std::function<double(TensorView<const double> y, TensorView<double> dy)>;

struct GradientCheckOptions {
  double h = 1e-5;
  /// At most this many elements of each tensor, drawn by `seed` without repetition; 0 means all.
  std::int64_t max_elements = 0;
  std::uint64_t seed = 1;
};

/// What the check found for one tensor: a parameter ("0.w") or the input ("x").
struct GradientCheckResult {
  std::string name;
  /// max |analytic - numeric| / max(max |analytic|, max |numeric|, 1e-8), all maxima over the
  /// elements of this tensor that were checked: the scale is the tensor's own, so that small
  /// gradients are checked as sharply as large ones; 1e-8 only keeps 0 / 0 away. It is NaN if a
  /// gradient is not finite or no element could be checked. 1e-7 and less is right; a wrong formula
  /// gives 1e-3 and more.
  double scaled_error = 0;
  std::int64_t checked = 0;      // elements compared
  std::int64_t skipped = 0;      // elements left out because a kink was near (below)
  std::int64_t worst_index = 0;  // where |analytic - numeric| is largest
  double analytic = 0;           // the two gradients there
  double numeric = 0;
};

/// Compares the gradients of Sequential::backward() with the central differences
/// (L(p + h) - L(p - h)) / 2h, for every parameter of `net` and for the input x, of [n, input...].
///
/// Forward passes are those of training, all of one step: Dropout drops the same elements in each.
///
/// ReLU, LeakyReLU and max pooling have kinks, where no derivative exists and the difference means
/// nothing. An element is therefore skipped, and another drawn in its place where there is one, if
/// in [p - h, p
/// + h] a kink is crossed: if a ReLU's y changes between zero and not zero, or a max pool's winner
/// changes. The two ends of the interval are compared for it, in every ReLU, LeakyReLU and
/// MaxPool2d of the net; kinks of other layers are not known here.
///
/// The net's gradients and activations are overwritten, its parameters and buffers restored. Slow:
/// two forward passes an element. Throws std::invalid_argument if a shape does not fit or h is not
/// positive.
std::vector<GradientCheckResult> check_gradients(Sequential<double>& net,
                                                 TensorView<const double> x,
                                                 const CheckedLoss& loss,
                                                 const GradientCheckOptions& options = {});

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_GRADIENT_CHECK_H_
