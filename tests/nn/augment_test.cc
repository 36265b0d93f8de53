#include "nn/augment.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "tests/nn/fixtures.h"
#include "tests/support/each_simd.h"

namespace nnkernels::nn {
namespace {

constexpr float kEmpty = -1;

/// n images whose numbers are `f(row, column)`.
template <class F>
Tensor<float> images(std::int64_t n, std::int64_t h, std::int64_t w, const F& f) {
  Tensor<float> x({n, h, w, 1});
  for (std::int64_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<float>(f(i / w % h, i % w));
  }
  return x;
}

Tensor<float> augmented(const Augmentation& options, const Tensor<float>& x,
                        std::uint64_t step = 0) {
  const Augmenter<float> augmenter(options, {x.shape()[1], x.shape()[2], x.shape()[3]}, 1, kEmpty);
  Tensor<float> y(x.shape());
  augmenter.apply(x.view(), y.view(), step);
  return y;
}

TEST(Augment, ReadsItsText) {
  const Augmentation all = augmentation_from_text(
      "shift 2, rotate 10,scale 0.1, elastic 1.5 ,flip, noise 0.05, cutout 8");
  EXPECT_EQ(all, (Augmentation{.shift = 2,
                               .rotate = 10,
                               .scale = 0.1,
                               .elastic = 1.5,
                               .flip = true,
                               .noise = 0.05,
                               .cutout = 8}));
  EXPECT_EQ(augmentation_from_text(""), Augmentation{});
  for (const char* bad : {"shift", "shift x", "shift 2 3", "shift -1", "scale 1", "flip 2",
                          "rotat 3", "shift 2, shift 3", "shift 2,, flip", "cutout 1.5",
                          "noise inf", "rotate nan", "shift 2,", ",", "shift 1000001"}) {
    EXPECT_THROW(augmentation_from_text(bad), std::invalid_argument) << bad;
  }
}

TEST(Augment, NothingChangesNothing) {
  const Tensor<float> x = images(3, 5, 7, [](auto row, auto column) { return 10 * row + column; });
  const Tensor<float> y = augmented({}, x);
  EXPECT_TRUE(std::equal(x.begin(), x.end(), y.begin()));
}

TEST(Augment, FlipMirrorsHalfOfTheImages) {
  const Tensor<float> x =
      images(400, 3, 8, [](auto row, auto column) { return 10 * row + column; });
  const Tensor<float> y = augmented({.flip = true}, x);
  int mirrored = 0;
  for (std::int64_t i = 0; i < 400; ++i) {
    const bool flipped = y[i * 24] == 7;
    mirrored += static_cast<int>(flipped);
    for (std::int64_t k = 0; k < 24; ++k) {
      const auto column = k % 8;
      EXPECT_EQ(y[i * 24 + k], static_cast<float>(10 * (k / 8) + (flipped ? 7 - column : column)));
    }
  }
  EXPECT_NEAR(mirrored, 200, 50);  // five standard deviations
}

// A plane is what bilinear interpolation gets right everywhere, so each map can be read off it.
TEST(Augment, MapsArePlanesAndStayWithinTheirLimits) {
  constexpr std::int64_t kSide = 21;  // the centre is a pixel
  const auto run = [&](const Augmentation& options, const auto& f) {
    return augmented(options, images(200, kSide, kSide, f));
  };
  const auto across = [](std::int64_t, std::int64_t column) { return column; };
  const auto down = [](std::int64_t row, std::int64_t) { return row; };
  const auto at = [](const Tensor<float>& y, std::int64_t i, std::int64_t row,
                     std::int64_t column) {
    return static_cast<double>(y[(i * kSide + row) * kSide + column]);
  };
  const Tensor<float> moved = run({.shift = 3}, across), moved_down = run({.shift = 3}, down);
  const Tensor<float> turned = run({.rotate = 20}, across), turned_down = run({.rotate = 20}, down);
  const Tensor<float> sized = run({.scale = 0.2}, across);
  double furthest = 0, widest = 0, largest = 0;
  for (std::int64_t i = 0; i < 200; ++i) {
    const double by = at(moved, i, 10, 10) - 10;
    EXPECT_LE(std::abs(by), 3);
    EXPECT_NEAR(at(moved, i, 4, 12), 12 + by, 1e-4);
    EXPECT_NE(by, at(moved_down, i, 10, 10) - 10);
    furthest = std::max(furthest, std::abs(by));

    EXPECT_NEAR(at(turned, i, 10, 10), 10, 1e-4);
    const double cosine = at(turned, i, 10, 15) - 10, sine = at(turned_down, i, 10, 15) - 10;
    EXPECT_NEAR(std::hypot(cosine, sine), 5, 1e-4);  // a rotation keeps lengths
    const double angle = std::atan2(sine, cosine) * 180 / 3.14159265358979;
    EXPECT_LE(std::abs(angle), 20.001);
    widest = std::max(widest, std::abs(angle));

    const double size = 5 / (at(sized, i, 10, 15) - 10);
    EXPECT_GE(size, 0.8 - 1e-4);
    EXPECT_LE(size, 1.2 + 1e-4);
    EXPECT_NEAR(at(sized, i, 3, 7), 10 - 3 / size, 1e-4);
    largest = std::max(largest, std::abs(size - 1));
  }
  EXPECT_GT(furthest, 2.8);
  EXPECT_GT(widest, 18);
  EXPECT_GT(largest, 0.18);
}

TEST(Augment, ElasticBendsSmoothlyAndWithinItsLimit) {
  const Tensor<float> y =
      augmented({.elastic = 2}, images(50, 28, 28, [](auto, auto column) { return column; }));
  double furthest = 0;
  for (std::int64_t i = 0; i < 50; ++i) {
    for (std::int64_t row = 4; row < 24; ++row) {
      for (std::int64_t column = 4; column < 23; ++column) {
        const double here = static_cast<double>(y[(i * 28 + row) * 28 + column]);
        const double next = static_cast<double>(y[(i * 28 + row) * 28 + column + 1]);
        furthest = std::max(furthest, std::abs(here - static_cast<double>(column)));
        // A cubic B-spline of values in [-2, 2], 7 apart, has a slope of at most 4 / 7.
        EXPECT_NEAR(next - here, 1, 4.0 / 7 + 1e-4);
      }
    }
  }
  EXPECT_LE(furthest, 2);
  EXPECT_GT(furthest, 0.8);
}

TEST(Augment, WhatComesFromOutsideIsEmpty) {
  const Tensor<float> x = images(50, 6, 6, [](auto, auto) { return 5; });
  const Tensor<float> y = augmented({.shift = 4}, x);
  EXPECT_GE(*std::min_element(y.begin(), y.end()), kEmpty);
  EXPECT_EQ(*std::min_element(y.begin(), y.end()), kEmpty);
  EXPECT_LE(*std::max_element(y.begin(), y.end()), 5);
}

TEST(Augment, CutoutEmptiesOneSquare) {
  const Tensor<float> x = images(100, 10, 12, [](auto, auto) { return 5; });
  const Tensor<float> y = augmented({.cutout = 4}, x);
  int whole = 0;
  for (std::int64_t i = 0; i < 100; ++i) {
    const auto cut = std::count(y.begin() + i * 120, y.begin() + (i + 1) * 120, kEmpty);
    EXPECT_GE(cut, 2 * 2);
    EXPECT_LE(cut, 16);
    whole += static_cast<int>(cut == 16);
    EXPECT_EQ(std::count(y.begin() + i * 120, y.begin() + (i + 1) * 120, 5.0F), 120 - cut);
  }
  EXPECT_GT(whole, 40);
}

TEST(Augment, NoiseHasItsDeviation) {
  const Tensor<float> y =
      augmented({.noise = 0.5}, images(40, 20, 20, [](auto, auto) { return 2; }));
  double sum = 0, squares = 0;
  for (const float each : y) {
    sum += static_cast<double>(each) - 2;
    squares += std::pow(static_cast<double>(each) - 2, 2);
  }
  EXPECT_NEAR(sum / 16000, 0, 0.02);  // five standard errors
  EXPECT_NEAR(std::sqrt(squares / 16000), 0.5, 0.015);
}

TEST(Augment, DependsOnStepAndPlaceAndNotOnThreads) {
  const Augmentation all = augmentation_from_text(
      "shift 2, rotate 10, scale 0.1, elastic 2, flip, noise 0.05, cutout 3");
  const Tensor<float> x =
      images(64, 14, 14, [](auto row, auto column) { return std::sin(row + 2 * column); });
  const Tensor<float> y = augmented(all, x, 3);
  for (const int threads : {1, 2, 3, 8}) {
    const ForceThreads force(threads);
    EXPECT_TRUE(same_bits<float>(y.view(), augmented(all, x, 3).view())) << threads;
  }
  EXPECT_FALSE(same_bits<float>(y.view(), augmented(all, x, 4).view()));
  EXPECT_FALSE(std::equal(y.begin(), y.begin() + 196, y.begin() + 196));
  // The first images of a smaller batch are the same.
  const Tensor<float> few =
      images(2, 14, 14, [](auto row, auto column) { return std::sin(row + 2 * column); });
  const Tensor<float> changed = augmented(all, few, 3);
  EXPECT_TRUE(std::equal(changed.begin(), changed.end(), y.begin()));
}

TEST(Augment, RefusesOtherShapes) {
  const Augmenter<float> augmenter({.shift = 1}, {4, 4, 1}, 1, 0);
  Tensor<float> x({2, 4, 4, 1}), y({2, 4, 5, 1});
  EXPECT_THROW(augmenter.apply(x.view(), y.view(), 0), std::invalid_argument);
  EXPECT_THROW(Augmenter<float>({.scale = 1}, {4, 4, 1}, 1, 0), std::invalid_argument);
}

}  // namespace
}  // namespace nnkernels::nn
