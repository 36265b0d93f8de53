#include "nn/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <vector>

namespace nnkernels::nn {
namespace {

using Words = std::array<std::uint32_t, 4>;

// The known answers that come with the authors' library, Random123 (kat_vectors, philox4x32 10).
TEST(Philox, GivesThePublishedAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  const std::uint32_t ones = 0xffffffff;
  EXPECT_EQ(philox4x32({ones, ones, ones, ones}, {ones, ones}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

// What a run can be repeated from: no change of the generator may go unnoticed.
TEST(Random, IsPhiloxOfItsKey) {
  const std::uint64_t seed = 0x0123456789abcdef, step = 0x11223344556677, element = 0x8899aabbccdd;
  const auto purpose = static_cast<std::uint32_t>(Purpose::test);
  const Words words = philox4x32({0xaabbccdd, 0x00008899, 0x44556677U << 8 | purpose, 0x11223344},
                                 {0x89abcdef, 0x01234567});
  const auto unit = [](std::uint32_t high, std::uint32_t low) {
    return std::ldexp(static_cast<double>((std::uint64_t{high} << 32 | low) >> 11), -53);
  };
  const Random random(seed, Purpose::test);
  const double first = unit(words[1], words[0]), second = unit(words[3], words[2]);
  EXPECT_EQ(random.uniform(step, element), first);
  EXPECT_NEAR(random.gaussian(step, element),
              std::sqrt(-2 * std::log(1 - first)) * std::cos(2 * std::acos(-1.0) * second), 1e-14);
  EXPECT_EQ(random.below(1000, step, element), static_cast<std::uint64_t>(first * 1000));
}

TEST(Random, DependsOnEveryPartOfItsKey) {
  std::set<double> values;
  for (const std::uint64_t seed : {0ULL, 1ULL, 1ULL << 32}) {
    for (const Purpose purpose : {Purpose::weights, Purpose::shuffle}) {
      for (const std::uint64_t step : {0ULL, 1ULL, 1ULL << 24, 1ULL << 55}) {
        for (const std::uint64_t element : {0ULL, 1ULL, 1ULL << 32, 1ULL << 47}) {
          values.insert(Random(seed, purpose).uniform(step, element));
        }
      }
    }
  }
  EXPECT_EQ(values.size(), 3U * 2U * 4U * 4U);
}

TEST(Random, HasTheMomentsOfItsDistributions) {
  const Random random(1, Purpose::test);
  constexpr int kDraws = 100000;
  double uniform_sum = 0;
  double sum = 0;
  double squares = 0;
  double fourth = 0;
  for (std::uint64_t i = 0; i < kDraws; ++i) {
    const double u = random.uniform(3, i);
    EXPECT_TRUE(u >= 0 && u < 1);
    uniform_sum += u;
    const double g = random.gaussian(4, i);
    sum += g;
    squares += g * g;
    fourth += g * g * g * g;
  }
  // Five standard errors each: sqrt(1/12), 1, sqrt(2) and sqrt(96) by sqrt(100000).
  EXPECT_NEAR(uniform_sum / kDraws, 0.5, 0.0046);
  EXPECT_NEAR(sum / kDraws, 0, 0.016);
  EXPECT_NEAR(squares / kDraws, 1, 0.023);
  EXPECT_NEAR(fourth / kDraws, 3, 0.155);
}

TEST(Random, BoundedDrawsAreFair) {
  const Random random(7, Purpose::test);
  std::vector<int> counts(7);
  for (std::uint64_t i = 0; i < 70000; ++i) ++counts[random.below(7, 0, i)];
  double chi_squared = 0;
  for (const int count : counts) chi_squared += (count - 10000.0) * (count - 10000.0) / 10000.0;
  EXPECT_LT(chi_squared, 22.5);  // 6 degrees of freedom: exceeded once in 1000 seeds
  EXPECT_EQ(random.below(1, 0, 0), 0U);
  // Two of three 64-bit draws of this bound are drawn again, so the second attempt is reached.
  const std::uint64_t bound = (1ULL << 63) + (1ULL << 61);
  for (std::uint64_t i = 0; i < 1000; ++i) EXPECT_LT(random.below(bound, 1, i), bound);
}

TEST(Permutation, HoldsEachIndexOnceAndDependsOnTheEpoch) {
  std::vector<std::int64_t> order(1000);
  permutation(1, 1, order);
  const std::vector<std::int64_t> first = order;
  std::sort(order.begin(), order.end());
  for (std::size_t i = 0; i < order.size(); ++i) EXPECT_EQ(order[i], static_cast<std::int64_t>(i));
  permutation(1, 1, order);
  EXPECT_EQ(order, first);
  permutation(1, 2, order);
  EXPECT_NE(order, first);
  permutation(2, 1, order);
  EXPECT_NE(order, first);
  std::vector<std::int64_t> none;
  permutation(1, 1, none);
}

TEST(Permutation, EveryOrderIsEquallyLikely) {
  std::map<std::vector<std::int64_t>, int> counts;
  std::vector<std::int64_t> order(4);
  for (std::uint64_t epoch = 0; epoch < 24000; ++epoch) {
    permutation(9, epoch, order);
    ++counts[order];
  }
  ASSERT_EQ(counts.size(), 24U);
  double chi_squared = 0;
  for (const auto& [unused, count] : counts) {
    chi_squared += (count - 1000.0) * (count - 1000.0) / 1000.0;
  }
  EXPECT_LT(chi_squared, 49.7);  // 23 degrees of freedom: exceeded once in 1000 seeds
}

}  // namespace
}  // namespace nnkernels::nn
