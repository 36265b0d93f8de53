// Images in other sizes.
#ifndef NNKERNELS_NN_DATA_RESAMPLE_H_
#define NNKERNELS_NN_DATA_RESAMPLE_H_

#include <cstdint>
#include <vector>

#include "nn/data/image.h"

namespace nnkernels::nn {

/// A pixel of a line and its part in a pixel of the resampled line.
struct Tap {
  std::int64_t pixel;
  double weight;
};

/// The weights by which the pixels of a line of `from` make up the pixels of a line of `to`: area
/// averages when shrinking, linear interpolation when enlarging. Those of a pixel sum up to 1.
/// Throws std::invalid_argument unless both are at least 1.
std::vector<std::vector<Tap>> resampling(std::int64_t from, std::int64_t to);

/// `picture` scaled to h x w, whatever that does to its aspect, each direction by resampling();
/// rounded. Throws std::invalid_argument if the picture is empty or h or w is less than 1.
Picture resized(const Picture& picture, std::int64_t h, std::int64_t w);

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_DATA_RESAMPLE_H_
