#include "cli/report_images.h"

#include <gtest/gtest.h>

namespace nnkernels::cli {
namespace {

nn::Dataset bytes(std::vector<std::uint8_t> pixels, double full) {
  return {.n = 1, .h = 1, .w = 3, .c = 1, .pixels = std::move(pixels), .labels = {0}, .full = full};
}

nn::Dataset floats(std::vector<float> values) {
  return {.n = static_cast<std::int64_t>(values.size()) / 3,
          .h = 1,
          .w = 3,
          .c = 1,
          .pixels = {},
          .labels = {},
          .values = std::move(values),
          .full = 1};
}

TEST(SampleImage, ShowsFullLightAsWhite) {
  const std::string expected = sample_image(bytes({0, 128, 255}, 255), 0).address;
  EXPECT_EQ(sample_image(bytes({0, 8, 16}, 16), 0).address, expected);
  EXPECT_NE(sample_image(bytes({0, 8, 16}, 255), 0).address, expected);
}

TEST(SampleImage, ShowsFloatsFromTheirSmallestToTheirLargest) {
  const std::string expected = sample_image(bytes({0, 128, 255}, 255), 0).address;
  const nn::Dataset data = floats({5, 5, 5, -3, -1, 1});
  EXPECT_EQ(sample_image(data, 1).address, expected);
  EXPECT_EQ(sample_image(data, 0).address, sample_image(bytes({0, 0, 0}, 255), 0).address);
}

}  // namespace
}  // namespace nnkernels::cli
