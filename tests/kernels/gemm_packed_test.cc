#include "kernels/gemm_packed.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "kernels/gemm.h"
#include "tests/support/each_simd.h"
#include "tests/support/expect.h"
#include "tests/support/matrices.h"

namespace nnkernels {
namespace {

using View = MatrixView<float>;

template <class T>
void check_packed(const Case& t, std::uint32_t seed) {
  check_exactly<T>(
      t, seed,
      [](T alpha, MatrixView<T> a, MatrixView<T> b, T beta, MatrixView<T> c, Epilogue<T> epilogue) {
        gemm<T>(alpha, a, PackedMatrix<T>(b), beta, c, epilogue);
      });
}

class PackedMatrixTest : public EachSimd {};
NNKERNELS_EACH_SIMD(PackedMatrixTest);

TEST_P(PackedMatrixTest, ExactAroundTileEdges) {
  std::uint32_t seed = 0;
  for (const std::int64_t m : {1, 2, 3, 6, 7, 14, 15, 30}) {
    for (const std::int64_t n :
         {1, 7, 8, 9, 15, 16, 17, 24, 25, 31, 32, 33, 40, 41, 48, 49, 64, 65, 100}) {
      for (const auto layout : {Layout::row_major, Layout::column_major, Layout::scattered}) {
        check_packed<float>({.m = m, .n = n, .k = 19, .b = layout}, ++seed);
        check_packed<double>({.m = m, .n = n, .k = 5, .b = layout}, ++seed);
      }
    }
  }
}

/// Several blocks of depth (kc) and of columns (nc), and many pieces.
TEST_P(PackedMatrixTest, ExactAcrossCacheBlocks) {
  check_packed<float>({.m = 70, .n = 130, .k = 2100, .b = Layout::column_major, .beta = 1}, 1);
  check_packed<float>({.m = 9, .n = 6500, .k = 20, .bias = true}, 2);
  check_packed<double>({.m = 40, .n = 1700, .k = 600, .alpha = 2, .beta = -1}, 3);
  check_packed<float>({.m = 300, .n = 200, .k = 1000, .a = Layout::column_major, .gap = 24}, 4);
}

TEST_P(PackedMatrixTest, ExactForAnyResultAndScalars) {
  std::uint32_t seed = 0;
  for (const auto layout : {Layout::row_major, Layout::column_major, Layout::scattered}) {
    for (const double alpha : {0, 1, 2}) {
      for (const double beta : {0, 1, -2}) {
        for (const std::int64_t m : {1, 70}) {
          for (const std::int64_t k : {0, 33}) {
            check_packed<float>({.m = m,
                                 .n = 37,
                                 .k = k,
                                 .c = layout,
                                 .alpha = alpha,
                                 .beta = beta,
                                 .bias = true,
                                 .activation = Activation::relu},
                                ++seed);
          }
        }
      }
    }
  }
}

TEST_P(PackedMatrixTest, FewRowsHaveTheBitsOfMany) {
  std::mt19937 random(6);
  std::normal_distribution<double> normal;
  for (const std::int64_t n : {31, 64, 65, 96, 100, 120, 128, 250, 300}) {
    for (const std::int64_t k : {1, 70, 2100}) {
      Matrix<float> a(29, k, Layout::row_major, 0, 0), b(k, n, Layout::row_major, 0, 0);
      a.fill([&] { return normal(random); });
      b.fill([&] { return normal(random); });
      std::vector<float> bias(static_cast<std::size_t>(n));
      for (float& each : bias) each = static_cast<float>(normal(random));
      const PackedMatrix<float> packed(b.view());
      // Tiles compute ReLU themselves, tanh comes behind them.
      const Epilogue<float> epilogue{.bias = bias.data(),
                                     .activation = k == 70 ? Activation::tanh : Activation::relu};
      std::vector<float> many(static_cast<std::size_t>(29 * n), 0.5f);
      gemm(0.7f, a.view(), packed, 0.3f, MatrixView<float>(many.data(), 29, n), epilogue);
      for (const std::int64_t rows : {1, 2, 3}) {
        for (const int count : {1, 3}) {
          const ForceThreads force(count);
          std::vector<float> few(static_cast<std::size_t>(rows * n), 0.5f);
          gemm(0.7f, MatrixView<const float>(a.view()).row_block(0, rows), packed, 0.3f,
               MatrixView<float>(few.data(), rows, n), epilogue);
          EXPECT_EQ(few, std::vector<float>(many.begin(), many.begin() + rows * n))
              << rows << " rows, n " << n << ", k " << k << ", " << count << " threads";
        }
      }
    }
  }
}

TEST_P(PackedMatrixTest, HasTheBitsOfTheMatrixItselfForAnyNumberOfThreads) {
  std::mt19937 random(5);
  std::normal_distribution<double> normal;
  Matrix<float> a(120, 2100, Layout::row_major, 0, 0), b(2100, 150, Layout::column_major, 0, 0);
  a.fill([&] { return normal(random); });
  b.fill([&] { return normal(random); });
  std::vector<float> plain(120 * 150);
  gemm(0.7f, a.view(), b.view(), 0.0f, MatrixView<float>(plain.data(), 120, 150));
  for (const int count : {1, 2, 3, 8}) {
    const ForceThreads force(count);
    std::vector<float> packed(plain.size());
    gemm(0.7f, a.view(), PackedMatrix<float>(b.view()), 0.0f,
         MatrixView<float>(packed.data(), 120, 150));
    EXPECT_EQ(packed, plain) << count << " threads";
  }
}

/// A stride that is never used may be of any size.
TEST_P(PackedMatrixTest, OneColumnMayHaveAnyDistanceToTheNext) {
  std::vector<float> a(60, 2.0f), b(10, 3.0f), c(3);
  const MatrixView<const float> b_view(b.data(), 10, 1, 1,
                                       std::numeric_limits<std::ptrdiff_t>::max() / 2);
  const MatrixView<const float> a_view(a.data(), 3, 10, 20, 2);
  const MatrixView<float> c_view(c.data(), 3, 1);
  gemm<float>(1, a_view, PackedMatrix<float>(b_view), 0, c_view);
  EXPECT_EQ(c, std::vector<float>(3, 60.0f));
  gemm<float>(1, a_view, b_view, 1, c_view);
  EXPECT_EQ(c, std::vector<float>(3, 120.0f));
}

TEST_P(PackedMatrixTest, RefusesStridesBeyondMemory) {
  std::vector<float> b(10, 3.0f);
  const MatrixView<const float> far(b.data(), 2, 2, std::numeric_limits<std::ptrdiff_t>::max() / 2);
  PackedMatrix<float> packed(MatrixView<const float>(b.data(), 3, 3));
  EXPECT_THROW(packed.pack(far), std::invalid_argument);
  EXPECT_THROW(packed.pack(far.transposed()), std::invalid_argument);
  EXPECT_EQ(packed.rows(), 3) << "what was packed before stays";
}

TEST_P(PackedMatrixTest, MayBeEmpty) {
  float value = 3;
  for (const auto& [rows, cols] : {std::pair(0, 0), std::pair(0, 1), std::pair(1, 0)}) {
    const PackedMatrix<float> b(View(&value, rows, cols));
    EXPECT_EQ(b.cols(), cols);
    gemm(1.0f, View(&value, 1, rows), b, 2.0f, View(&value, 1, cols));
    EXPECT_EQ(value, cols == 0 ? 3 : 6);
    value = 3;
  }
}

TEST(PackedMatrix, IsACopyThatPackReplaces) {
  std::vector<float> memory(30, 1.0f), ones(6, 1.0f), result(5);
  PackedMatrix<float> b;
  EXPECT_EQ(b.rows(), 0);
  EXPECT_EQ(b.cols(), 0);
  b.pack(MatrixView<float>(memory.data(), 6, 5));
  EXPECT_EQ(b.rows(), 6);
  EXPECT_EQ(b.cols(), 5);
  memory.assign(30, 2.0f);
  const MatrixView<float> a(ones.data(), 1, 6), c(result.data(), 1, 5);
  gemm(1.0f, a, b, 0.0f, c);
  EXPECT_EQ(result, std::vector<float>(5, 6.0f));
  b.pack(MatrixView<float>(memory.data(), 5, 6).transposed());
  gemm(1.0f, a, b, 0.0f, c);
  EXPECT_EQ(result, std::vector<float>(5, 12.0f));
}

TEST(PackedMatrix, KeepsTheSizesOfItsMemoryWhenMoved) {
  std::vector<float> ones(6, 1.0f), small_values(6, 2.0f), large_values(18000, 3.0f);
  PackedMatrix<float> small(View(small_values.data(), 2, 3));
  PackedMatrix<float> large(View(large_values.data(), 6, 3000));
  std::vector<float> result(3000);
  const auto product = [&](const PackedMatrix<float>& b) {
    gemm(1.0f, View(ones.data(), 1, b.rows()), b, 0.0f,
         MatrixView<float>(result.data(), 1, b.cols()));
    return std::vector<float>(result.begin(), result.begin() + b.cols());
  };
  small = std::move(large);
  EXPECT_EQ(product(small), std::vector<float>(3000, 18.0f));
  // What was moved from is good for any use. NOLINTNEXTLINE(bugprone-use-after-move)
  EXPECT_EQ(product(large), std::vector<float>(static_cast<std::size_t>(large.cols()), 4.0f));
  PackedMatrix<float> built(std::move(small));
  EXPECT_EQ(product(built), std::vector<float>(3000, 18.0f));
  // NOLINTNEXTLINE(bugprone-use-after-move)
  EXPECT_EQ(small.rows() + small.cols(), 0);
}

TEST(PackedMatrix, RefusesMoreThanMemoryHolds) {
  float value = 0;
  PackedMatrix<float> b;
  for (const auto& [rows, cols] :
       {std::pair{32, 32}, std::pair{31, 33}, std::pair{62, 0}, std::pair{0, 62}}) {
    const View huge(&value, std::int64_t{1} << rows, std::int64_t{1} << cols, 0, 0);
    expect_invalid_argument([&] { b.pack(huge); }, {"PackedMatrix::pack: ", "2^60"});
  }
}

TEST(PackedMatrix, RefusesBadArguments) {
  std::vector<float> memory(100, 1.0f), result(100, 7.0f);
  PackedMatrix<float> b;
  EXPECT_THROW(b.pack(View(nullptr, 2, 3)), std::invalid_argument);
  EXPECT_THROW(b.pack(View(nullptr, 1, 1)), std::invalid_argument);
  EXPECT_THROW(b.pack(View(memory.data(), -2, 3)), std::invalid_argument);
  EXPECT_THROW(b.pack(View(memory.data(), 2, -3)), std::invalid_argument);
  EXPECT_NO_THROW(b.pack(View(nullptr, 3, 0)));
  EXPECT_NO_THROW(b.pack(View(nullptr, 0, 3)));
  b.pack(View(memory.data(), 4, 5));
  const auto message = [&](const View& a, const View& c) {
    try {
      gemm(1.0f, a, b, 0.0f, c);
    } catch (const std::invalid_argument& error) {
      return std::string(error.what());
    }
    return std::string("no exception");
  };
  EXPECT_EQ(message(View(memory.data(), 2, 3), View(result.data(), 2, 5)),
            "gemm: A's columns must be as many as B's rows (A is 2x3, B is 4x5, C is 2x5)");
  EXPECT_NE(message(View(result.data(), 2, 4), View(result.data(), 2, 5)).find("C overlaps A"),
            std::string::npos);
  EXPECT_EQ(result, std::vector<float>(100, 7.0f)) << "a refused call must write nothing";
}

TEST(PackedMatrix, IsForOneInstructionSet) {
  if (available_simd().size() < 2) GTEST_SKIP() << "only one instruction set";
  std::vector<float> memory(20, 1.0f), result(10);
  const MatrixView<float> a(memory.data(), 2, 4), c(result.data(), 2, 5);
  PackedMatrix<float> b(MatrixView<float>(memory.data(), 4, 5));
  set_simd(available_simd().back());
  EXPECT_THROW(gemm(1.0f, a, b, 0.0f, c), std::invalid_argument);
  b.pack(MatrixView<float>(memory.data(), 4, 5));
  EXPECT_NO_THROW(gemm(1.0f, a, b, 0.0f, c));
  set_simd("best");
  EXPECT_EQ(result, std::vector<float>(10, 4.0f));
}

}  // namespace
}  // namespace nnkernels
