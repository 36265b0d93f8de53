#include "kernels/update.h"

#include <algorithm>
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

class UpdateTest : public EachSimd {};
NNKERNELS_EACH_SIMD(UpdateTest);

/// The arrays of one step, before it.
template <class T>
struct Start {
  explicit Start(std::int64_t size) {
    Values values(static_cast<std::uint64_t>(size) + 1);
    g = values.uniforms<T>(size, -1, 1);
    m = values.uniforms<T>(size, -1, 1);
    v = values.uniforms<T>(size, 0, 1);
    w = values.uniforms<T>(size, -1, 1);
  }
  std::vector<T> g, m, v, w;
};

template <class T>
void check_step(std::int64_t size, std::int64_t misalignment) {
  SCOPED_TRACE(testing::Message() << "size " << size << " misalignment " << misalignment);
  const Start<T> start(size);
  const GuardedArray<T> g(start.g, misalignment);
  const T lr = T{0.1}, momentum = T{0.9};
  const AdamStep<T> adam = {
      .lr = T{0.01}, .beta1 = T{0.9}, .beta2 = T{0.999}, .epsilon = T{1e-8}, .step = 3};
  {
    const GuardedArray<T> w(start.w, 1);
    sgd_update(size, lr, g.data(), w.data());
    ASSERT_TRUE(g.intact() && w.intact());
    for (std::int64_t i = 0; i < size; ++i) {
      const long double exact =
          start.w[static_cast<std::size_t>(i)] - static_cast<long double>(lr) * g[i];
      ASSERT_NEAR(w[i], exact, gamma<T>(2) * 1.2);
    }
  }
  {
    const GuardedArray<T> v(start.m, misalignment), w(start.w);
    momentum_update(size, lr, momentum, g.data(), v.data(), w.data());
    ASSERT_TRUE(v.intact() && w.intact());
    for (std::int64_t i = 0; i < size; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const long double exact =
          static_cast<long double>(momentum) * start.m[at] + static_cast<long double>(g[i]);
      ASSERT_NEAR(v[i], exact, gamma<T>(3) * 2);
      ASSERT_NEAR(w[i], start.w[at] - static_cast<long double>(lr) * v[i], gamma<T>(2) * 1.2);
    }
  }
  {
    const GuardedArray<T> v(start.m, misalignment), w(start.w);
    nesterov_update(size, lr, momentum, g.data(), v.data(), w.data());
    ASSERT_TRUE(v.intact() && w.intact());
    for (std::int64_t i = 0; i < size; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const long double ahead =
          static_cast<long double>(momentum) * v[i] + static_cast<long double>(g[i]);
      ASSERT_NEAR(v[i], momentum * static_cast<long double>(start.m[at]) + g[i], gamma<T>(3) * 2);
      ASSERT_NEAR(w[i], start.w[at] - lr * ahead, gamma<T>(4) * 1.4);
    }
  }
  for (const bool forgets : {false, true}) {
    const GuardedArray<T> v(start.v, misalignment), w(start.w);
    const T alpha = T{0.75}, epsilon = T{1e-3};
    if (forgets) rmsprop_update(size, lr, alpha, epsilon, g.data(), v.data(), w.data());
    if (!forgets) adagrad_update(size, lr, epsilon, g.data(), v.data(), w.data());
    ASSERT_TRUE(v.intact() && w.intact());
    for (std::int64_t i = 0; i < size; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const long double square = static_cast<long double>(g[i]) * g[i];
      const long double exact =
          forgets ? 0.75L * start.v[at] + 0.25L * square : start.v[at] + square;
      ASSERT_NEAR(v[i], exact, gamma<T>(5) * exact);
      const long double step = lr * static_cast<long double>(g[i]) / (std::sqrt(exact) + epsilon);
      ASSERT_NEAR(w[i], start.w[at] - step, gamma<T>(12) * (std::abs(step) + 1));
    }
  }
  const GuardedArray<T> m(start.m, misalignment), v(start.v, 2), w(start.w, misalignment);
  adam_update(size, adam, g.data(), m.data(), v.data(), w.data());
  ASSERT_TRUE(g.intact() && m.intact() && v.intact() && w.intact());
  for (std::int64_t i = 0; i < size; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const long double beta1 = adam.beta1, beta2 = adam.beta2;
    const long double exact_m = beta1 * start.m[at] + (1 - beta1) * g[i];
    const long double exact_v = beta2 * start.v[at] + (1 - beta2) * g[i] * g[i];
    ASSERT_NEAR(m[i], exact_m, gamma<T>(4));
    ASSERT_NEAR(v[i], exact_v, gamma<T>(5) * exact_v);
    const long double step = adam.lr * (exact_m / (1 - std::pow(beta1, 3))) /
                             (std::sqrt(exact_v / (1 - std::pow(beta2, 3))) + adam.epsilon);
    const long double slack = gamma<T>(4) * adam.lr / (1 - std::pow(beta1, 3)) /
                              std::sqrt(exact_v / (1 - std::pow(beta2, 3)));
    ASSERT_NEAR(w[i], start.w[at] - step, gamma<T>(12) * (std::abs(step) + 1) + slack);
    // The place in the array does not matter.
    T m1 = start.m[at], v1 = start.v[at], w1 = start.w[at];
    adam_update(1, adam, &g[i], &m1, &v1, &w1);
    ASSERT_TRUE(m1 == m[i] && v1 == v[i] && w1 == w[i]);
  }
}

