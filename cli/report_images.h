// Images of samples and of first-layer weights, for the page of cli/report.h.
#ifndef NNKERNELS_CLI_REPORT_IMAGES_H_
#define NNKERNELS_CLI_REPORT_IMAGES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "nn/data/dataset.h"
#include "nn/sequential.h"

namespace nnkernels::cli {

/// An image as the address of itself ("data:image/png;base64,...").
struct PageImage {
  std::string address;
  std::int64_t w = 0;
  std::int64_t h = 0;
};

/// Sample i: in colours if it has three channels or more (the first three), else its first one.
/// Bytes go from 0 to data.full, floats from the smallest to the largest in the image.
PageImage sample_image(const nn::Dataset& data, std::int64_t i);

/// The weights by which the first layer looks at the image. Empty unless that layer is a Conv2d, or
/// an Affine behind nothing that has parameters or changes how many numbers there are.
struct FilterImages {
  std::string layer;               // its description
  std::int64_t total = 0;          // how many filters there are
  std::vector<PageImage> filters;  // the first 64 of them
};

/// A filter for images of three channels is shown in colours, grey being zero. Otherwise red is
/// above and blue below zero, and the channels, up to 8, lie side by side. Each filter is scaled by
/// its own largest weight.
FilterImages filter_images(const nn::Sequential<float>& net);

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_REPORT_IMAGES_H_
