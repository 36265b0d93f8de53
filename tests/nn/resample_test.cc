#include "nn/data/resample.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <stdexcept>
#include <utility>
#include <vector>

#include "tests/support/expect.h"

namespace nnkernels::nn {
namespace {

using Weights = std::vector<std::pair<std::int64_t, double>>;

std::vector<Weights> weights(std::int64_t from, std::int64_t to) {
  std::vector<Weights> result;
  for (const std::vector<Tap>& taps : resampling(from, to)) {
    Weights& line = result.emplace_back();
    for (const Tap& tap : taps) line.emplace_back(tap.pixel, tap.weight);
  }
  return result;
}

TEST(Resampling, AveragesAreasWhenItShrinks) {
  EXPECT_EQ(weights(4, 2), (std::vector<Weights>{{{0, 0.5}, {1, 0.5}}, {{2, 0.5}, {3, 0.5}}}));
  const std::vector<Weights> thirds = weights(3, 2);
  ASSERT_EQ(thirds.size(), 2u);
  ASSERT_EQ(thirds[0].size(), 2u);
  EXPECT_EQ(thirds[0][0].first, 0);
  EXPECT_EQ(thirds[0][1].first, 1);
  EXPECT_DOUBLE_EQ(thirds[0][0].second, 1 / 1.5);
  EXPECT_DOUBLE_EQ(thirds[0][1].second, 0.5 / 1.5);
}

TEST(Resampling, InterpolatesBetweenCentresWhenItEnlarges) {
  EXPECT_EQ(
      weights(2, 4),
      (std::vector<Weights>{{{0, 1}}, {{0, 0.75}, {1, 0.25}}, {{0, 0.25}, {1, 0.75}}, {{1, 1}}}));
  EXPECT_EQ(weights(1, 3), (std::vector<Weights>{{{0, 1}}, {{0, 1}}, {{0, 1}}}));
}

TEST(Resampling, KeepsALineOfTheSameLength) {
  EXPECT_EQ(weights(3, 3), (std::vector<Weights>{{{0, 1}}, {{1, 1}}, {{2, 1}}}));
}

TEST(Resampling, WeightsOfAPixelSumUpToOneAndStayInTheLine) {
  for (std::int64_t from = 1; from <= 40; ++from) {
    for (std::int64_t to = 1; to <= 40; ++to) {
      const std::vector<Weights> lines = weights(from, to);
      ASSERT_EQ(lines.size(), static_cast<std::size_t>(to));
      for (const Weights& line : lines) {
        double sum = 0;
        for (const auto& [pixel, weight] : line) {
          EXPECT_GE(pixel, 0);
          EXPECT_LT(pixel, from);
          EXPECT_GT(weight, 0);
          sum += weight;
        }
        EXPECT_NEAR(sum, 1, 1e-9) << from << " to " << to;
      }
    }
  }
}

TEST(Resampling, RefusesEmptyLines) {
  expect_invalid_argument([] { resampling(0, 3); }, {"resampling: ", "0 and 3"});
  expect_invalid_argument([] { resampling(3, 0); }, {"resampling: ", "3 and 0"});
}

TEST(Resized, ScalesEachDirectionAndChannelAndRounds) {
  // Two rows and four columns of two channels.
  const Picture picture{.w = 4,
                        .h = 2,
                        .c = 2,
                        .pixels = {0, 1, 10, 3, 20, 5, 30, 7,  //
                                   40, 9, 50, 3, 60, 1, 71, 8}};
  const Picture half = resized(picture, 1, 2);
  EXPECT_EQ(half.h, 1);
  EXPECT_EQ(half.w, 2);
  EXPECT_EQ(half.c, 2);
  // (0 + 10 + 40 + 50) / 4, (1 + 3 + 9 + 3) / 4, (20 + 30 + 60 + 71) / 4, (5 + 7 + 1 + 8) / 4
  EXPECT_EQ(half.pixels, (std::vector<std::uint8_t>{25, 4, 45, 5}));
  const Picture tall = resized(half, 2, 3);
  EXPECT_EQ(tall.pixels, (std::vector<std::uint8_t>{25, 4, 35, 5, 45, 5, 25, 4, 35, 5, 45, 5}));
  EXPECT_EQ(resized(picture, 2, 4).pixels, picture.pixels);
}

TEST(Resized, RefusesPixelsThatAreTooFew) {
  const Picture picture{.w = 2, .h = 2, .c = 1, .pixels = {1, 2, 3}};
  expect_invalid_argument([&] { resized(picture, 1, 1); }, {"resized: ", "got 3"});
}

}  // namespace
}  // namespace nnkernels::nn
