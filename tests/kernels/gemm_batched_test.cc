#include "kernels/gemm_batched.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/gemm.h"
#include "tests/support/each_simd.h"
#include "tests/support/expect.h"
#include "tests/support/matrices.h"

namespace nnkernels {
namespace {

using View = MatrixView<float>;

std::vector<float> small_integers(std::int64_t size, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<float> values(static_cast<std::size_t>(size));
  for (float& x : values) x = static_cast<float>(static_cast<int>(random() % 9) - 4);
  return values;
}

class GemmBatchedTest : public EachSimd {};
NNKERNELS_EACH_SIMD(GemmBatchedTest);

/// Own or shared operands, with gaps between the matrices, against the definition.
TEST_P(GemmBatchedTest, ExactForOwnAndSharedOperands) {
  struct Shape {
    std::int64_t batch, m, n, k;
  };
  for (const Shape& s : {Shape{1, 3, 4, 5}, Shape{3, 1, 1, 1}, Shape{7, 5, 33, 9},
                         Shape{70, 4, 4, 4}, Shape{9, 20, 10, 300}, Shape{2, 130, 150, 600}}) {
    for (const bool share_a : {false, true}) {
      for (const bool share_b : {false, true}) {
        for (const std::int64_t gap : {0, 7}) {
          SCOPED_TRACE(std::to_string(s.batch) + " of " + std::to_string(s.m) + "x" +
                       std::to_string(s.n) + "x" + std::to_string(s.k) + " gap " +
                       std::to_string(gap));
          const std::int64_t a_stride = share_a ? 0 : s.m * s.k + gap;
          const std::int64_t b_stride = share_b ? 0 : s.k * s.n + gap;
          const std::int64_t c_stride = s.m * s.n + gap;
          std::vector<float> a = small_integers(s.batch * (s.m * s.k + gap), 1);
          std::vector<float> b = small_integers(s.batch * (s.k * s.n + gap), 2);
          const std::vector<float> bias = small_integers(s.n, 3);
          const std::vector<float> before = small_integers(s.batch * c_stride, 4);
          std::vector<float> c = before, want = before;
          gemm_batched(s.batch, 2.0f, View(a.data(), s.m, s.k), a_stride, View(b.data(), s.k, s.n),
                       b_stride, -1.0f, View(c.data(), s.m, s.n), c_stride,
                       {bias.data(), Activation::identity});
          for (std::int64_t i = 0; i < s.batch; ++i) {
            const View c_i(want.data() + i * c_stride, s.m, s.n);
            const Reference values =
                reference<float>(2, View(a.data() + i * a_stride, s.m, s.k),
                                 View(b.data() + i * b_stride, s.k, s.n), -1, c_i, bias.data());
            for (std::int64_t j = 0; j < s.m * s.n; ++j) {
              c_i.data[j] = static_cast<float>(values.value[static_cast<std::size_t>(j)]);
            }
          }
          ASSERT_EQ(c, want);
        }
      }
    }
  }
}

/// Attention: heads interleaved in the rows of q and k, a batch stride smaller than a row.
TEST_P(GemmBatchedTest, ExactForInterleavedMatrices) {
  constexpr std::int64_t kHeads = 5, kTokens = 21, kSize = 24, kRow = kHeads * kSize;
  std::vector<float> q = small_integers(kTokens * kRow, 1), k = small_integers(kTokens * kRow, 2);
  std::vector<float> scores(kHeads * kTokens * kTokens), values(kTokens * kRow);
  gemm_batched(kHeads, 1.0f, View(q.data(), kTokens, kSize, kRow), kSize,
               View(k.data(), kTokens, kSize, kRow).transposed(), kSize, 0.0f,
               View(scores.data(), kTokens, kTokens), kTokens * kTokens);
  gemm_batched(kHeads, 1.0f, View(scores.data(), kTokens, kTokens), kTokens * kTokens,
               View(k.data(), kTokens, kSize, kRow), kSize, 0.0f,
               View(values.data(), kTokens, kSize, kRow), kSize);
  for (std::int64_t h = 0; h < kHeads; ++h) {
    const View q_h(q.data() + h * kSize, kTokens, kSize, kRow);
    const View k_h(k.data() + h * kSize, kTokens, kSize, kRow);
    const View scores_h(scores.data() + h * kTokens * kTokens, kTokens, kTokens);
    const View values_h(values.data() + h * kSize, kTokens, kSize, kRow);
    const Reference want = reference<float>(1, q_h, k_h.transposed(), 0, scores_h, nullptr);
    EXPECT_EQ(std::vector<double>(scores_h.data, scores_h.data + kTokens * kTokens), want.value);
    const Reference result = reference<float>(1, scores_h, k_h, 0, values_h, nullptr);
    for (std::int64_t i = 0; i < kTokens; ++i) {
      for (std::int64_t j = 0; j < kSize; ++j) {
        ASSERT_EQ(values_h(i, j), result.value[static_cast<std::size_t>(i * kSize + j)]);
      }
    }
  }
}

TEST_P(GemmBatchedTest, HasTheBitsOfSingleProductsForAnyNumberOfThreads) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  struct Shape {
    std::int64_t batch, m, n, k;
  };
  for (const Shape& s : {Shape{100, 7, 9, 30}, Shape{3, 200, 180, 500}}) {
    std::vector<float> a(static_cast<std::size_t>(s.batch * s.m * s.k));
    std::vector<float> b(static_cast<std::size_t>(s.batch * s.k * s.n));
    for (float& x : a) x = normal(random);
    for (float& x : b) x = normal(random);
    std::vector<float> single(static_cast<std::size_t>(s.batch * s.m * s.n));
    for (std::int64_t i = 0; i < s.batch; ++i) {
      gemm(1.0f, View(a.data() + i * s.m * s.k, s.m, s.k), View(b.data() + i * s.k * s.n, s.k, s.n),
           0.0f, View(single.data() + i * s.m * s.n, s.m, s.n));
    }
    for (const int count : {1, 2, 3, 8}) {
      const ForceThreads force(count);
      std::vector<float> batched(single.size());
      gemm_batched(s.batch, 1.0f, View(a.data(), s.m, s.k), s.m * s.k, View(b.data(), s.k, s.n),
                   s.k * s.n, 0.0f, View(batched.data(), s.m, s.n), s.m * s.n);
      EXPECT_EQ(batched, single) << count << " threads";
    }
  }
}

TEST(GemmBatched, NothingToDo) {
  std::vector<float> c(8, 3.0f);
  const View empty(nullptr, 2, 0);
  gemm_batched(0, 1.0f, View(nullptr, 2, 2), 4, View(nullptr, 2, 2), 4, 0.0f, View(c.data(), 2, 2),
               4);
  EXPECT_EQ(c, std::vector<float>(8, 3.0f));
  gemm_batched(2, 1.0f, empty, 0, empty.transposed(), 0, 2.0f, View(c.data(), 2, 2), 4);
  EXPECT_EQ(c, std::vector<float>(8, 6.0f));
}

TEST(GemmBatched, RefusesStridesBeyondMemory) {
  constexpr std::int64_t kFar = std::numeric_limits<std::int64_t>::max() / 2;
  std::vector<float> memory(8, 3.0f);
  const View x(memory.data(), 2, 2), y(memory.data() + 4, 2, 2);
  EXPECT_THROW(gemm_batched(2, 1.0f, x, kFar, x, 0, 0.0f, y, 4), std::invalid_argument);
  EXPECT_THROW(gemm_batched(2, 1.0f, x, 0, x, -kFar, 0.0f, y, 4), std::invalid_argument);
  EXPECT_THROW(gemm_batched(2, 1.0f, x, 0, x, 0, 0.0f, y, kFar), std::invalid_argument);
  EXPECT_EQ(memory, std::vector<float>(8, 3.0f));
  // A single product has no next one, and what is not read may lie anywhere.
  gemm_batched(1, 1.0f, x, kFar, x, kFar, 0.0f, y, kFar);
  EXPECT_EQ(memory[7], 18.0f);
  gemm_batched(2, 0.0f, x, kFar, x, kFar, 0.0f, x, 4);
  EXPECT_EQ(memory, std::vector<float>(8, 0.0f));
  const View far(memory.data(), 2, 2, kFar);
  gemm_batched(2, 0.0f, far, 0, far, 0, 2.0f, x, 4);
}

TEST(GemmBatched, ANumberOfEmptyOrEqualProductsIsNoLoop) {
  constexpr std::int64_t kMany = std::numeric_limits<std::int64_t>::max();
  float value = 5;
  const View empty(&value, 0, 4), one(&value, 1, 1);
  gemm_batched(kMany, 1.0f, View(&value, 0, 1), 0, View(&value, 1, 4), 0, 0.0f, empty, 0);
  EXPECT_EQ(value, 5);
  expect_invalid_argument([&] { gemm_batched(kMany, 1.0f, one, 0, one, 0, 0.0f, one, 0); },
                          {"gemm_batched"});
  float a = 1, c = 7;
  const View factor(&a, 1, 1), result(&c, 1, 1);
  expect_invalid_argument([&] { gemm_batched(kMany, 1.0f, factor, 0, factor, 0, 0.0f, result, 0); },
                          {"gemm_batched: ", "2^60"});
  expect_invalid_argument(
      [&] { gemm_batched(kMany >> 4, 1.0f, factor, 0, factor, 0, 0.0f, result, 0); },
      {"gemm_batched: ", "share memory"});
  EXPECT_EQ(c, 7);
}

TEST(GemmBatched, RefusesBadArguments) {
  std::vector<float> memory(100, 1.0f), result(100, 7.0f);
  const View a(memory.data(), 2, 3), b(memory.data(), 3, 4), c(result.data() + 40, 2, 4);
  const auto message = [&](std::int64_t batch, const View& a_view, std::int64_t a_stride,
                           std::int64_t c_stride) {
    try {
      gemm_batched(batch, 1.0f, a_view, a_stride, b, 0, 0.0f, c, c_stride);
    } catch (const std::invalid_argument& error) {
      return std::string(error.what());
    }
    return std::string("no exception");
  };
  EXPECT_NE(message(-1, a, 6, 8).find("batch = -1"), std::string::npos);
  EXPECT_EQ(message(2, b, 6, 8),
            "gemm_batched: A's columns must be as many as B's rows (A is 3x4, B is 3x4, C is 2x4)");
  EXPECT_EQ(message(2, a, 6, 0),
            "gemm_batched: two of the 2 C share memory: each is 2x4, strides 4, 1, from one to the "
            "next 0");
  EXPECT_NE(message(2, a, 6, 4).find("two of the 2 C share memory"), std::string::npos);
  EXPECT_NE(message(2, a, 6, 1).find("two of the 2 C share memory"), std::string::npos);
  // The A of the second product is its C.
  EXPECT_NE(message(2, View(result.data(), 2, 3), 48, 8).find("C overlaps A"), std::string::npos);
  EXPECT_EQ(result, std::vector<float>(100, 7.0f)) << "a refused call must write nothing";
}

}  // namespace
}  // namespace nnkernels
