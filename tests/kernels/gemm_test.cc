#include "kernels/gemm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/each_simd.h"
#include "tests/support/matrices.h"

namespace nnkernels {
namespace {

class GemmTest : public EachSimd {};
NNKERNELS_EACH_SIMD(GemmTest);

/// Every size around the edges of every tile: rows to 2 x 14 and beyond, columns to 2 vectors of 16
/// and beyond.
TEST_P(GemmTest, ExactAroundTileEdges) {
  std::uint32_t seed = 0;
  for (std::int64_t m = 1; m <= 31; ++m) {
    for (const std::int64_t n : {1,  2,  3,  4,  5,  7,  8,  9,  15,  16,  17,  30,
                                 31, 32, 33, 47, 48, 49, 64, 65, 127, 128, 129, 150}) {
      for (const std::int64_t k : {1, 2, 7}) check_exactly<float>({.m = m, .n = n, .k = k}, ++seed);
      check_exactly<double>({.m = m, .n = n, .k = 3}, ++seed);
    }
  }
}

TEST_P(GemmTest, ExactForRandomShapesLayoutsAndScalars) {
  std::mt19937 random(3);
  const auto pick = [&](auto... values) {
    const std::common_type_t<decltype(values)...> list[] = {values...};
    return list[random() % sizeof...(values)];
  };
  const auto layout = [&] {
    return pick(Layout::row_major, Layout::row_major, Layout::column_major, Layout::scattered);
  };
  for (std::uint32_t i = 0; i < 1500; ++i) {
    Case t{.m = static_cast<std::int64_t>(random() % 40),
           .n = static_cast<std::int64_t>(random() % 70),
           .k = static_cast<std::int64_t>(random() % 40)};
    if (i % 10 == 0) t.m = static_cast<std::int64_t>(random() % 300);
    if (i % 10 == 1) t.n = static_cast<std::int64_t>(random() % 300);
    if (i % 10 == 2) t.k = static_cast<std::int64_t>(random() % 1500);
    if (i % 10 == 3) t.m = 1;
    if (i % 10 == 4) t.n = 1;
    t.a = layout();
    t.b = layout();
    t.c = layout();
    t.alpha = pick(1, 1, 2, -1, 0);
    t.beta = pick(0, 0, 1, -2);
    t.bias = random() % 2 == 0;
    t.activation = pick(Activation::identity, Activation::relu);
    t.gap = static_cast<std::int64_t>(random() % 5);
    t.shift = static_cast<std::int64_t>(random() % 7);
    check_exactly<float>(t, i);
    if (i % 3 == 0) check_exactly<double>(t, i);
  }
}

/// More than one block of rows, columns (nc) and depth (kc), with A and B packed.
TEST_P(GemmTest, ExactAcrossCacheBlocks) {
  for (const auto layout : {Layout::row_major, Layout::column_major}) {
    check_exactly<float>({.m = 260,
                          .n = 310,
                          .k = 1030,
                          .a = layout,
                          .b = layout,
                          .alpha = 2,
                          .beta = -1,
                          .bias = true,
                          .activation = Activation::relu},
                         1);
    check_exactly<double>({.m = 130, .n = 150, .k = 700, .a = layout, .b = layout, .beta = 1}, 2);
  }
  check_exactly<float>({.m = 30, .n = 3300, .k = 40, .bias = true}, 3);
  check_exactly<float>({.m = 9, .n = 6500, .k = 20, .b = Layout::column_major}, 4);
  check_exactly<float>({.m = 1, .n = 5000, .k = 530}, 5);
  check_exactly<float>({.m = 2000, .n = 1, .k = 530}, 6);
  check_exactly<float>({.m = 2000, .n = 1, .k = 33, .a = Layout::column_major}, 7);
}

/// |error| <= gamma_(k + 3) * (|alpha| |A| |B| + |beta C| + |bias|) for any data (Higham), and
/// <= 8 u times that for data with zero mean.
template <class T>
void check_error(const Case& t) {
  SCOPED_TRACE(str(t));
  std::mt19937 random(17);
  std::normal_distribution<double> normal;
  const auto draw = [&] { return normal(random); };
  Matrix<T> a(t.m, t.k, t.a, t.gap, t.shift), b(t.k, t.n, t.b, t.gap, t.shift),
      c(t.m, t.n, t.c, t.gap, t.shift);
  a.fill(draw);
  b.fill(draw);
  c.fill(draw);
  const Reference want = reference<T>(static_cast<T>(t.alpha), a.view(), b.view(),
                                      static_cast<T>(t.beta), c.view(), static_cast<T*>(nullptr));
  gemm<T>(static_cast<T>(t.alpha), a.view(), b.view(), static_cast<T>(t.beta), c.view());
  const double u = std::numeric_limits<T>::epsilon() / 2;
  const double terms = static_cast<double>(t.k) + 3;
  const double gamma = terms * u / (1 - terms * u);
  for (std::int64_t i = 0; i < t.m; ++i) {
    for (std::int64_t j = 0; j < t.n; ++j) {
      const auto index = static_cast<std::size_t>(i * t.n + j);
      const double error = std::abs(static_cast<double>(c.view()(i, j)) - want.value[index]);
      ASSERT_LE(error, std::min(gamma, 8 * u) * want.size[index]) << i << ", " << j;
    }
  }
}

TEST_P(GemmTest, StaysWithinTheProvedErrorBound) {
  for (const std::int64_t k : {1, 2, 30, 300, 2000}) {
    for (const auto layout : {Layout::row_major, Layout::column_major}) {
      check_error<float>({.m = 33, .n = 37, .k = k, .a = layout, .b = layout});
      check_error<float>({.m = 15, .n = 50, .k = k, .b = layout, .alpha = 0.3, .beta = 1.7});
      check_error<float>({.m = 1, .n = 50, .k = k, .b = layout, .alpha = 0.3, .beta = 1.7});
      check_error<float>({.m = 50, .n = 1, .k = k, .a = layout});
    }
  }
}

TEST_P(GemmTest, SameBitsForAnyNumberOfThreadsAndAlignment) {
  std::mt19937 random(5);
  std::normal_distribution<double> normal;
  const auto draw = [&] { return normal(random); };
  for (const Case& t : {Case{.m = 129, .n = 77, .k = 600}, Case{.m = 3, .n = 900, .k = 65},
                        Case{.m = 400, .n = 300, .k = 100, .a = Layout::column_major},
                        Case{.m = 1, .n = 700, .k = 300}, Case{.m = 700, .n = 1, .k = 300}}) {
    SCOPED_TRACE(str(t));
    Matrix<float> a(t.m, t.k, t.a, 0, 0), b(t.k, t.n, t.b, 0, 0);
    a.fill(draw);
    b.fill(draw);
    std::vector<float> first;
    for (const int count : {1, 2, 3, 8}) {
      for (const std::int64_t shift : {0, 1, 5}) {
        const ForceThreads force(count);
        Matrix<float> a2(t.m, t.k, t.a, 0, shift), b2(t.k, t.n, t.b, 0, shift),
            c(t.m, t.n, t.c, 0, shift);
        for (std::int64_t i = 0; i < t.m; ++i) {
          for (std::int64_t p = 0; p < t.k; ++p) a2.view()(i, p) = a.view()(i, p);
        }
        for (std::int64_t p = 0; p < t.k; ++p) {
          for (std::int64_t j = 0; j < t.n; ++j) b2.view()(p, j) = b.view()(p, j);
        }
        gemm<float>(0.7f, a2.view(), b2.view(), 0.0f, c.view());
        const std::vector<float> got(c.view().data, c.view().data + t.m * t.n);
        if (first.empty()) first = got;
        EXPECT_EQ(got, first) << count << " threads, shift " << shift;
      }
    }
  }
}

TEST_P(GemmTest, SpecialValuesAsInTheBlas) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  for (const std::int64_t n : {1, 3, 40}) {
    for (const std::int64_t m : {1, 2, 20}) {
      std::vector<float> a(static_cast<std::size_t>(m * 4), 1.0f),
          b(static_cast<std::size_t>(4 * n), 1.0f), c(static_cast<std::size_t>(m * n), 5.0f);
      const MatrixView<float> a_view(a.data(), m, 4), b_view(b.data(), 4, n),
          c_view(c.data(), m, n);
      const auto all = [&](auto test) { return std::all_of(c.begin(), c.end(), test); };
      // alpha = 0 reads neither A nor B.
      a[0] = nan;
      b[0] = inf;
      gemm(0.0f, a_view, b_view, 3.0f, c_view);
      EXPECT_TRUE(all([](float x) { return x == 15.0f; }));
      gemm(0.0f, MatrixView<float>(nullptr, m, 4), MatrixView<float>(nullptr, 4, n), 0.0f, c_view);
      EXPECT_TRUE(all([](float x) { return x == 0.0f; }));
      // NaN reaches its row, and a zero in B does not stop it.
      std::fill(b.begin(), b.end(), 0.0f);
      gemm(1.0f, a_view, b_view, 0.0f, c_view, {nullptr, Activation::relu});
      for (std::int64_t j = 0; j < n; ++j) EXPECT_TRUE(std::isnan(c_view(0, j)));
      if (m > 1) {
        EXPECT_EQ(c_view(1, 0), 0.0f);
      }
      // Inf.
      std::fill(a.begin(), a.end(), 1.0f);
      b[0] = inf;
      gemm(1.0f, a_view, b_view, 0.0f, c_view);
      EXPECT_EQ(c_view(m - 1, 0), inf);
      // beta = 0 does not read C; beta != 0 does.
      std::fill(b.begin(), b.end(), 1.0f);
      std::fill(c.begin(), c.end(), nan);
      gemm(1.0f, a_view, b_view, 0.0f, c_view);
      EXPECT_TRUE(all([](float x) { return x == 4.0f; }));
      std::fill(c.begin(), c.end(), nan);
      gemm(1.0f, a_view, b_view, 1.0f, c_view);
      EXPECT_TRUE(all([](float x) { return std::isnan(x); }));
      // k = 0 scales C and applies the epilogue.
      std::fill(c.begin(), c.end(), -2.0f);
      const std::vector<float> bias(static_cast<std::size_t>(n), 1.0f);
      gemm(1.0f, MatrixView<float>(nullptr, m, 0), MatrixView<float>(nullptr, 0, n), 2.0f, c_view,
           {bias.data(), Activation::identity});
      EXPECT_TRUE(all([](float x) { return x == -3.0f; }));
      // Denormals are numbers.
      std::fill(a.begin(), a.end(), std::numeric_limits<float>::denorm_min());
      gemm(1.0f, a_view, b_view, 0.0f, c_view);
      EXPECT_EQ(c_view(0, 0), 4 * std::numeric_limits<float>::denorm_min());
    }
  }
}

TEST_P(GemmTest, SigmoidAndTanhEpiloguesAreTheActivationOfThePlainResult) {
  std::mt19937 random(3);
  std::uniform_real_distribution<double> uniform(-1, 1);
  for (const std::int64_t n : {1, 10, 77}) {
    Matrix<float> a(40, 1100, Layout::row_major, 0, 0), b(1100, n, Layout::row_major, 0, 0);
    a.fill([&] { return uniform(random) / 8; });
    b.fill([&] { return uniform(random); });
    const std::vector<float> bias(static_cast<std::size_t>(n), 0.25f);
    for (const Activation kind : {Activation::sigmoid, Activation::tanh}) {
      std::vector<float> fused(static_cast<std::size_t>(40 * n)), plain(fused.size());
      gemm(1.0f, a.view(), b.view(), 0.0f, MatrixView<float>(fused.data(), 40, n),
           {bias.data(), kind});
      gemm(1.0f, a.view(), b.view(), 0.0f, MatrixView<float>(plain.data(), 40, n),
           {bias.data(), Activation::identity});
      activation_forward(kind, 40 * n, plain.data(), plain.data());
      EXPECT_EQ(fused, plain);
    }
  }
}

TEST(Gemm, ManyThreadsMayCallAtOnce) {
  const ForceThreads force(3);
  std::vector<std::thread> callers;
  std::vector<int> wrong(8, 0);
  for (std::size_t caller = 0; caller < wrong.size(); ++caller) {
    callers.emplace_back([caller, &wrong] {
      const auto size = static_cast<std::int64_t>(20 + 9 * caller);
      std::vector<float> a(static_cast<std::size_t>(size * size), 1.0f), b(a.size(), 2.0f),
          c(a.size());
      for (int i = 0; i < 200; ++i) {
        gemm(1.0f, MatrixView<float>(a.data(), size, size), MatrixView<float>(b.data(), size, size),
             0.0f, MatrixView<float>(c.data(), size, size));
        for (const float x : c) wrong[caller] += x != 2.0f * static_cast<float>(size);
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(wrong, std::vector<int>(8, 0));
}

TEST(Gemm, ViewsOfOneMatrixThatDoNotOverlapAreFine) {
  std::vector<float> memory(6 * 10, 1.0f);
  const MatrixView<float> left(memory.data(), 6, 5, 10), right(memory.data() + 5, 5, 5, 10);
  std::vector<float> other(6 * 5, 1.0f);
  gemm(1.0f, MatrixView<float>(other.data(), 5, 6), left, 0.0f, right);
  EXPECT_EQ(right(0, 0), 6.0f);
  EXPECT_EQ(left(0, 0), 1.0f);
}

TEST(Gemm, RefusesBadArguments) {
  std::vector<float> memory(100, 1.0f);
  float* const p = memory.data();
  const auto message = [](MatrixView<float> a, MatrixView<float> b, MatrixView<float> c) {
    try {
      gemm(1.0f, a, b, 0.0f, c);
    } catch (const std::invalid_argument& error) {
      return std::string(error.what());
    }
    return std::string("no exception");
  };
  std::vector<float> result(100, 7.0f);
  float* const c = result.data();
  using View = MatrixView<float>;
  EXPECT_EQ(message(View(p, 2, 3), View(p, 4, 5), View(c, 2, 5)),
            "gemm: A's columns must be as many as B's rows (A is 2x3, B is 4x5, C is 2x5)");
  EXPECT_NE(message(View(p, 2, 3), View(p, 3, 5), View(c, 3, 5)).find("C must have as many rows"),
            std::string::npos);
  EXPECT_NE(
      message(View(p, 2, 3), View(p, 3, 5), View(c, 2, 4)).find("C must have as many columns"),
      std::string::npos);
  for (std::size_t i = 0; i < 6; ++i) {
    std::int64_t sizes[] = {2, 3, 3, 5, 2, 5};
    sizes[i] = -1;
    EXPECT_NE(message(View(p, sizes[0], sizes[1]), View(p, sizes[2], sizes[3]),
                      View(c, sizes[4], sizes[5]))
                  .find("a size is negative"),
              std::string::npos)
        << i;
  }
  EXPECT_NE(message(View(nullptr, 2, 3), View(p, 3, 5), View(c, 2, 5)).find("A is a null pointer"),
            std::string::npos);
  EXPECT_NE(message(View(p, 2, 3), View(nullptr, 3, 5), View(c, 2, 5)).find("B is a null pointer"),
            std::string::npos);
  EXPECT_NE(message(View(p, 2, 3), View(p, 3, 5), View(nullptr, 2, 5)).find("C is a null pointer"),
            std::string::npos);
  EXPECT_NE(message(View(p, 2, 3), View(p, 3, 5), View(c, 2, 5, 0)).find("share memory"),
            std::string::npos);
  EXPECT_NE(message(View(p, 3, 3), View(p, 3, 3), View(c, 3, 3, 2, 1)).find("share memory"),
            std::string::npos);
  constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
  EXPECT_NE(message(View(p, 2, 3), View(p, 3, 2), View(c + 50, 2, 2, kLeast, -1)).find("memory"),
            std::string::npos);
  EXPECT_NE(message(View(p, 2, 3), View(p, 3, 2), View(c, 2, 2, kLeast, kLeast)).find("memory"),
            std::string::npos);
  EXPECT_NE(message(View(p, 2, 3), View(p, 3, 2), View(c, 2, 2, kLeast, 1)).find("memory"),
            std::string::npos);
  EXPECT_NE(message(View(p, 2, 3, kLeast), View(p, 3, 2), View(c, 2, 2)).find("memory"),
            std::string::npos);
  // What a glance must not accept: in bytes the distance wraps around to a small one.
  constexpr std::int64_t kHalf = std::numeric_limits<std::int64_t>::max() / 2;
  for (const std::int64_t far : {kHalf, kHalf / 2 + 1, std::int64_t{1} << 61}) {
    EXPECT_NE(message(View(p, 2, 2, far), View(p, 2, 2), View(c, 2, 2)).find("further than memory"),
              std::string::npos);
    EXPECT_NE(message(View(p, 2, 2), View(p, 2, 2, 2, far), View(c, 2, 2)).find("further than"),
              std::string::npos);
    EXPECT_NE(message(View(p, 2, 2), View(p, 2, 2), View(c, 2, 2, far)).find("further than memory"),
              std::string::npos);
  }
  // To both sides, so that the sum is 0.
  EXPECT_NE(message(View(p, 2, 2, kHalf, -kHalf), View(p, 2, 2), View(c, 2, 2)).find("further"),
            std::string::npos);
  EXPECT_NE(message(View(p, 2, 3), View(p, 3, 2), View(c + 50, 2, 2, -1, 1)).find("share memory"),
            std::string::npos);
  EXPECT_NE(message(View(p, 3, 3), View(c, 3, 3), View(p, 3, 3)).find("C overlaps A"),
            std::string::npos);
  EXPECT_NE(message(View(c, 3, 3, 9), View(p, 3, 3, 9), View(p + 2, 3, 3, 9)).find("C overlaps B"),
            std::string::npos);
  EXPECT_EQ(result, std::vector<float>(100, 7.0f)) << "a refused call must write nothing";
}

}  // namespace
}  // namespace nnkernels
