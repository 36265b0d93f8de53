// Random changes of training images, so that a network learns what does not matter.
#ifndef NNKERNELS_NN_AUGMENT_H_
#define NNKERNELS_NN_AUGMENT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "nn/tensor.h"

namespace nnkernels::nn {

/// The largest amount of any change.
inline constexpr double kMaxAugmentation = 1e6;

/// How far images may change; all zero changes nothing. Every image draws its own numbers.
struct Augmentation {
  double shift = 0;         // moved by up to so many pixels in each direction
  double rotate = 0;        // turned by up to so many degrees either way
  double scale = 0;         // 1 - scale to 1 + scale times as large; below 1
  double elastic = 0;       // bent: nodes 7 pixels apart move by up to so many pixels
  bool flip = false;        // mirrored left to right, every other image
  double noise = 0;         // standard deviation of what is added to each number
  std::int64_t cutout = 0;  // a square of that side, anywhere, becomes empty

  bool operator==(const Augmentation&) const = default;
};

/// Reads "shift 2, rotate 10, scale 0.1, elastic 2, flip, noise 0.05, cutout 8": any of these, in
/// any order, each once. Throws std::invalid_argument that names the word.
Augmentation augmentation_from_text(std::string_view text);

/// Changes batches of images [n][h][w][c].
///
/// shift, rotate, scale, flip and elastic are one map from each pixel back into the image, which is
/// read between its pixels (bilinear); what lies outside is `empty`. Elastic bends are cubic
/// B-splines over a grid of random moves (D. Rueckert et al., "Nonrigid registration using
/// free-form deformations", 1999; for digits the idea is P. Simard's, 2003). Cut-out is T. DeVries
/// and G. Taylor's (arXiv:1708.04552).
template <class T>
class Augmenter {
 public:
  /// For images of shape {h, w, c}. Throws std::invalid_argument unless all amounts are from 0 to
  /// kMaxAugmentation and scale is below 1.
  Augmenter(const Augmentation& options, const Shape& image, std::uint64_t seed, T empty);

  /// y = x, changed; both [n][h][w][c], and not the same memory. What is drawn depends on seed,
  /// step and the image's place in the batch alone. Parallel over images where it pays; allocates
  /// nothing.
  void apply(TensorView<const T> x, TensorView<T> y, std::uint64_t step) const;

 private:
  struct Spline {  // where a row or column lies among the nodes
    std::int64_t node = 0;
    T weights[4] = {};
  };
  struct Map;

  static std::vector<Spline> splines(std::int64_t pixels);
  Map draw_map(std::uint64_t step, std::uint64_t image) const;
  void change(const T* x, T* y, std::uint64_t step, std::uint64_t image) const;

  Augmentation options_;
  std::int64_t h_, w_, c_;
  std::uint64_t seed_;
  T empty_;
  std::vector<Spline> rows_, columns_;
};

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_AUGMENT_H_
