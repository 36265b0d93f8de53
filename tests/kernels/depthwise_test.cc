#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "kernels/conv.h"
#include "tests/kernels/conv_reference.h"
#include "tests/support/each_simd.h"

namespace nnkernels {
namespace {

/// A small shape with `groups` groups of `channels` channels, in and out.
template <class Draw>
ConvShape drawn(const Draw& draw, std::int64_t groups, std::int64_t channels) {
  return {.n = draw(1, 3),
          .ih = draw(1, 14),
          .iw = draw(1, 30),
          .ic = groups * channels,
          .oc = groups * channels,
          .kh = draw(1, 5),
          .kw = draw(1, 9),
          .stride_h = draw(1, 4),
          .stride_w = draw(1, 4),
          .pad_h = draw(0, 5),
          .pad_w = draw(0, 5),
          .dilation_h = draw(1, 3),
          .dilation_w = draw(1, 3),
          .groups = groups};
}

class DepthwiseTest : public EachSimd {};
NNKERNELS_EACH_SIMD(DepthwiseTest);

/// One channel a group: planes of few and of all channels, copied where pixels lie a large power of
/// two apart, blocks in rows and in columns, and taps of every kind.
TEST_P(DepthwiseTest, AgreesWithTheDefinitionOnPlanes) {
  const ForceThreads many(3);
  const auto check = [](std::int64_t channels, std::int64_t height, std::int64_t width,
                        std::int64_t kh, std::int64_t kw, std::int64_t stride, std::int64_t pad,
                        std::int64_t dilation) {
    ConvShape s{.n = 2, .ih = height, .iw = width, .ic = channels, .oc = channels, .kh = kh};
    s.kw = kw;
    s.stride_h = s.stride_w = stride;
    s.pad_h = s.pad_w = pad;
    s.dilation_h = s.dilation_w = dilation;
    s.groups = channels;
    check_exactly<float>(s);
    check_exactly<double>(s);
  };
  for (const std::int64_t channels : {3, 7, 12, 48, 512}) {
    for (const std::int64_t stride : {1, 2, 3}) {
      for (const std::int64_t pad : {0, 1, 3}) check(channels, 9, 21, 3, 3, stride, pad, 1);
    }
    check(channels, 12, 11, 5, 2, 1, 1, 1);
    check(channels, 12, 20, 3, 3, 1, 2, 2);
    check(channels, 20, 2, 3, 3, 1, 1, 1);   // narrower than a block
    check(channels, 1, 37, 1, 3, 1, 1, 1);   // rows above and below exist only as padding
    check(channels, 3, 3, 3, 3, 2, 3, 2);    // outputs that meet no input
    check(channels, 10, 13, 2, 4, 2, 1, 3);  // phases without taps
  }
  check(327, 6, 9, 3, 3, 1, 1, 1);  // several planes, the last one ends in a part vector
  check(256, 6, 9, 3, 3, 1, 1, 1);  // double: copied
  check(1024, 7, 7, 3, 3, 1, 1, 1);
  for (const std::int64_t channels : {128, 136, 131}) check(channels, 14, 14, 3, 3, 1, 1, 1);
  // By weights from copies of two lines of channels: the last one is whole, or a part.
  for (const std::int64_t channels : {128, 136, 131}) check(channels, 14, 14, 3, 3, 1, 2, 2);
  check(32, 60, 56, 3, 3, 1, 2, 2);  // several copies, one below the other
  check(64, 4, 9, 3, 5, 1, 7, 1);    // rows of a copy that exist only as padding
  check(64, 9, 9, 3, 3, 1, 2, 3);
  check(16, 5, 85, 3, 3, 1, 1, 1);          // strips wider than a tile, of two widths
  check(3, 5, 150, 3, 3, 1, 1, 1);          // several times as many pixels as make a vector
  check(3, 26, 30, 25, 24, 1, 2, 1);        // few channels, too many taps for a strip
  for (const std::int64_t few : {3, 48}) {  // mostly border
    check(few, 5, 5, 3, 3, 1, 1, 1);
    check(few, 7, 6, 5, 5, 1, 2, 1);
    check(few, 7, 7, 3, 3, 2, 1, 1);
  }
}

/// 3 x 3 taps on neighbouring pixels, which have a kernel of their own by weights: every border,
/// few rows and columns, every number of rows at a time.
TEST_P(DepthwiseTest, AgreesWithTheDefinitionFor3x3) {
  const ForceThreads many(3);
  const auto check = [](std::int64_t channels, std::int64_t height, std::int64_t width,
                        std::int64_t stride, std::int64_t pad_h, std::int64_t pad_w) {
    ConvShape s{.n = 2, .ih = height, .iw = width, .ic = channels, .oc = channels, .kh = 3};
    if (height + 2 * pad_h < 3 || width + 2 * pad_w < 3) return;
    s.kw = 3;
    s.stride_h = s.stride_w = stride;
    s.pad_h = pad_h;
    s.pad_w = pad_w;
    s.groups = channels;
    check_exactly<float>(s);
    check_exactly<double>(s);
  };
  for (const std::int64_t stride : {1, 2}) {
    for (const std::int64_t pad_h : {0, 1, 2}) {
      for (const std::int64_t pad_w : {0, 1, 2}) {
        for (std::int64_t width = 1; width <= 10; ++width) {
          check(21, 1 + width % 5, width, stride, pad_h, pad_w);
        }
        for (std::int64_t height = 1; height <= 8; ++height) {
          check(5, height, 6, stride, pad_h, pad_w);
        }
      }
    }
    check(160, 40, 40, stride, 1, 1);  // several pieces, which begin inside of an image
  }
}

/// Four channels a group, which float mixes within its vectors.
TEST_P(DepthwiseTest, AgreesWithTheDefinitionForGroupsOfFour) {
  const ForceThreads many(3);
  const auto check = [](std::int64_t channels, std::int64_t width, std::int64_t kw,
                        std::int64_t stride, std::int64_t pad, std::int64_t dilation) {
    ConvShape s{.n = 2, .ih = 9, .iw = width, .ic = channels, .oc = channels, .kh = 3, .kw = kw};
    s.stride_h = s.stride_w = stride;
    s.pad_h = s.pad_w = pad;
    s.dilation_h = s.dilation_w = dilation;
    s.groups = channels / 4;
    check_exactly<float>(s);
    check_exactly<double>(s);
  };
  for (const std::int64_t channels : {8, 20, 64, 512}) {
    for (const std::int64_t stride : {1, 2, 3}) {
      for (const std::int64_t kw : {2, 3}) check(channels, 21, kw, stride, 1, 1);
    }
    check(channels, 14, 3, 1, 2, 2);
  }
  check_random_shapes(60, 8, [](const auto& draw) { return drawn(draw, draw(2, 12), 4); });
}

/// What is not a number stays within its group of channels.
TEST_P(DepthwiseTest, GroupsOfFourDoNotMeet) {
  const ConvShape s{.n = 1, .ih = 4, .iw = 5, .ic = 36, .oc = 36, .kh = 3, .kw = 3, .groups = 9};
  std::vector<float> x(static_cast<std::size_t>(s.x_size()), 1.0f);
  std::vector<float> w(static_cast<std::size_t>(s.w_size()), 1.0f);
  std::vector<float> y(static_cast<std::size_t>(s.y_size()));
  for (std::size_t i = 5; i < x.size(); i += 36) x[i] = std::numeric_limits<float>::quiet_NaN();
  conv_forward(s, x.data(), w.data(), y.data());
  for (std::size_t i = 0; i < y.size(); ++i) {
    const bool second_group = i % 36 / 4 == 1;
    ASSERT_EQ(std::isnan(y[i]), second_group) << i;
    ASSERT_TRUE(second_group || y[i] == 36.0f) << i;
  }
}

/// By data there is a phase for each remainder by the stride, most of which hold no pixel.
TEST_P(DepthwiseTest, HugeStridesCostNothing) {
  for (const std::int64_t stride : {std::int64_t{40}, std::int64_t{1} << 40}) {
    for (const std::int64_t groups : {2, 8}) {
      check_exactly<float>({.n = 2,
                            .ih = 5,
                            .iw = 6,
                            .ic = 8,
                            .oc = 8,
                            .kh = 3,
                            .kw = 3,
                            .stride_h = stride,
                            .stride_w = stride,
                            .pad_h = 1,
                            .pad_w = 1,
                            .groups = groups});
    }
  }
}

TEST_P(DepthwiseTest, AgreesWithTheDefinitionOnRandomShapes) {
  check_random_shapes(100, 7, [](const auto& draw) { return drawn(draw, draw(2, 40), 1); });
}

}  // namespace
}  // namespace nnkernels
