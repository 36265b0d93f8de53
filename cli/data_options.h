// Which data set, and what its files leave open.
#ifndef NNKERNELS_CLI_DATA_OPTIONS_H_
#define NNKERNELS_CLI_DATA_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "nn/data/csv.h"
#include "nn/data/dataset.h"

namespace nnkernels::cli {

/// The share of the images that becomes the test set where there is none and nothing else is said.
inline constexpr double kTestShare = 0.25;

struct DataOptions {
  std::string data;  // a path or a name (cli/dataset.h); empty: what the command does without
  nn::LabelColumn label = nn::LabelColumn::first;  // in CSV
  std::optional<nn::ImageShape> image;             // where files hold rows of numbers
  std::optional<double> test_share;                // empty: kTestShare
  std::uint64_t split_seed = 1;  // of the choice of that share; other seeds in older models alone
};

/// "28x28x1" or "28x28"; nothing for any other text.
std::optional<nn::ImageShape> parse_image_shape(std::string_view text);

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_DATA_OPTIONS_H_