TEST_P(UpdateTest, AgreesWithReferenceAtEveryLengthAndAlignment) {
  for (std::int64_t size = 0; size <= 67; ++size) {
    for (const std::int64_t misalignment : {0, 1, 3}) {
      check_step<float>(size, misalignment);
      check_step<double>(size, misalignment);
    }
  }
  check_step<float>(40001, 1);
  check_step<double>(40001, 1);
}

/// Terms change g as their formula says, and w decays by what decoupled decay says, in every rule.
template <class T>
void check_terms(std::int64_t size) {
  const Start<T> start(size);
  const GradientTerms<T> terms = {.scale = T{0.5}, .limit = T{0.25}, .decay = T{0.125}};
  std::vector<T> changed(start.g.size());
  for (std::size_t i = 0; i < changed.size(); ++i) {
    const T clipped = std::clamp(start.g[i] / 2, T{-0.25}, T{0.25});
    changed[i] = std::fma(T{0.125}, start.w[i], clipped);
  }
  const AdamStep<T> adam = {
      .lr = T{0.5}, .beta1 = T{0.5}, .beta2 = T{0.5}, .epsilon = T{1e-3}, .step = 1};
  for (int rule = 0; rule < 6; ++rule) {
    const auto run = [&](const T* g, const GradientTerms<T>& with) {
      std::vector<T> m = start.m, v = start.v, w = start.w;
      const T lr = T{0.5}, factor = T{0.5}, epsilon = T{1e-3};
      if (rule == 0) sgd_update(size, lr, g, w.data(), with);
      if (rule == 1) momentum_update(size, lr, factor, g, m.data(), w.data(), with);
      if (rule == 2) nesterov_update(size, lr, factor, g, m.data(), w.data(), with);
      if (rule == 3) adagrad_update(size, lr, epsilon, g, v.data(), w.data(), with);
      if (rule == 4) rmsprop_update(size, lr, factor, epsilon, g, v.data(), w.data(), with);
      if (rule == 5) adam_update(size, adam, g, m.data(), v.data(), w.data(), with);
      return w;
    };
    const std::vector<T> with = run(start.g.data(), terms), expected = run(changed.data(), {});
    for (std::size_t i = 0; i < with.size(); ++i) {
      // Without fused multiply-adds the change of g is rounded once more.
      ASSERT_NEAR(with[i], expected[i], gamma<T>(16)) << rule << " at " << i;
    }
  }
  std::vector<T> m = start.m, v = start.v, w = start.w, m2 = m, v2 = v, w2 = w;
  AdamStep<T> decoupled = adam;
  decoupled.decay = T{0.25};
  adam_update(size, decoupled, start.g.data(), m.data(), v.data(), w.data());
  adam_update(size, adam, start.g.data(), m2.data(), v2.data(), w2.data());
  for (std::size_t i = 0; i < w.size(); ++i) {
    ASSERT_NEAR(w[i], w2[i] - T{0.125} * start.w[i], gamma<T>(8));
  }
}

TEST_P(UpdateTest, TermsChangeTheGradient) {
  for (const std::int64_t size : {1, 5, 40}) {
    check_terms<float>(size);
    check_terms<double>(size);
  }
}

TEST_P(UpdateTest, TermsKeepNan) {
  std::vector<float> g(40, std::numeric_limits<float>::quiet_NaN()), w(40, 1.0F);
  sgd_update(40, 0.5F, g.data(), w.data(), {.limit = 1});
  for (const float weight : w) EXPECT_TRUE(std::isnan(weight));
}

