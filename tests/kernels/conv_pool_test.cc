#include "kernels/conv_pool.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "kernels/pool.h"
#include "tests/support/each_simd.h"
#include "tests/support/expect.h"
#include "tests/support/guarded_array.h"
#include "tests/support/values.h"

namespace nnkernels {
namespace {

PoolShape pool_shape(const ConvShape& s) {
  return {.n = s.n,
          .ih = s.oh(),
          .iw = s.ow(),
          .c = s.oc,
          .kh = 2,
          .kw = 2,
          .stride_h = 2,
          .stride_w = 2};
}

std::vector<ConvShape> shapes() {
  return {
      // First layers, whose backward pass looks winners up; 30 and 3 channels end in part vectors.
      {.n = 2, .ih = 28, .iw = 28, .ic = 1, .oc = 30, .kh = 5, .kw = 5},
      {.n = 3, .ih = 12, .iw = 10, .ic = 1, .oc = 17, .kh = 3, .kw = 3},
      {.n = 1, .ih = 9, .iw = 11, .ic = 3, .oc = 33, .kh = 3, .kw = 3, .pad_h = 1, .pad_w = 1},
      {.n = 1, .ih = 12, .iw = 12, .ic = 1, .oc = 3, .kh = 7, .kw = 7},
      {.n = 2, .ih = 7, .iw = 6, .ic = 2, .oc = 16, .kh = 2, .kw = 4, .pad_w = 1},
      {.n = 1, .ih = 6, .iw = 6, .ic = 4, .oc = 5, .kh = 4, .kw = 3},
      {.n = 2, .ih = 5, .iw = 5, .ic = 1, .oc = 1},
      // Of one channel, so few that their vectors run along rows of pixels; the last has too few
      // rows.
      {.n = 2, .ih = 28, .iw = 28, .ic = 1, .oc = 6, .kh = 5, .kw = 5, .pad_h = 2, .pad_w = 2},
      {.n = 1, .ih = 71, .iw = 13, .ic = 1, .oc = 3, .kh = 3, .kw = 3, .pad_h = 1},
      {.n = 3, .ih = 13, .iw = 9, .ic = 1, .oc = 10, .kh = 5, .kw = 5, .pad_w = 1},
      {.n = 2, .ih = 10, .iw = 5, .ic = 1, .oc = 2, .kh = 3, .kw = 3},
      {.n = 2, .ih = 4, .iw = 5, .ic = 1, .oc = 2, .kh = 3, .kw = 3},
      // More rows of the kernel, and taps, than one pass takes; as many taps as lookups pay for,
      // and more.
      {.n = 2, .ih = 12, .iw = 13, .ic = 1, .oc = 7, .kh = 11, .kw = 9},
      {.n = 1, .ih = 10, .iw = 11, .ic = 3, .oc = 13, .kh = 6, .kw = 7, .pad_h = 2, .pad_w = 3},
      {.n = 2, .ih = 6, .iw = 9, .ic = 6, .oc = 15, .kh = 1, .kw = 2},
      {.n = 2, .ih = 9, .iw = 8, .ic = 1, .oc = 4, .kh = 5, .kw = 1},
      {.n = 1, .ih = 9, .iw = 8, .ic = 2, .oc = 20, .kh = 4, .kw = 1},
      {.n = 1, .ih = 7, .iw = 7, .ic = 8, .oc = 34, .kh = 3, .kw = 3},
      {.n = 1, .ih = 7, .iw = 7, .ic = 8, .oc = 18, .kh = 2, .kw = 4},
      {.n = 1, .ih = 7, .iw = 7, .ic = 11, .oc = 6, .kh = 4, .kw = 3},
      // So large that its rows are taken in bands.
      {.n = 2, .ih = 45, .iw = 90, .ic = 3, .oc = 5, .kh = 3, .kw = 3, .pad_h = 1, .pad_w = 1},
      {.n = 2, .ih = 40, .iw = 180, .ic = 1, .oc = 9, .kh = 5, .kw = 5},
      // Odd outputs: the last row and column are in no window.
      {.n = 2, .ih = 9, .iw = 9, .ic = 1, .oc = 20, .kh = 3, .kw = 3},
      // Many channels, stride, dilation.
      {.n = 3, .ih = 10, .iw = 12, .ic = 24, .oc = 32, .kh = 3, .kw = 3},
      {.n = 2,
       .ih = 11,
       .iw = 13,
       .ic = 2,
       .oc = 9,
       .kh = 3,
       .kw = 3,
       .stride_h = 2,
       .stride_w = 2},
      {.n = 1,
       .ih = 14,
       .iw = 12,
       .ic = 1,
       .oc = 8,
       .kh = 3,
       .kw = 3,
       .dilation_h = 2,
       .dilation_w = 3},
      {.n = 1, .ih = 9, .iw = 40, .ic = 1, .oc = 64, .kh = 5, .kw = 5, .pad_h = 2, .pad_w = 2},
  };
}

/// Everything against the same layers one after the other.
template <class T>
void check_agrees(const ConvShape& s, Activation activation, std::int64_t misalignment) {
  Values values(static_cast<std::uint64_t>(s.x_size() * 31 + s.oc));
  // Integers: sums are exact, so both ways give the same bits; ties are frequent.
  const GuardedArray<T> x(values.integers<T>(s.x_size(), -2, 2), misalignment);
  const GuardedArray<T> w(values.integers<T>(s.w_size(), -2, 2), misalignment);
  const GuardedArray<T> bias(values.integers<T>(s.oc, -3, 3), misalignment);
  const PoolShape pool = pool_shape(s);
  const Epilogue<T> epilogue{.bias = bias.data(), .activation = activation};

  std::vector<T> dense(static_cast<std::size_t>(s.y_size()));
  std::vector<T> expected(static_cast<std::size_t>(pool.y_size()));
  std::vector<std::int32_t> argmax(expected.size());
  // The winner is chosen before bias and activation.
  conv_forward<T>(s, x.data(), w.data(), dense.data());
  max_pool_forward<T>(pool, dense.data(), expected.data(), argmax.data());
  conv_forward<T>(s, x.data(), w.data(), dense.data(), epilogue);
  max_pool_forward<T>(pool, dense.data(), expected.data(), nullptr);

  const GuardedArray<T> y(pool.y_size(), misalignment), alone(pool.y_size());
  const GuardedArray<std::uint8_t> winner(pool.y_size(), misalignment);
  conv_max_pool_forward<T>(s, x.data(), w.data(), y.data(), winner.data(), epilogue);
  conv_max_pool_forward<T>(s, x.data(), w.data(), alone.data(), nullptr, epilogue);
  ASSERT_TRUE(y.intact() && winner.intact() && alone.intact() && x.intact() && w.intact());
  ASSERT_TRUE(same_bits(y.values(), expected));
  ASSERT_TRUE(same_bits(alone.values(), expected));
  for (std::int64_t i = 0; i < winner.size(); ++i) {
    ASSERT_EQ(winner[i], argmax[static_cast<std::size_t>(i)]) << "at " << i;
  }

  const GuardedArray<T> dy(values.integers<T>(pool.y_size(), -3, 3), misalignment);
  max_pool_backward<T>(pool, dy.data(), argmax.data(), dense.data());
  std::vector<T> expected_dw(static_cast<std::size_t>(s.w_size()));
  std::vector<T> expected_db(static_cast<std::size_t>(s.oc));
  std::vector<T> expected_dx(static_cast<std::size_t>(s.x_size()));
  conv_backward_weights<T>(s, x.data(), dense.data(), expected_dw.data(), expected_db.data());
  conv_backward_data<T>(s, dense.data(), w.data(), expected_dx.data());

  const GuardedArray<T> dw(s.w_size(), misalignment), db(s.oc), dx(s.x_size(), misalignment);
  conv_max_pool_backward_weights<T>(s, x.data(), dy.data(), winner.data(), dw.data(), db.data());
  conv_max_pool_backward_data<T>(s, dy.data(), winner.data(), w.data(), dx.data());
  ASSERT_TRUE(dw.intact() && db.intact() && dx.intact() && dy.intact() && winner.intact());
  ASSERT_EQ(dw.values(), expected_dw);
  ASSERT_EQ(db.values(), expected_db);
  ASSERT_EQ(dx.values(), expected_dx);
  const GuardedArray<T> dw_alone(s.w_size(), misalignment);
  conv_max_pool_backward_weights<T>(s, x.data(), dy.data(), winner.data(), dw_alone.data(),
                                    nullptr);
  ASSERT_EQ(dw_alone.values(), expected_dw);
}

class ConvPoolTest : public EachSimd {};
NNKERNELS_EACH_SIMD(ConvPoolTest);

TEST_P(ConvPoolTest, AgreesWithTheLayersOneByOne) {
  std::int64_t misalignment = 0;
  for (const ConvShape& s : shapes()) {
    SCOPED_TRACE(testing::Message() << s.ih << "x" << s.iw << "x" << s.ic << " -> " << s.oc << ", "
                                    << s.kh << "x" << s.kw);
    for (const Activation activation : {Activation::identity, Activation::relu}) {
      check_agrees<float>(s, activation, misalignment++ % 3);
      check_agrees<double>(s, activation, misalignment++ % 3);
    }
  }
}

/// Batches whose gradients of the weights are summed in several pieces.
std::vector<ConvShape> large_batches() {
  return {{.n = 75, .ih = 28, .iw = 28, .ic = 1, .oc = 30, .kh = 5, .kw = 5},
          {.n = 40, .ih = 12, .iw = 12, .ic = 24, .oc = 32, .kh = 3, .kw = 3},
          {.n = 20, .ih = 70, .iw = 28, .ic = 1, .oc = 5, .kh = 5, .kw = 5}};
}

TEST_P(ConvPoolTest, AgreesWithTheLayersOnLargeBatches) {
  for (const ConvShape& s : large_batches()) check_agrees<float>(s, Activation::relu, 1);
}

TEST_P(ConvPoolTest, TakesTheActivationOfTheLargest) {
  const ConvShape s{.n = 1, .ih = 6, .iw = 6, .ic = 1, .oc = 19, .kh = 3, .kw = 3};
  Values values(3);
  const std::vector<float> x = values.uniforms<float>(s.x_size(), -1, 1);
  const std::vector<float> w = values.uniforms<float>(s.w_size(), -1, 1);
  for (const Activation kind : {Activation::sigmoid, Activation::tanh}) {
    const Epilogue<float> epilogue{.activation = kind};
    std::vector<float> dense(static_cast<std::size_t>(s.y_size()));
    std::vector<float> y(dense.size() / 4), expected(y.size());
    conv_forward<float>(s, x.data(), w.data(), dense.data(), epilogue);
    max_pool_forward<float>(pool_shape(s), dense.data(), expected.data(), nullptr);
    conv_max_pool_forward<float>(s, x.data(), w.data(), y.data(), nullptr, epilogue);
    EXPECT_TRUE(same_bits(y, expected));
  }
}

/// Reals, whose sums show the order in which they are added: many channels, padding, few columns.
template <class T>
void check_same_sums(const ConvShape& s) {
  Values values(5);
  const std::vector<T> x = values.uniforms<T>(s.x_size(), -1, 1);
  const std::vector<T> w = values.uniforms<T>(s.w_size(), T{-0.1}, T{0.1});
  const std::vector<T> bias = values.uniforms<T>(s.oc, -1, 1);
  std::vector<T> dense(static_cast<std::size_t>(s.y_size()));
  const PoolShape pool = pool_shape(s);
  std::vector<T> y(static_cast<std::size_t>(pool.y_size())), expected(y.size());
  for (const Activation kind : {Activation::identity, Activation::relu, Activation::tanh}) {
    const Epilogue<T> epilogue{.bias = bias.data(), .activation = kind};
    conv_forward<T>(s, x.data(), w.data(), dense.data(), epilogue);
    max_pool_forward<T>(pool, dense.data(), expected.data(), nullptr);
    conv_max_pool_forward<T>(s, x.data(), w.data(), y.data(), nullptr, epilogue);
    ASSERT_TRUE(same_bits(y, expected)) << static_cast<int>(kind);
  }
}

TEST_P(ConvPoolTest, SumsInTheOrderOfTheConvolution) {
  for (const ConvShape& s :
       {ConvShape{.n = 1, .ih = 8, .iw = 8, .ic = 300, .oc = 5, .kh = 3, .kw = 3},
        ConvShape{.n = 2,
        .ih = 5,
        .iw = 7,
        .ic = 130,
        .oc = 33,
        .kh = 3,
        .kw = 3,
        .pad_h = 1,
        .pad_w = 1},
        ConvShape{.n = 2, .ih = 40, .iw = 12, .ic = 1, .oc = 5, .kh = 5, .kw = 5},
        ConvShape{.n = 2, .ih = 40, .iw = 12, .ic = 1, .oc = 3, .kh = 3, .kw = 3},
        ConvShape{.n = 1, .ih = 6, .iw = 30, .ic = 520, .oc = 17, .kw = 2}}) {
    check_same_sums<float>(s);
    check_same_sums<double>(s);
  }
}

TEST_P(ConvPoolTest, NanWins) {
  const ConvShape s{.n = 1, .ih = 4, .iw = 4, .ic = 1, .oc = 16};
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> x(16, 1.0f);
  x[5] = nan;  // row 1, column 1: the last pixel of the first window
  x[2] = nan;  // row 0, column 2: the first pixel of the second window
  const std::vector<float> w(16, 1.0f);
  std::vector<float> y(64);
  std::vector<std::uint8_t> winner(64);
  conv_max_pool_forward<float>(s, x.data(), w.data(), y.data(), winner.data(),
                               {.activation = Activation::relu});
  for (std::size_t c = 0; c < 16; ++c) {
    EXPECT_TRUE(std::isnan(y[c]) && winner[c] == 3);
    EXPECT_TRUE(std::isnan(y[16 + c]) && winner[16 + c] == 0);
    EXPECT_TRUE(y[32 + c] == 1.0f && winner[32 + c] == 0);
  }
}

TEST_P(ConvPoolTest, NanWinsInFirstLayersAsInThePool) {
  for (const std::int64_t oc : {4, 20}) {
    const ConvShape s{.n = 2, .ih = 12, .iw = 13, .ic = 1, .oc = oc, .kh = 3, .kw = 3};
    Values values(6);
    std::vector<float> x = values.uniforms<float>(s.x_size(), -1, 1);
    const std::vector<float> w = values.uniforms<float>(s.w_size(), -1, 1);
    x[40] = std::numeric_limits<float>::quiet_NaN();
    x[200] = std::numeric_limits<float>::infinity();
    std::vector<float> dense(static_cast<std::size_t>(s.y_size()));
    std::vector<float> expected(static_cast<std::size_t>(pool_shape(s).y_size()));
    std::vector<float> y(expected.size());
    std::vector<std::int32_t> argmax(expected.size());
    std::vector<std::uint8_t> winner(expected.size());
    conv_forward<float>(s, x.data(), w.data(), dense.data());
    max_pool_forward<float>(pool_shape(s), dense.data(), expected.data(), argmax.data());
    conv_max_pool_forward<float>(s, x.data(), w.data(), y.data(), winner.data());
    for (std::size_t i = 0; i < y.size(); ++i) {
      EXPECT_EQ(winner[i], argmax[i]) << i;
      EXPECT_TRUE(y[i] == expected[i] || (std::isnan(y[i]) && std::isnan(expected[i]))) << i;
    }
    EXPECT_GT(std::count_if(y.begin(), y.end(), [](float v) { return std::isnan(v); }), 0);
  }
}

TEST_P(ConvPoolTest, SameBitsForAnyNumberOfThreads) {
  for (const ConvShape& s : large_batches()) {
    Values values(4);
    const std::int64_t pooled = pool_shape(s).y_size();
    const std::vector<float> x = values.uniforms<float>(s.x_size(), -1, 1);
    const std::vector<float> w = values.uniforms<float>(s.w_size(), -1, 1);
    const std::vector<float> dy = values.uniforms<float>(pooled, -1, 1);
    expect_same_bits_for_threads([&] {
      std::vector<float> y(static_cast<std::size_t>(pooled)), dw(w.size()), dx(x.size());
      std::vector<float> db(static_cast<std::size_t>(s.oc));
      std::vector<std::uint8_t> winner(y.size());
      conv_max_pool_forward<float>(s, x.data(), w.data(), y.data(), winner.data());
      conv_max_pool_backward_weights<float>(s, x.data(), dy.data(), winner.data(), dw.data(),
                                            db.data());
      conv_max_pool_backward_data<float>(s, dy.data(), winner.data(), w.data(), dx.data());
      for (const auto* part : {&dw, &db, &dx}) y.insert(y.end(), part->begin(), part->end());
      return y;
    });
  }
}

TEST(ConvPool, RefusesBadArguments) {
  const ConvShape small{.ih = 3, .iw = 3, .kh = 3, .kw = 3};
  float x[9] = {}, w[9] = {}, y[1];
  expect_invalid_argument([&] { conv_max_pool_forward<float>(small, x, w, y, nullptr); },
                          {"no 2x2 window"});
  expect_invalid_argument(
      [&] { conv_max_pool_backward_weights<float>(small, x, y, nullptr, w, nullptr); },
      {"no 2x2 window"});
  const ConvShape good{.ih = 3, .iw = 3, .kh = 2, .kw = 2};
  ConvShape grouped = good;
  grouped.ic = grouped.oc = grouped.groups = 2;
  expect_invalid_argument([&] { conv_max_pool_forward<float>(grouped, x, w, y, nullptr); },
                          {"conv_max_pool_forward", "groups must be 1, got 2"});
  expect_invalid_argument([&] { conv_max_pool_forward<float>(good, nullptr, w, y, nullptr); },
                          {"x is a null pointer"});
  expect_invalid_argument(
      [&] { conv_max_pool_backward_weights<float>(good, x, y, nullptr, w, nullptr); },
      {"winner is a null pointer"});
  expect_invalid_argument([&] { conv_max_pool_backward_data<float>(good, y, nullptr, w, x); },
                          {"winner is a null pointer"});
}

TEST(ConvPool, AnEmptyBatchHasZeroGradients) {
  const ConvShape s{.n = 0, .ih = 4, .iw = 4, .oc = 2};
  float dw[2] = {1, 1}, db[2] = {1, 1};
  conv_max_pool_backward_weights<float>(s, nullptr, nullptr, nullptr, dw, db);
  EXPECT_TRUE(dw[0] == 0 && dw[1] == 0 && db[0] == 0 && db[1] == 0);
}

}  // namespace
}  // namespace nnkernels
