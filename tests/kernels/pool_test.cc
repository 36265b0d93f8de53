#include "kernels/pool.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "tests/support/each_simd.h"
#include "tests/support/expect.h"
#include "tests/support/guarded_array.h"
#include "tests/support/precision.h"
#include "tests/support/values.h"

namespace nnkernels {
namespace {

void print_shape(const PoolShape& s, testing::Message& out) {
  out << "images " << s.n << "x" << s.ih << "x" << s.iw << "x" << s.c << " kernel " << s.kh << "x"
      << s.kw << " stride " << s.stride_h << "x" << s.stride_w << " pad " << s.pad_h << "x"
      << s.pad_w;
}

/// Calls visit(y index, x index or -1 outside the image, position in the window) for every pixel
/// of every window, in the order of the documentation.
template <class Visit>
void for_window_pixels(const PoolShape& s, const Visit& visit) {
  for (std::int64_t out = 0; out < s.y_size(); ++out) {
    const std::int64_t c = out % s.c, j = out / s.c % s.ow(), i = out / s.c / s.ow() % s.oh();
    const std::int64_t image = out / s.c / s.ow() / s.oh();
    for (std::int64_t position = 0; position < s.kh * s.kw; ++position) {
      const std::int64_t h = i * s.stride_h - s.pad_h + position / s.kw;
      const std::int64_t w = j * s.stride_w - s.pad_w + position % s.kw;
      const bool inside = h >= 0 && h < s.ih && w >= 0 && w < s.iw;
      visit(out, inside ? ((image * s.ih + h) * s.iw + w) * s.c + c : -1, position);
    }
  }
}

template <class T>
struct MaxReference {
  MaxReference(const PoolShape& s, const T* x)
      : y(static_cast<std::size_t>(s.y_size())), argmax(y.size(), -1) {
    for_window_pixels(s, [&](std::int64_t out, std::int64_t in, std::int64_t position) {
      if (in < 0) return;
      const auto at = static_cast<std::size_t>(out);
      const bool first = argmax[at] < 0;
      if (first || x[in] > y[at] || (std::isnan(x[in]) && !std::isnan(y[at]))) {
        y[at] = x[in];
        argmax[at] = static_cast<std::int32_t>(position);
      }
    });
  }
  std::vector<T> y;
  std::vector<std::int32_t> argmax;
};

/// The number an average divides by, for each element of y.
std::vector<std::int64_t> divisors(const PoolShape& s, PoolDivisor divisor) {
  std::vector<std::int64_t> count(static_cast<std::size_t>(s.y_size()), 0);
  for_window_pixels(s, [&](std::int64_t out, std::int64_t in, std::int64_t) {
    count[static_cast<std::size_t>(out)] += divisor == PoolDivisor::window || in >= 0;
  });
  return count;
}

/// Small integers, so that ties are frequent and sums exact, with a NaN and an infinity now and
/// then.
template <class T>
std::vector<T> tricky_values(std::int64_t size, bool only_finite) {
  Values values(static_cast<std::uint64_t>(size));
  std::vector<T> x = values.integers<T>(size, -4, 4);
  for (T& v : x) {
    if (only_finite) break;
    const std::int64_t dice = values.integer(0, 40);
    if (dice == 0) v = std::numeric_limits<T>::quiet_NaN();
    if (dice == 1) v = std::numeric_limits<T>::infinity();
    if (dice == 2) v = -std::numeric_limits<T>::infinity();
  }
  return x;
}

template <class T>
void check_max(const PoolShape& s, std::int64_t misalignment) {
  const GuardedArray<T> x(tricky_values<T>(s.x_size(), false), misalignment);
  const GuardedArray<T> y(s.y_size(), misalignment + 1), y_alone(s.y_size());
  const GuardedArray<std::int32_t> argmax(s.y_size(), misalignment);
  max_pool_forward(s, x.data(), y.data(), argmax.data());
  max_pool_forward(s, x.data(), y_alone.data(), nullptr);
  const MaxReference<T> expected(s, x.data());
  ASSERT_TRUE(x.intact() && y.intact() && argmax.intact() && y_alone.intact());
  ASSERT_TRUE(same_bits(y.values(), expected.y));
  ASSERT_TRUE(same_bits(y_alone.values(), expected.y));
  ASSERT_EQ(argmax.values(), expected.argmax);

  const GuardedArray<T> dy(tricky_values<T>(s.y_size(), true), misalignment);
  const GuardedArray<T> dx(s.x_size(), misalignment);
  max_pool_backward(s, dy.data(), argmax.data(), dx.data());
  std::vector<T> expected_dx(static_cast<std::size_t>(s.x_size()), 0);
  for_window_pixels(s, [&](std::int64_t out, std::int64_t in, std::int64_t position) {
    if (position == argmax[out]) expected_dx[static_cast<std::size_t>(in)] += dy[out];
  });
  ASSERT_TRUE(dy.intact() && argmax.intact() && dx.intact());
  ASSERT_EQ(dx.values(), expected_dx);
}

template <class T>
void check_average(const PoolShape& s, PoolDivisor divisor, std::int64_t misalignment) {
  const std::vector<std::int64_t> count = divisors(s, divisor);
  const GuardedArray<T> x(tricky_values<T>(s.x_size(), true), misalignment);
  const GuardedArray<T> y(s.y_size(), misalignment);
  average_pool_forward(s, divisor, x.data(), y.data());
  std::vector<T> sum(static_cast<std::size_t>(s.y_size()), 0);
  for_window_pixels(s, [&](std::int64_t out, std::int64_t in, std::int64_t) {
    if (in >= 0) sum[static_cast<std::size_t>(out)] += x[in];
  });
  ASSERT_TRUE(x.intact() && y.intact());
  for (std::int64_t i = 0; i < s.y_size(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    ASSERT_EQ(y[i], sum[at] / static_cast<T>(count[at]));
  }

  // Gradients that the divisor divides: then everything is exact, and the adjoint identity
  // <average(x), dy> = <x, backward(dy)> too.
  std::vector<T> dy_values = tricky_values<T>(s.y_size(), true);
  for (std::size_t i = 0; i < dy_values.size(); ++i) dy_values[i] *= static_cast<T>(count[i]);
  const GuardedArray<T> dy(dy_values, misalignment + 1), dx(s.x_size(), misalignment);
  average_pool_backward(s, divisor, dy.data(), dx.data());
  std::vector<T> expected_dx(static_cast<std::size_t>(s.x_size()), 0);
  for_window_pixels(s, [&](std::int64_t out, std::int64_t in, std::int64_t) {
    if (in < 0) return;
    expected_dx[static_cast<std::size_t>(in)] +=
        dy[out] / static_cast<T>(count[static_cast<std::size_t>(out)]);
  });
  ASSERT_TRUE(dy.intact() && dx.intact());
  ASSERT_EQ(dx.values(), expected_dx);
  double forward = 0, backward = 0;
  for (std::int64_t i = 0; i < s.y_size(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    forward += static_cast<double>(sum[at]) * (dy[i] / static_cast<T>(count[at]));
  }
  for (std::int64_t i = 0; i < s.x_size(); ++i) backward += static_cast<double>(x[i]) * dx[i];
  ASSERT_EQ(forward, backward);
}

void check_shape(const PoolShape& s, std::int64_t misalignment) {
  testing::Message name;
  print_shape(s, name);
  SCOPED_TRACE(name << " misalignment " << misalignment);
  check_max<float>(s, misalignment);
  check_max<double>(s, misalignment);
  for (const PoolDivisor divisor : {PoolDivisor::inside, PoolDivisor::window}) {
    check_average<float>(s, divisor, misalignment);
    check_average<double>(s, divisor, misalignment);
  }
}

class PoolTest : public EachSimd {};
NNKERNELS_EACH_SIMD(PoolTest);

TEST_P(PoolTest, AgreesWithReferenceForEveryNumberOfChannels) {
  for (std::int64_t c = 1; c <= 67; ++c) {
    check_shape({.n = 2, .ih = 4, .iw = 6, .c = c, .kh = 2, .kw = 2, .stride_h = 2, .stride_w = 2},
                c % 4);
    check_shape({.n = 1, .ih = 5, .iw = 4, .c = c, .kh = 3, .kw = 2, .pad_h = 1}, c % 3);
    check_shape({.n = 1,
                 .ih = 5,
                 .iw = 6,
                 .c = c,
                 .kh = 3,
                 .kw = 3,
                 .stride_h = 2,
                 .stride_w = 2,
                 .pad_h = 1,
                 .pad_w = 1},
                c % 5);
  }
}

TEST_P(PoolTest, AgreesWithReferenceForEveryWindow) {
  // Overlaps, gaps, borders that no window reaches, one-sided kernels, global pooling.
  for (const std::int64_t ih : {1, 2, 5, 7}) {
    for (const std::int64_t kh : {1, 2, 3}) {
      for (const std::int64_t stride : {1, 2, 3, 4}) {
        for (std::int64_t pad = 0; 2 * pad <= kh; ++pad) {
          if (kh > ih + 2 * pad) continue;
          for (const std::int64_t c : {1, 5}) {
            check_shape({.n = 2,
                         .ih = ih,
                         .iw = 6,
                         .c = c,
                         .kh = kh,
                         .kw = 2,
                         .stride_h = stride,
                         .stride_w = 5 - stride,
                         .pad_h = pad,
                         .pad_w = pad > 0 ? 1 : 0},
                        pad);
            check_shape({.n = 2,
                         .ih = 6,
                         .iw = ih,
                         .c = c,
                         .kh = 2,
                         .kw = kh,
                         .stride_h = 2,
                         .stride_w = stride,
                         .pad_h = 0,
                         .pad_w = pad},
                        pad);
          }
        }
      }
    }
  }
  check_shape({.n = 3, .ih = 7, .iw = 7, .c = 20, .kh = 7, .kw = 7}, 0);
}

template <class T>
void check_ties_and_nan() {
  const T nan = std::numeric_limits<T>::quiet_NaN();
  const T inf = std::numeric_limits<T>::infinity();
  const PoolShape s = {.ih = 2, .iw = 2, .c = 1, .kh = 2, .kw = 2};
  const auto winner = [&](std::vector<T> x) {
    T y = 0;
    std::int32_t argmax = -1;
    max_pool_forward(s, x.data(), &y, &argmax);
    EXPECT_TRUE(y == x[static_cast<std::size_t>(argmax)] || std::isnan(y));
    return argmax;
  };
  EXPECT_EQ(winner({1, 1, 1, 1}), 0);
  EXPECT_EQ(winner({0, 1, 1, 1}), 1);
  EXPECT_EQ(winner({T{-0.0}, 0, 0, 0}), 0);
  EXPECT_EQ(winner({-inf, -inf, -inf, -inf}), 0);
  EXPECT_EQ(winner({1, inf, inf, 3}), 1);
  EXPECT_EQ(winner({inf, nan, 1, nan}), 1);
  EXPECT_EQ(winner({1, 2, 3, nan}), 3);
  EXPECT_EQ(winner({nan, inf, 3, 4}), 0);
}

TEST_P(PoolTest, FirstWinsATieAndNanWinsOverAll) {
  check_ties_and_nan<float>();
  check_ties_and_nan<double>();
}

TEST_P(PoolTest, PositionsInLargeWindows) {
  // Beyond 2^15 positions, the winner last.
  const PoolShape s = {.ih = 200, .iw = 300, .c = 2, .kh = 200, .kw = 300};
  std::vector<float> x(static_cast<std::size_t>(s.x_size()), 1.0f), y(2);
  x[x.size() - 2] = 2;
  std::vector<std::int32_t> argmax(2);
  max_pool_forward(s, x.data(), y.data(), argmax.data());
  EXPECT_EQ(argmax, (std::vector<std::int32_t>{59999, 0}));
}

TEST_P(PoolTest, BackwardIsTheDerivative) {
  // Distinct values a whole unit apart, so that no step of the difference changes a winner.
  const PoolShape s = {.n = 1,
                       .ih = 5,
                       .iw = 5,
                       .c = 3,
                       .kh = 3,
                       .kw = 3,
                       .stride_h = 2,
                       .stride_w = 2,
                       .pad_h = 1,
                       .pad_w = 1};
  constexpr double kStep = 1e-5;
  const auto size = static_cast<std::size_t>(s.x_size());
  std::vector<double> x(size), dx_max(size), dx_average(size);
  for (std::size_t i = 0; i < size; ++i) x[i] = static_cast<double>(i * 29 % size);
  std::vector<double> y(static_cast<std::size_t>(s.y_size()));
  std::vector<std::int32_t> argmax(y.size());
  const std::vector<double> dy = Values(9).uniforms<double>(s.y_size(), -1, 1);
  max_pool_forward(s, x.data(), y.data(), argmax.data());
  max_pool_backward(s, dy.data(), argmax.data(), dx_max.data());
  average_pool_backward(s, PoolDivisor::inside, dy.data(), dx_average.data());
  const auto weighted = [&] {
    double sum = 0;
    for (std::size_t i = 0; i < y.size(); ++i) sum += dy[i] * y[i];
    return sum;
  };
  for (std::size_t i = 0; i < size; ++i) {
    double max_change = 0, average_change = 0;
    for (const double sign : {1.0, -1.0}) {
      const double before = x[i];
      x[i] += sign * kStep;
      max_pool_forward<double>(s, x.data(), y.data(), nullptr);
      max_change += sign * weighted();
      average_pool_forward(s, PoolDivisor::inside, x.data(), y.data());
      average_change += sign * weighted();
      x[i] = before;
    }
    EXPECT_NEAR(dx_max[i], max_change / (2 * kStep), 1e-8);
    EXPECT_NEAR(dx_average[i], average_change / (2 * kStep), 1e-8);
  }
}

TEST_P(PoolTest, SameBitsForAnyNumberOfThreads) {
  for (const std::int64_t stride : {1, 2, 3}) {
    const PoolShape s = {.n = 5,
                         .ih = 25,
                         .iw = 24,
                         .c = 30,
                         .kh = 2,
                         .kw = 2,
                         .stride_h = stride,
                         .stride_w = stride};
    const std::vector<float> x = Values(10).uniforms<float>(s.x_size(), -1, 1);
    const std::vector<float> dy = Values(11).uniforms<float>(s.y_size(), -1, 1);
    std::vector<float> y(dy.size()), dx(x.size());
    std::vector<std::int32_t> argmax(dy.size());
    expect_same_bits_for_threads([&] {
      max_pool_forward(s, x.data(), y.data(), argmax.data());
      return y;
    });
    expect_same_bits_for_threads([&] {
      max_pool_backward(s, dy.data(), argmax.data(), dx.data());
      return dx;
    });
    expect_same_bits_for_threads([&] {
      average_pool_forward(s, PoolDivisor::window, x.data(), y.data());
      return y;
    });
    expect_same_bits_for_threads([&] {
      average_pool_backward(s, PoolDivisor::window, dy.data(), dx.data());
      return dx;
    });
  }
}

TEST(PoolArgumentsTest, BadOnesAreRefused) {
  const PoolShape good = {.n = 2, .ih = 6, .iw = 7, .c = 3, .kh = 2, .kw = 3};
  std::vector<float> x(static_cast<std::size_t>(good.x_size()));
  std::vector<std::int32_t> argmax(x.size());
  const auto refused = [&](const auto& change, const char* part) {
    PoolShape bad = good;
    change(bad);
    expect_invalid_argument([&] { max_pool_forward<float>(bad, x.data(), x.data(), nullptr); },
                            {"max_pool_forward", part, "got images ["});
  };
  refused([](PoolShape& s) { s.n = -1; }, "[-1][6][7][3]");
  refused([](PoolShape& s) { s.ih = 0; }, "[2][0][7][3]");
  refused([](PoolShape& s) { s.c = 0; }, "sizes");
  refused([](PoolShape& s) { s.kw = 0; }, "kernel 2x0");
  refused([](PoolShape& s) { s.stride_h = 0; }, "stride 0x1");
  refused([](PoolShape& s) { s.pad_h = 2; }, "pad 2x0");
  refused([](PoolShape& s) { s.pad_w = -1; }, "pad 0x-1");
  refused([](PoolShape& s) { s.kh = 7; }, "larger than the padded image");
  const PoolShape huge = {.ih = 70000, .iw = 70000, .kh = 70000, .kw = 70000};
  expect_invalid_argument([&] { max_pool_forward<float>(huge, x.data(), x.data(), nullptr); },
                          {"2^31 - 1", "70000x70000"});
  expect_invalid_argument([&] { max_pool_forward<float>(good, nullptr, x.data(), argmax.data()); },
                          {"x is null"});
  expect_invalid_argument([&] { max_pool_backward<float>(good, x.data(), nullptr, x.data()); },
                          {"max_pool_backward", "argmax is null"});
  expect_invalid_argument(
      [&] { average_pool_forward<float>(good, PoolDivisor::inside, x.data(), nullptr); },
      {"average_pool_forward", "y is null"});
  expect_invalid_argument(
      [&] { average_pool_backward<float>(good, PoolDivisor::inside, nullptr, x.data()); },
      {"average_pool_backward", "dy is null"});
  PoolShape none = good;
  none.n = 0;
  max_pool_forward<float>(none, nullptr, nullptr, nullptr);
  max_pool_backward<float>(none, nullptr, nullptr, nullptr);
}

}  // namespace
}  // namespace nnkernels
