#include "kernels/conv.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/kernels/conv_reference.h"
#include "tests/support/each_simd.h"

namespace nnkernels {
namespace {

class ConvTest : public EachSimd {};
NNKERNELS_EACH_SIMD(ConvTest);

TEST_P(ConvTest, AgreesWithTheDefinitionOnNamedShapes) {
  const ConvShape shapes[] = {
      {.n = 2, .ih = 28, .iw = 28, .ic = 1, .oc = 30, .kh = 5, .kw = 5},
      {.n = 1, .ih = 12, .iw = 12, .ic = 24, .oc = 32, .kh = 3, .kw = 3},
      {.n = 1, .ih = 14, .iw = 14, .ic = 8, .oc = 16, .kh = 3, .kw = 3, .pad_h = 1, .pad_w = 1},
      {.n = 3, .ih = 6, .iw = 6, .ic = 5, .oc = 70, .kh = 1, .kw = 1},
      {.n = 1,
       .ih = 23,
       .iw = 23,
       .ic = 3,
       .oc = 9,
       .kh = 7,
       .kw = 7,
       .stride_h = 2,
       .stride_w = 2,
       .pad_h = 3,
       .pad_w = 3},
      {.n = 2, .ih = 9, .iw = 11, .ic = 2, .oc = 3, .kh = 2, .kw = 3, .stride_h = 3, .stride_w = 4},
      {.n = 1,
       .ih = 17,
       .iw = 15,
       .ic = 4,
       .oc = 5,
       .kh = 3,
       .kw = 3,
       .stride_h = 2,
       .stride_w = 2,
       .pad_h = 2,
       .pad_w = 2,
       .dilation_h = 2,
       .dilation_w = 2},
      {.n = 1, .ih = 1, .iw = 1, .ic = 3, .oc = 4, .kh = 3, .kw = 3, .pad_h = 1, .pad_w = 1},
      {.n = 1, .ih = 5, .iw = 5, .ic = 1, .oc = 1, .kh = 5, .kw = 5},
      {.n = 1, .ih = 4, .iw = 4, .ic = 2, .oc = 2, .kh = 2, .kw = 2, .pad_h = 5, .pad_w = 6},
      {.n = 1, .ih = 40, .iw = 40, .ic = 1, .oc = 2, .kh = 3, .kw = 3},
  };
  for (const ConvShape& shape : shapes) {
    check_exactly<float>(shape);
    check_exactly<double>(shape);
  }
}

/// Input channels and kernels for which conv_backward_data() gathers, against the small ones of the
/// other tests, for which it scatters.
TEST_P(ConvTest, AgreesWithTheDefinitionOnManyChannels) {
  const ConvShape shapes[] = {
      {.n = 2, .ih = 9, .iw = 8, .ic = 64, .oc = 32, .kh = 3, .kw = 3, .pad_h = 1, .pad_w = 1},
      {.n = 1,
       .ih = 10,
       .iw = 9,
       .ic = 48,
       .oc = 20,
       .kh = 3,
       .kw = 3,
       .stride_h = 2,
       .stride_w = 2,
       .pad_h = 1,
       .pad_w = 1},
      {.n = 1,
       .ih = 14,
       .iw = 15,
       .ic = 33,
       .oc = 7,
       .kh = 3,
       .kw = 2,
       .stride_h = 3,
       .stride_w = 2,
       .pad_h = 4,
       .pad_w = 2,
       .dilation_h = 2,
       .dilation_w = 3},
      {.n = 3, .ih = 7, .iw = 6, .ic = 40, .oc = 35, .stride_h = 2, .stride_w = 3},
  };
  for (const ConvShape& shape : shapes) {
    check_exactly<float>(shape);
    check_exactly<double>(shape);
  }
}

/// One channel in and few out: rows of any length against that of a vector, in one block of rows
/// and in two, and borders wider than the image.
TEST_P(ConvTest, AgreesWithTheDefinitionOnOneChannel) {
  for (const std::int64_t oc : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13}) {
    for (const std::int64_t k : {3, 5}) {
      for (ConvShape s : {ConvShape{.n = 2, .ih = 9, .iw = 8 + oc % 5},
                          ConvShape{.n = 1, .ih = 34, .iw = 11, .pad_h = k / 2, .pad_w = k / 2},
                          ConvShape{.n = 1, .ih = 6, .iw = 7, .pad_h = 8},
                          ConvShape{.n = 3, .ih = 2, .iw = 1, .pad_h = 5, .pad_w = 6}}) {
        s.oc = oc;
        s.kh = s.kw = k;
        check_exactly<float>(s);
        check_exactly<double>(s);
      }
    }
  }
  // Gradients that are summed in several pieces.
  check_exactly<float>({.n = 9, .ih = 40, .iw = 27, .ic = 1, .oc = 6, .kh = 5, .kw = 5});
  // What only looks like it.
  const ConvShape near{.n = 2, .ih = 17, .iw = 16, .ic = 1, .oc = 6, .kh = 3, .kw = 3};
  for (std::int64_t ConvShape::*other :
       {&ConvShape::stride_h, &ConvShape::stride_w, &ConvShape::dilation_h, &ConvShape::dilation_w,
        &ConvShape::kh, &ConvShape::kw, &ConvShape::ic}) {
    ConvShape s = near;
    s.*other += 2;
    check_exactly<float>(s);
  }
}

/// An infinite pixel is in the gradients of the weights that meet it, and in no others.
template <class T>
void check_infinity(const ConvShape& s) {
  const T infinity = std::numeric_limits<T>::infinity();
  const std::vector<T> dy(static_cast<std::size_t>(s.y_size()), T{1});
  for (std::int64_t row = 0; row < s.ih; ++row) {
    for (const std::int64_t col : {std::int64_t{0}, std::int64_t{6}, s.iw - 1}) {
      std::vector<T> x(static_cast<std::size_t>(s.x_size()), T{1});
      x[static_cast<std::size_t>(row * s.iw + col)] = infinity;
      std::vector<T> dw(static_cast<std::size_t>(s.w_size()));
      conv_backward_weights<T>(s, x.data(), dy.data(), dw.data(), nullptr);
      for (std::int64_t i = 0; i < s.w_size(); ++i) {
        const std::int64_t tap = i / s.oc, oh = row + s.pad_h - tap / s.kw;
        const std::int64_t ow = col + s.pad_w - tap % s.kw;
        const bool meets = oh >= 0 && oh < s.oh() && ow >= 0 && ow < s.ow();
        const T got = dw[static_cast<std::size_t>(i)];
        ASSERT_TRUE(meets ? got == infinity : std::isfinite(got))
            << str(s) << ", pixel " << row << ", " << col << ": dw[" << i << "] is " << got;
      }
    }
  }
}

TEST_P(ConvTest, InfinityMeetsItsWeightsAlone) {
  for (const std::int64_t oc : {4, 20}) {
    for (const std::int64_t k : {3, 5}) {
      for (const std::int64_t pad : {0, 1}) {
        ConvShape s{.n = 2, .ih = 40, .iw = 14, .ic = 1, .oc = oc, .kh = k, .kw = k};
        s.pad_h = s.pad_w = pad;
        check_infinity<float>(s);
        check_infinity<double>(s);
      }
    }
  }
}

/// The sums of a few channels are those of any channel: the first of many have the same bits.
TEST_P(ConvTest, OneChannelHasTheBitsOfMany) {
  constexpr std::int64_t kMany = 40;
  for (const std::int64_t oc : {2, 6, 8}) {
    ConvShape s{.n = 2, .ih = 12, .iw = 13, .ic = 1, .oc = oc, .kh = 5, .kw = 5};
    s.pad_h = s.pad_w = 2;
    SCOPED_TRACE(str(s));
    ConvShape more = s;
    more.oc = kMany;
    std::mt19937 random(7);
    std::normal_distribution<float> normal;
    std::vector<float> x(static_cast<std::size_t>(s.x_size())),
        many_w(static_cast<std::size_t>(more.w_size())), many_bias(kMany), w, bias;
    for (std::vector<float>* values : {&x, &many_w, &many_bias}) {
      for (float& value : *values) value = normal(random);
    }
    for (std::size_t i = 0; i < many_w.size(); ++i) {
      if (static_cast<std::int64_t>(i) % kMany < oc) w.push_back(many_w[i]);
    }
    bias.assign(many_bias.begin(), many_bias.begin() + oc);
    std::vector<float> y(static_cast<std::size_t>(s.y_size())),
        many_y(static_cast<std::size_t>(more.y_size())), want;
    conv_forward(s, x.data(), w.data(), y.data(), {bias.data(), Activation::relu});
    conv_forward(more, x.data(), many_w.data(), many_y.data(),
                 {many_bias.data(), Activation::relu});
    for (std::size_t i = 0; i < many_y.size(); ++i) {
      if (static_cast<std::int64_t>(i) % kMany < oc) want.push_back(many_y[i]);
    }
    EXPECT_EQ(y, want);
  }
}

/// Images that are cut into several pieces, in forward and backward passes of every kind.
TEST_P(ConvTest, AgreesWithTheDefinitionOnLargeImages) {
  const ForceThreads many(3);
  for (const std::int64_t stride : {1, 2}) {
    for (const std::int64_t groups : {1, 2, 6}) {  // 6: depthwise
      ConvShape s{.n = 2, .ih = 41, .iw = 67, .ic = 6, .oc = 6, .kh = 3, .kw = 3};
      s.stride_h = s.stride_w = stride;
      s.pad_h = s.pad_w = 1;
      s.groups = groups;
      check_exactly<float>(s);
      s.dilation_h = 2;
      check_exactly<double>(s);
    }
    ConvShape s{.n = 1, .ih = 39, .iw = 45, .ic = 40, .oc = 9, .kh = 3, .kw = 2};
    s.stride_h = s.stride_w = stride;
    s.pad_h = 1;
    check_exactly<float>(s);
  }
}

/// Convolutions that are matrix products: 1 x 1, and a kernel as large as the image.
TEST_P(ConvTest, AgreesWithTheDefinitionOnMatrixProducts) {
  const ConvShape shapes[] = {
      {.n = 3, .ih = 6, .iw = 7, .ic = 20, .oc = 37},
      {.n = 5, .ih = 4, .iw = 3, .ic = 6, .oc = 18, .kh = 4, .kw = 3},
      {.n = 2, .ih = 4, .iw = 4, .ic = 3, .oc = 5, .kh = 4, .kw = 4, .stride_h = 2, .stride_w = 3},
      {.n = 2, .ih = 3, .iw = 3, .ic = 4, .oc = 5, .pad_h = 1},  // not one, for the border counts
  };
  for (const ConvShape& shape : shapes) {
    check_exactly<float>(shape);
    check_exactly<double>(shape);
  }
}

/// Output channels for which conv_backward_weights() packs what its rows read of x.
TEST_P(ConvTest, AgreesWithTheDefinitionOnManyOutputChannels) {
  check_random_shapes(40, 17, [](const auto& draw) {
    const std::int64_t groups = draw(1, 2);
    return ConvShape{.n = draw(1, 4),
                     .ih = draw(1, 9),
                     .iw = draw(1, 9),
                     .ic = groups * draw(1, 20),
                     .oc = groups * draw(33, 130),
                     .kh = draw(1, 3),
                     .kw = draw(1, 3),
                     .stride_h = draw(1, 3),
                     .stride_w = draw(1, 3),
                     .pad_h = draw(0, 2),
                     .pad_w = draw(0, 2),
                     .dilation_h = draw(1, 2),
                     .dilation_w = draw(1, 2),
                     .groups = groups};
  });
  // Several passes over the pixels, and in each several groups of tiles.
  ConvShape large{.n = 1, .ih = 44, .iw = 40, .ic = 30, .oc = 65, .kh = 5, .kw = 5};
  large.pad_h = large.pad_w = 2;
  check_exactly<float>(large);
  large.ic = 15;
  large.oc = 34;
  check_exactly<double>(large);
  // A column of x that no pixel meets through the last taps; strides beyond all numbers.
  ConvShape narrow{.n = 1, .ih = 4, .iw = 1, .ic = 5, .oc = 70, .kh = 3, .kw = 3};
  narrow.stride_w = 2;
  narrow.pad_h = narrow.pad_w = 1;
  check_exactly<float>(narrow);
  ConvShape leap{.n = 1, .ih = 3, .iw = 4, .ic = 1, .oc = 70, .kh = 2, .kw = 2};
  leap.pad_w = 2;
  leap.stride_h = leap.stride_w = std::numeric_limits<std::int64_t>::max();
  check_exactly<float>(leap);
  // Few channels in: rows of the kernel lie side by side in memory.
  ConvShape first{.n = 2, .ih = 17, .iw = 19, .ic = 3, .oc = 96, .kh = 5, .kw = 7};
  first.stride_h = first.stride_w = 2;
  first.pad_h = first.pad_w = 3;
  check_exactly<float>(first);
  check_exactly<double>(first);
}

TEST_P(ConvTest, AgreesWithTheDefinitionOnGroups) {
  check_random_shapes(60, 3, [](const auto& draw) {
    const std::int64_t groups = draw(2, 6);
    return ConvShape{.n = draw(1, 3),
                     .ih = draw(1, 12),
                     .iw = draw(1, 12),
                     .ic = groups * draw(1, 5),
                     .oc = groups * draw(1, 19),
                     .kh = draw(1, 4),
                     .kw = draw(1, 4),
                     .stride_h = draw(1, 3),
                     .stride_w = draw(1, 3),
                     .pad_h = draw(0, 3),
                     .pad_w = draw(0, 3),
                     .dilation_h = draw(1, 3),
                     .dilation_w = draw(1, 3),
                     .groups = groups};
  });
}

TEST_P(ConvTest, AgreesWithTheDefinitionOnRandomShapes) {
  check_random_shapes(150, 11, [](const auto& draw) {
    return ConvShape{.n = draw(1, 3),
                     .ih = draw(1, 12),
                     .iw = draw(1, 12),
                     .ic = draw(1, 6),
                     .oc = draw(1, 35),
                     .kh = draw(1, 4),
                     .kw = draw(1, 4),
                     .stride_h = draw(1, 4),
                     .stride_w = draw(1, 4),
                     .pad_h = draw(0, 3),
                     .pad_w = draw(0, 3),
                     .dilation_h = draw(1, 3),
                     .dilation_w = draw(1, 3)};
  });
}

/// |error| <= gamma_(k + 3) * (sum of |products| + |bias|), Higham's bound for any order of the
/// sum.
TEST_P(ConvTest, StaysWithinTheProvedErrorBound) {
  const ConvShape s{
      .n = 2, .ih = 13, .iw = 11, .ic = 7, .oc = 19, .kh = 3, .kw = 5, .pad_h = 1, .pad_w = 2};
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  std::vector<float> x(static_cast<std::size_t>(s.x_size())),
      w(static_cast<std::size_t>(s.w_size())), dy(static_cast<std::size_t>(s.y_size()));
  for (std::vector<float>* values : {&x, &w, &dy}) {
    for (float& value : *values) value = normal(random);
  }
  std::vector<double> y(dy.size()), y_size(dy.size()), dx(x.size()), dx_size(x.size()),
      dw(w.size()), dw_size(w.size());
  for_each_product(s, [&](std::int64_t ix, std::int64_t iw, std::int64_t iy) {
    const auto a = static_cast<std::size_t>(ix), b = static_cast<std::size_t>(iw),
               c = static_cast<std::size_t>(iy);
    const double forward = double{x[a]} * w[b], data = double{dy[c]} * w[b],
                 weights = double{dy[c]} * x[a];
    y[c] += forward;
    y_size[c] += std::abs(forward);
    dx[a] += data;
    dx_size[a] += std::abs(data);
    dw[b] += weights;
    dw_size[b] += std::abs(weights);
  });
  std::vector<float> got_y(y.size()), got_dx(dx.size()), got_dw(dw.size());
  conv_forward(s, x.data(), w.data(), got_y.data());
  conv_backward_data(s, dy.data(), w.data(), got_dx.data());
  conv_backward_weights<float>(s, x.data(), dy.data(), got_dw.data(), nullptr);
  const auto within = [](const std::vector<float>& got, const std::vector<double>& want,
                         const std::vector<double>& size, std::int64_t k) {
    const double u = std::ldexp(1.0, -24);
    const double n = static_cast<double>(k) + 3;
    const double gamma = n * u / (1 - n * u);
    for (std::size_t i = 0; i < got.size(); ++i) {
      ASSERT_LE(std::abs(got[i] - want[i]), gamma * size[i]) << i;
    }
  };
  within(got_y, y, y_size, s.kh * s.kw * s.ic);
  within(got_dx, dx, dx_size, s.kh * s.kw * s.oc);
  within(got_dw, dw, dw_size, s.n * s.oh() * s.ow());
}

/// <dy, conv(x)> = <conv^T(dy), x> = <dw(x, dy), w>, exactly on integers.
TEST_P(ConvTest, BackwardPassesAreTheAdjoint) {
  const ConvShape s{
      .n = 2, .ih = 10, .iw = 9, .ic = 3, .oc = 4, .kh = 3, .kw = 2, .stride_h = 2, .pad_h = 1};
  const std::vector<float> x = integers<float>(s.x_size(), 1), w = integers<float>(s.w_size(), 2),
                           dy = integers<float>(s.y_size(), 3);
  std::vector<float> y(dy.size()), dx(x.size()), dw(w.size());
  conv_forward(s, x.data(), w.data(), y.data());
  conv_backward_data(s, dy.data(), w.data(), dx.data());
  conv_backward_weights<float>(s, x.data(), dy.data(), dw.data(), nullptr);
  const auto dot = [](const std::vector<float>& a, const std::vector<float>& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += double{a[i]} * b[i];
    return sum;
  };
  EXPECT_EQ(dot(dy, y), dot(dx, x));
  EXPECT_EQ(dot(dy, y), dot(dw, w));
}

TEST_P(ConvTest, SameBitsForAnyNumberOfThreads) {
  const ConvShape shapes[] = {
      {.n = 9, .ih = 26, .iw = 25, .ic = 3, .oc = 30, .kh = 5, .kw = 5, .pad_h = 1, .pad_w = 2},
      {.n = 1, .ih = 26, .iw = 25, .ic = 3, .oc = 30, .kh = 5, .kw = 5, .pad_h = 1, .pad_w = 2},
      {.n = 1, .ih = 20, .iw = 20, .ic = 40, .oc = 30, .kh = 3, .kw = 3, .pad_h = 1, .pad_w = 1},
      {.n = 3, .ih = 20, .iw = 21, .ic = 12, .oc = 70, .kh = 3, .kw = 3, .stride_h = 2},
      {.n = 2, .ih = 20, .iw = 20, .ic = 12, .oc = 24, .kh = 3, .kw = 3, .groups = 3},
      {.n = 2, .ih = 40, .iw = 40, .ic = 20, .oc = 20, .kh = 3, .kw = 3, .pad_h = 1, .groups = 20},
      {.n = 2, .ih = 20, .iw = 20, .ic = 20, .oc = 30},
      {.n = 9, .ih = 40, .iw = 27, .ic = 1, .oc = 6, .kh = 5, .kw = 5, .pad_h = 2, .pad_w = 2},
  };
  for (const ConvShape& s : shapes) {
    SCOPED_TRACE(str(s));
    std::mt19937 random(5);
    std::normal_distribution<float> normal;
    std::vector<float> x(static_cast<std::size_t>(s.x_size())),
        w(static_cast<std::size_t>(s.w_size())), dy(static_cast<std::size_t>(s.y_size()));
    for (std::vector<float>* values : {&x, &w, &dy}) {
      for (float& value : *values) value = normal(random);
    }
    std::vector<std::vector<float>> first;
    for (const int count : {1, 2, 3, 8}) {
      const ForceThreads force(count);
      std::vector<float> y(dy.size()), dx(x.size()), dw(w.size()),
          db(static_cast<std::size_t>(s.oc));
      conv_forward(s, x.data(), w.data(), y.data(), {nullptr, Activation::tanh});
      conv_backward_data(s, dy.data(), w.data(), dx.data());
      conv_backward_weights(s, x.data(), dy.data(), dw.data(), db.data());
      if (first.empty()) {
        first = {y, dx, dw, db};
      } else {
        EXPECT_EQ(first, (std::vector<std::vector<float>>{y, dx, dw, db})) << count << " threads";
      }
    }
  }
}

TEST_P(ConvTest, NanPropagatesThroughRelu) {
  const ConvShape s{.ih = 6, .iw = 6, .ic = 1, .oc = 3, .kh = 3, .kw = 3};
  std::vector<float> x(36, 1.0f), w(27, -1.0f), y(48);
  x[0] = std::numeric_limits<float>::quiet_NaN();
  conv_forward(s, x.data(), w.data(), y.data(), {nullptr, Activation::relu});
  EXPECT_TRUE(std::isnan(y[0]));
  EXPECT_EQ(y[47], 0.0f);
}

TEST(Conv, SigmoidEpilogueIsTheActivationOfThePlainResult) {
  // The second is one of conv_one_channel.h, in two blocks of rows.
  for (const ConvShape& s :
       {ConvShape{.n = 2, .ih = 8, .iw = 8, .ic = 2, .oc = 5, .kh = 3, .kw = 3},
        ConvShape{.n = 2, .ih = 40, .iw = 8, .ic = 1, .oc = 5, .kh = 3, .kw = 3}}) {
    const std::vector<float> x = integers<float>(s.x_size(), 1), w = integers<float>(s.w_size(), 2);
    std::vector<float> fused(static_cast<std::size_t>(s.y_size())), plain(fused.size());
    conv_forward(s, x.data(), w.data(), fused.data(), {nullptr, Activation::sigmoid});
    conv_forward(s, x.data(), w.data(), plain.data());
    activation_forward(Activation::sigmoid, s.y_size(), plain.data(), plain.data());
    EXPECT_EQ(fused, plain);
  }
}

TEST(Conv, EmptyBatch) {
  const ConvShape s{.n = 0, .ih = 5, .iw = 5, .ic = 1, .oc = 2, .kh = 3, .kw = 3};
  std::vector<float> dw(18, 5.0f), db(2, 5.0f);
  conv_forward<float>(s, nullptr, nullptr, nullptr);
  conv_backward_data<float>(s, nullptr, nullptr, nullptr);
  conv_backward_weights<float>(s, nullptr, nullptr, dw.data(), db.data());
  EXPECT_EQ(dw, std::vector<float>(18, 0.0f));
  EXPECT_EQ(db, std::vector<float>(2, 0.0f));
}

TEST(Conv, RefusesBadArguments) {
  std::vector<float> memory(1000);
  float* const p = memory.data();
  const ConvShape good{.ih = 5, .iw = 5, .ic = 1, .oc = 2, .kh = 3, .kw = 3};
  EXPECT_THROW(conv_forward<float>(good, nullptr, p, p), std::invalid_argument);
  EXPECT_THROW(conv_backward_data<float>(good, p, nullptr, p), std::invalid_argument);
  EXPECT_THROW(conv_backward_weights<float>(good, p, p, nullptr, nullptr), std::invalid_argument);
  const auto message = [&](auto change) {
    ConvShape s = good;
    change(s);
    try {
      conv_forward(s, p, p, p);
    } catch (const std::invalid_argument& error) {
      return std::string(error.what());
    }
    return std::string("no exception");
  };
  EXPECT_NE(message([](ConvShape& s) { s.kh = 6; }).find("must fit into the padded image"),
            std::string::npos);
  EXPECT_NE(message([](ConvShape& s) { s.groups = 2; }).find("groups must divide the channels"),
            std::string::npos);
  EXPECT_NE(message([](ConvShape& s) { s.groups = 0; }).find("groups"), std::string::npos);
  EXPECT_NE(message([](ConvShape& s) { s.stride_w = 0; }).find("strides"), std::string::npos);
  EXPECT_NE(message([](ConvShape& s) { s.pad_h = -1; }).find("pads"), std::string::npos);
  EXPECT_NE(message([](ConvShape& s) { s.ic = 0; }).find("sizes"), std::string::npos);
  EXPECT_NE(message([](ConvShape& s) { s.n = -1; }).find("n must not"), std::string::npos);
}

}  // namespace
}  // namespace nnkernels