template <class T>
void check_outer(std::int64_t rows, std::int64_t cols) {
  Values values(static_cast<std::uint64_t>(rows * 100 + cols));
  const auto x = values.uniforms<T>(rows, -1, 1), y = values.uniforms<T>(cols, -1, 1);
  const auto start = values.uniforms<T>(rows * cols, -1, 1);
  const GuardedArray<T> w(start, 1), expected(start);
  std::vector<T> g;
  for (const T xi : x) {
    for (const T yj : y) g.push_back(xi * yj);
  }
  sgd_outer_update(rows, cols, T{0.3}, x.data(), y.data(), w.data());
  sgd_update(rows * cols, T{0.3}, g.data(), expected.data());
  ASSERT_TRUE(w.intact());
  for (std::int64_t i = 0; i < rows * cols; ++i) ASSERT_EQ(w[i], expected[i]) << i;
}

TEST_P(UpdateTest, OuterProductsAreNotWritten) {
  for (const std::int64_t cols : {1, 3, 10, 16, 33, 200}) {
    for (const std::int64_t rows : {0, 1, 7}) {
      check_outer<float>(rows, cols);
      check_outer<double>(rows, cols);
    }
  }
  check_outer<float>(500, 200);
}

TEST(SquaredNormTest, SumsInDouble) {
  std::vector<float> x(100003, 0.1F);
  const double exact = 100003 * (static_cast<double>(0.1F) * static_cast<double>(0.1F));
  EXPECT_NEAR(squared_norm(100003, x.data()), exact, exact * 1e-12);
  EXPECT_EQ(squared_norm<float>(0, nullptr), 0);
  x[77777] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(squared_norm(100003, x.data())));
  expect_same_bits_for_threads([] {
    Values values(3);
    const std::vector<double> random = values.uniforms<double>(100003, -1, 1);
    return std::vector<double>{squared_norm(100003, random.data())};
  });
}

TEST_P(UpdateTest, AdamsFirstStepIsTheLearningRate) {
  // m / (1 - beta1) = g and v / (1 - beta2) = g^2, so each weight moves by lr sign(g).
  const AdamStep<double> adam = {
      .lr = 0.001, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-16, .step = 1};
  const std::vector<double> g = {1e-3, -2, 50, -1e4, 0};
  std::vector<double> m(5), v(5), w(5);
  adam_update(5, adam, g.data(), m.data(), v.data(), w.data());
  EXPECT_NEAR(w[0], -0.001, 1e-15);
  EXPECT_NEAR(w[1], 0.001, 1e-15);
  EXPECT_NEAR(w[2], -0.001, 1e-15);
  EXPECT_NEAR(w[3], 0.001, 1e-15);
  EXPECT_EQ(w[4], 0);
}

template <class T>
void check_denormal_moments() {
  using Limits = std::numeric_limits<T>;
  const T nan = Limits::quiet_NaN();
  const AdamStep<T> adam = {
      .lr = T{0.01}, .beta1 = T{0.5}, .beta2 = T{0.5}, .epsilon = T{1e-8}, .step = 100};
  for (const std::int64_t size : {5, 40}) {
    const auto count = static_cast<std::size_t>(size);
    const std::vector<T> g(count, 0);
    std::vector<T> m(count, -Limits::min()), v(count, Limits::min()), w(count, 1);
    m[1] = 4 * Limits::min();
    v[2] = nan;
    m[3] = nan;
    adam_update(size, adam, g.data(), m.data(), v.data(), w.data());
    EXPECT_EQ(m[0], 0);
    EXPECT_EQ(v[0], 0);
    EXPECT_EQ(m[1], 2 * Limits::min());
    EXPECT_TRUE(std::isnan(v[2]) && std::isnan(w[2]));
    EXPECT_TRUE(std::isnan(m[3]) && std::isnan(w[3]));
    EXPECT_EQ(m[count - 1], 0);
    EXPECT_EQ(v[count - 1], 0);
    EXPECT_EQ(w[count - 1], 1);
  }
}

TEST_P(UpdateTest, AdamFlushesDenormalMomentsAndKeepsNan) {
  check_denormal_moments<float>();
  check_denormal_moments<double>();
}

