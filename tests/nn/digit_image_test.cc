#include "nn/data/digit_image.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>
#include <stdexcept>

#include "nn/data/dataset.h"
#include "tests/nn/file_fixtures.h"

namespace nnkernels::nn {
namespace {

constexpr std::int64_t kSamples = 300;

GreyImage mnist(std::int64_t i) {
  static const Dataset kTest = load_mnist(NNKERNELS_DATA_DIR).test;
  const auto begin = kTest.pixels.begin() + i * 784;
  return {28, 28, {begin, begin + 784}};
}

GreyImage inverted(GreyImage image) {
  for (std::uint8_t& pixel : image.pixels) pixel = static_cast<std::uint8_t>(255 - pixel);
  return image;
}

/// Every pixel becomes `times` x `times`.
GreyImage enlarged(const GreyImage& image, std::int64_t times) {
  GreyImage large{image.w * times, image.h * times, {}};
  for (std::int64_t y = 0; y < large.h; ++y) {
    for (std::int64_t x = 0; x < large.w; ++x) {
      large.pixels.push_back(
          image.pixels[static_cast<std::size_t>(y / times * image.w + x / times)]);
    }
  }
  return large;
}

/// Puts `image` at (left, top) on a w x h canvas of one level.
GreyImage placed(const GreyImage& image, std::int64_t w, std::int64_t h, std::int64_t left,
                 std::int64_t top, std::uint8_t level) {
  GreyImage canvas{w, h, Bytes(static_cast<std::size_t>(w * h), level)};
  for (std::int64_t y = 0; y < image.h; ++y) {
    std::copy_n(image.pixels.begin() + y * image.w, image.w,
                canvas.pixels.begin() + (top + y) * w + left);
  }
  return canvas;
}

/// level -> low + level (high - low) / 255
GreyImage with_range(GreyImage image, int low, int high) {
  for (std::uint8_t& pixel : image.pixels) {
    pixel = static_cast<std::uint8_t>(low + pixel * (high - low) / 255);
  }
  return image;
}

/// Adds about normal noise of a standard deviation of `sigma`.
GreyImage noisy(GreyImage image, double sigma) {
  std::uint32_t state = 1;
  for (std::uint8_t& pixel : image.pixels) {
    double sum = -6;
    for (int i = 0; i < 12; ++i) {
      state = state * 1664525 + 1013904223;
      sum += state / 4294967296.0;
    }
    pixel = static_cast<std::uint8_t>(std::clamp(pixel + sigma * sum, 0.0, 255.0));
  }
  return image;
}

/// The mean absolute difference in grey levels.
double difference(const GreyImage& a, const GreyImage& b) {
  EXPECT_EQ(a.pixels.size(), b.pixels.size());
  double sum = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) sum += std::abs(a.pixels[i] - b.pixels[i]);
  return sum / static_cast<double>(a.pixels.size());
}

/// What to_digit() makes of changed MNIST images is nearly what they were: the mean difference and
/// the part of images that differ by more than 4 levels (which moves by a pixel cause).
template <class Change>
void expect_unchanged(Change&& change, double most_difference, double most_moved) {
  double total = 0;
  int moved = 0;
  for (std::int64_t i = 0; i < kSamples; ++i) {
    const GreyImage digit = to_digit(change(mnist(i)));
    ASSERT_EQ(digit.w, kDigitSide);
    ASSERT_EQ(digit.h, kDigitSide);
    const double d = difference(digit, mnist(i));
    total += d;
    moved += d > 4;
  }
  EXPECT_LE(total / kSamples, most_difference);
  EXPECT_LE(static_cast<double>(moved) / kSamples, most_moved);
}

TEST(ToDigit, LeavesMnistNearlyUnchanged) {
  expect_unchanged([](const GreyImage& image) { return image; }, 0.5, 0.02);
  expect_unchanged(inverted, 0.5, 0.02);
}

TEST(ToDigit, UndoesEnlarging) {
  expect_unchanged([](const GreyImage& image) { return enlarged(inverted(image), 4); }, 0.5, 0.02);
  expect_unchanged([](const GreyImage& image) { return enlarged(image, 7); }, 0.5, 0.02);
}

TEST(ToDigit, UndoesShifts) {
  expect_unchanged(
      [](const GreyImage& image) {
        return placed(enlarged(inverted(image), 4), 301, 200, 180, 3, 255);
      },
      0.5, 0.02);
}

TEST(ToDigit, UndoesLowContrast) {
  expect_unchanged([](const GreyImage& image) { return with_range(image, 90, 170); }, 1.5, 0.03);
  expect_unchanged(
      [](const GreyImage& image) { return enlarged(with_range(inverted(image), 20, 120), 2); }, 1.5,
      0.03);
}

TEST(ToDigit, PeelsOffFramesAndCards) {
  // A white card with a dark digit on a black table, and a thin dark frame around it all.
  expect_unchanged(
      [](const GreyImage& image) {
        return placed(enlarged(inverted(image), 4), 160, 150, 20, 30, 0);
      },
      0.5, 0.02);
  expect_unchanged(
      [](const GreyImage& image) {
        const GreyImage framed = placed(enlarged(inverted(image), 4), 118, 118, 3, 3, 40);
        return placed(framed, 140, 130, 10, 5, 255);
      },
      0.5, 0.02);
}

TEST(ToDigit, ToleratesNoise) {
  expect_unchanged(
      [](const GreyImage& image) {
        return noisy(
            placed(enlarged(with_range(inverted(image), 30, 220), 4), 300, 200, 60, 40, 220), 8);
      },
      4, 0.5);
}

TEST(ToDigit, IgnoresSpeckles) {
  for (std::int64_t i = 0; i < 8; ++i) {
    GreyImage picture = placed(enlarged(inverted(mnist(i)), 48), 1500, 1500, 80, 60, 255);
    const GreyImage clean = to_digit(picture);
    for (const std::int64_t place : {2, 1499}) {
      picture.pixels[static_cast<std::size_t>(place * 1500 + place)] = 0;
    }
    EXPECT_LE(difference(to_digit(picture), clean), 0.1) << i;
  }
}

TEST(ToDigit, FitsTheBoxAndCentresTheMass) {
  for (const auto& [w, h] : {std::pair{300, 40}, std::pair{40, 300}, std::pair{3, 5},
                             std::pair{1, 1}, std::pair{1, 200}}) {
    SCOPED_TRACE(std::to_string(w) + " x " + std::to_string(h));
    // A bar whose left half is darker than the rest.
    GreyImage bar{w, h, Bytes(static_cast<std::size_t>(w * h), 0)};
    const GreyImage digit = to_digit(placed(bar, w + 33, h + 20, 7, 9, 255));
    std::int64_t left = 28, right = 0, top = 28, bottom = 0;
    double mass = 0, x_moment = 0, y_moment = 0;
    for (std::int64_t y = 0; y < 28; ++y) {
      for (std::int64_t x = 0; x < 28; ++x) {
        const double value = digit.pixels[static_cast<std::size_t>(y * 28 + x)];
        if (value == 0) continue;
        left = std::min(left, x), right = std::max(right, x + 1);
        top = std::min(top, y), bottom = std::max(bottom, y + 1);
        mass += value, x_moment += value * static_cast<double>(x),
            y_moment += value * static_cast<double>(y);
      }
    }
    EXPECT_EQ(std::max(right - left, bottom - top), 20);
    EXPECT_NEAR(x_moment / mass, 14, 0.5 + 1e-9);
    EXPECT_NEAR(y_moment / mass, 14, 0.5 + 1e-9);
  }
}

TEST(ToDigit, StaysInsideWhenTheMassIsAtOneEnd) {
  // A heavy blob with a long thin tail: centring its mass would push the tail out.
  GreyImage picture{200, 100, Bytes(200 * 100, 255)};
  for (std::int64_t y = 40; y < 60; ++y) {
    for (std::int64_t x = 10; x < 190; ++x) {
      if (x < 30 || y == 50) picture.pixels[static_cast<std::size_t>(y * 200 + x)] = 0;
    }
  }
  const GreyImage digit = to_digit(picture);
  const double mass = std::accumulate(digit.pixels.begin(), digit.pixels.end(), 0.0);
  const double ink = (20.0 * 20 + 160) * 255 / 81;  // scaled by 20 / 180 in both directions
  EXPECT_NEAR(mass / ink, 1, 0.15);
  EXPECT_GT(digit.pixels[13 * 28 + 27] + digit.pixels[14 * 28 + 27], 0);
}

TEST(ToDigit, RefusesPicturesWithoutInk) {
  EXPECT_THROW(to_digit({}), std::invalid_argument);
  EXPECT_THROW(to_digit({28, 28, Bytes(784, 255)}), std::invalid_argument);
  EXPECT_THROW(to_digit({1, 1, Bytes(1, 0)}), std::invalid_argument);
  EXPECT_THROW(to_digit({28, 28, Bytes(783, 255)}), std::invalid_argument);
  EXPECT_THROW(to_digit(with_range(mnist(0), 100, 120)), std::invalid_argument);
  EXPECT_THROW(to_digit(noisy({100, 100, Bytes(10000, 128)}, 4)), std::invalid_argument);
}

TEST(ReadDigit, NamesTheFile) {
  const TempFolder folder;
  Bytes file = bytes_of_text("P5 28 28 255\n");
  file.resize(file.size() + 784, 77);
  const std::string path = folder.put("blank.pgm", file);
  EXPECT_TRUE(contains(file_error(path, [&] { read_digit(path); }), "no digit found"));

  const GreyImage image = mnist(0);
  std::copy(image.pixels.begin(), image.pixels.end(), file.end() - 784);
  EXPECT_EQ(read_digit(folder.put("seven.pgm", file)).pixels, to_digit(image).pixels);
}

}  // namespace
}  // namespace nnkernels::nn
