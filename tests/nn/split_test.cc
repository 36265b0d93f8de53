#include "nn/data/split.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>

namespace nnkernels::nn {
namespace {

/// Sample i has the label i % 3, or 0 for every other one, and the pixel i.
Dataset numbered(std::int64_t n) {
  Dataset data{
      .name = "n", .n = n, .h = 1, .w = 1, .c = 1, .pixels = {}, .labels = {}, .classes = 3};
  for (std::int64_t i = 0; i < n; ++i) {
    data.pixels.push_back(static_cast<std::uint8_t>(i));
    data.labels.push_back(i % 2 == 0 ? 0 : static_cast<std::int32_t>(i % 3));
  }
  return data;
}

TEST(Split, KeepsEverySampleOnceInOrderAndEachClassInProportion) {
  const Dataset data = numbered(200);
  const auto [first, second] = split(data, 0.25, 7);
  EXPECT_EQ(first.n, 150);
  EXPECT_EQ(second.n, 50);
  std::vector<std::uint8_t> all = first.pixels;
  all.insert(all.end(), second.pixels.begin(), second.pixels.end());
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all, data.pixels);
  for (const Dataset& part : {first, second}) {
    EXPECT_TRUE(std::is_sorted(part.pixels.begin(), part.pixels.end()));
    EXPECT_EQ(part.classes, 3);
    for (std::size_t i = 0; i < part.labels.size(); ++i) {
      EXPECT_EQ(part.labels[i], data.labels[part.pixels[i]]);
    }
  }
  for (std::int32_t label = 0; label < 3; ++label) {
    const auto count = [label](const Dataset& set) {
      return static_cast<double>(std::count(set.labels.begin(), set.labels.end(), label));
    };
    EXPECT_NEAR(count(second), 0.25 * count(data), 1) << label;
  }
}

TEST(Split, DependsOnTheSeedAlone) {
  const Dataset data = numbered(100);
  EXPECT_EQ(split(data, 0.3, 1).second.pixels, split(data, 0.3, 1).second.pixels);
  EXPECT_NE(split(data, 0.3, 1).second.pixels, split(data, 0.3, 2).second.pixels);
}

TEST(Split, LeavesNoPartEmpty) {
  EXPECT_EQ(split(numbered(2), 0.01, 1).second.n, 1);
  EXPECT_EQ(split(numbered(2), 0.99, 1).first.n, 1);
}

TEST(Split, SplitsFloats) {
  Dataset data = numbered(4);
  data.pixels.clear();
  data.values = {1, 2, 3, 4};
  EXPECT_EQ(split(data, 0.5, 1).second.values.size(), 2u);
}

TEST(Split, RefusesBadArguments) {
  for (const double share : {0.0, 1.0, -1.0}) {
    EXPECT_THROW(split(numbered(9), share, 1), std::invalid_argument);
  }
  EXPECT_THROW(split(numbered(1), 0.5, 1), std::invalid_argument);
  Dataset data = numbered(9);
  data.labels[3] = 3;
  EXPECT_THROW(split(data, 0.5, 1), std::invalid_argument);
}

}  // namespace
}  // namespace nnkernels::nn