/// Where epsilon is nothing, or tiny, small gradients count as much as large ones.
template <class T>
void check_tiny_gradients() {
  const T tiny = std::sqrt(std::numeric_limits<T>::min()) / 10;  // its square is denormal
  for (const T epsilon : {T{0}, tiny}) {
    const T divisor = epsilon == 0 ? 1 : 2;
    for (const std::int64_t size : {1, 40}) {
      const auto count = static_cast<std::size_t>(size);
      const std::vector<T> g(count, tiny);
      std::vector<T> v(count), w(count);
      adagrad_update(size, T{1}, epsilon, g.data(), v.data(), w.data());
      for (const T weight : w) EXPECT_NEAR(weight, -1 / divisor, 0.02);
      v.assign(count, 0);
      w.assign(count, 0);
      rmsprop_update(size, T{1}, T{0.75}, epsilon, g.data(), v.data(), w.data());
      for (const T weight : w) EXPECT_NEAR(weight, epsilon == 0 ? -2 : -1 / 1.5, 0.02);
      std::vector<T> m(count);
      v.assign(count, 0);
      w.assign(count, 0);
      const AdamStep<T> adam = {
          .lr = 1, .beta1 = T{0.5}, .beta2 = T{0.75}, .epsilon = epsilon, .step = 1};
      adam_update(size, adam, g.data(), m.data(), v.data(), w.data());
      for (const T weight : w) EXPECT_NEAR(weight, -1 / divisor, 0.02);
    }
  }
}

TEST_P(UpdateTest, TinyGradientsCountWhereEpsilonIsTiny) {
  check_tiny_gradients<float>();
  check_tiny_gradients<double>();
}

TEST_P(UpdateTest, SameBitsForAnyNumberOfThreads) {
  constexpr std::int64_t kSize = 100003;
  const Start<float> start(kSize);
  const AdamStep<float> adam = {
      .lr = 0.01f, .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f, .step = 7};
  expect_same_bits_for_threads([&] {
    std::vector<float> m = start.m, v = start.v, w = start.w;
    sgd_update(kSize, 0.1f, start.g.data(), w.data());
    momentum_update(kSize, 0.1f, 0.9f, start.g.data(), m.data(), w.data());
    nesterov_update(kSize, 0.1f, 0.9f, start.g.data(), m.data(), w.data());
    adagrad_update(kSize, 0.1f, 1e-8f, start.g.data(), v.data(), w.data());
    rmsprop_update(kSize, 0.1f, 0.9f, 1e-8f, start.g.data(), v.data(), w.data());
    adam_update(kSize, adam, start.g.data(), m.data(), v.data(), w.data());
    w.insert(w.end(), m.begin(), m.end());
    w.insert(w.end(), v.begin(), v.end());
    return w;
  });
}

TEST(UpdateArgumentsTest, BadOnesAreRefused) {
  float one = 1;
  AdamStep<float> adam = {.lr = 1, .beta1 = 0.5f, .beta2 = 0.5f, .epsilon = 1, .step = 1};
  const auto call_adam = [&] { adam_update(1, adam, &one, &one, &one, &one); };
  expect_invalid_argument([&] { sgd_update(-1, 0.1f, &one, &one); }, {"sgd_update", "size", "-1"});
  expect_invalid_argument([&] { sgd_update<float>(3, 0.1f, nullptr, &one); },
                          {"sgd_update", "g is null", "3"});
  expect_invalid_argument([&] { momentum_update<float>(3, 1, 1, &one, nullptr, &one); },
                          {"momentum_update", "m is null"});
  expect_invalid_argument([&] { adam_update<float>(3, adam, &one, &one, &one, nullptr); },
                          {"adam_update", "w is null"});
  adam.step = 0;
  expect_invalid_argument(call_adam, {"adam_update", "step >= 1", "step = 0"});
  adam.step = 1;
  adam.beta1 = 1;
  expect_invalid_argument(call_adam, {"adam_update", "beta1", "1.0"});
  adam.beta1 = 0;
  adam.beta2 = -0.5f;
  expect_invalid_argument(call_adam, {"adam_update", "beta2", "-0.5"});
  expect_invalid_argument([&] { rmsprop_update<float>(1, 1, 1, 1, &one, &one, &one); },
                          {"rmsprop_update", "alpha", "1.0"});
  expect_invalid_argument([&] { sgd_outer_update<float>(2, 2, 1, &one, nullptr, &one); },
                          {"sgd_outer_update", "y is null"});
  sgd_update<float>(0, 1, nullptr, nullptr);
}

}  // namespace
}  // namespace nnkernels
