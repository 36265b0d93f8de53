#include "nn/summary.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "nn/architecture.h"

namespace nnkernels::nn {
namespace {

TEST(Summary, CountsTheCnn) {
  const Summary summary = summarize(build<float>(
      {28, 28, 1}, "conv 30 5x5, relu, maxpool 2, flatten, affine 100, relu, affine 10"));
  ASSERT_EQ(summary.layers.size(), 7u);
  const LayerSummary& conv = summary.layers[0];
  EXPECT_EQ(conv.output, (Shape{24, 24, 30}));
  EXPECT_EQ(conv.parameters, 25 * 30 + 30);
  EXPECT_EQ(conv.multiply_adds, 24 * 24 * 25 * 30);
  EXPECT_EQ(conv.activation_bytes, 24 * 24 * 30 * 4);
  EXPECT_NE(conv.description.find("Conv2d"), std::string::npos);
  EXPECT_EQ(summary.layers[2].output, (Shape{12, 12, 30}));
  EXPECT_EQ(summary.layers[2].multiply_adds, 0);
  EXPECT_EQ(summary.layers[3].activation_bytes, 0);  // Flatten moves nothing
  EXPECT_EQ(summary.layers[4].parameters, 4320 * 100 + 100);
  EXPECT_EQ(summary.layers[4].multiply_adds, 432000);
  EXPECT_EQ(summary.parameters, 433890);
  EXPECT_EQ(summary.parameter_bytes, 4 * 433890);
  EXPECT_EQ(summary.multiply_adds, 432000 + 432000 + 1000);
  EXPECT_EQ(summary.activation_bytes, 4 * (2 * 17280 + 4320 + 2 * 100 + 10));
}

TEST(Summary, CountsGroupsStridesAndDoubles) {
  const Summary summary =
      summarize(build<double>({8, 8, 4}, "conv 8 3x3 stride 2 pad 1 groups 4, relu"));
  EXPECT_EQ(summary.layers[0].output, (Shape{4, 4, 8}));
  EXPECT_EQ(summary.layers[0].multiply_adds, 4 * 4 * 9 * 1 * 8);
  EXPECT_EQ(summary.layers[1].activation_bytes, 4 * 4 * 8 * 8);
}

TEST(Summary, DescribesLayersByWhatIsNotTheDefault) {
  const std::vector<std::pair<std::string, std::string>> layers = {
      {"conv 4 3", "Conv2d 6->4 3x3"},
      {"conv 4 3x5 stride 2x1 pad 1x2 dilation 1x2 groups 2",
       "Conv2d 6->4 3x5 stride 2x1 pad 1x2 dilation 1x2 groups 2"},
      {"conv 4 3 stride 1x2", "Conv2d 6->4 3x3 stride 1x2"},
      {"conv 4 3 pad 0x1", "Conv2d 6->4 3x3 pad 0x1"},
      {"conv 4 3 dilation 2x1", "Conv2d 6->4 3x3 dilation 2x1"},
      {"maxpool 2", "MaxPool2d 2x2"},
      {"maxpool 3x5 stride 1x2 pad 1x2", "MaxPool2d 3x5 stride 1x2 pad 1x2"},
      {"maxpool 3 stride 3x1", "MaxPool2d 3x3 stride 3x1"},
      {"maxpool 2 pad 0x1", "MaxPool2d 2x2 pad 0x1"},
      {"avgpool 2 pad 1x0", "AvgPool2d 2x2 pad 1x0"},
      {"avgpool 2 divisor window", "AvgPool2d 2x2 divisor window"},
      {"dropout 0.25", "Dropout 0.25"},
      {"leakyrelu 0.2", "LeakyReLU 0.2"},
      {"batchnorm", "BatchNorm 6"},
  };
  for (const auto& [text, description] : layers) {
    const Summary summary = summarize(build<float>({12, 14, 6}, text));
    ASSERT_EQ(summary.layers.size(), 1u) << text;
    EXPECT_EQ(summary.layers[0].description, description) << text;
  }
}

TEST(Summary, OfNoLayersIsEmpty) {
  const Summary summary = summarize(Sequential<float>(Shape{5}));
  EXPECT_TRUE(summary.layers.empty());
  EXPECT_EQ(summary.input, (Shape{5}));
  EXPECT_EQ(summary.parameters + summary.multiply_adds + summary.activation_bytes, 0);
}

}  // namespace
}  // namespace nnkernels::nn
