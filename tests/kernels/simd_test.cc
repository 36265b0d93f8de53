#include "kernels/simd.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "kernels/vector.h"
#include "tests/support/expect.h"

namespace nnkernels {
namespace {

class SimdTest : public testing::Test {
 protected:
  ~SimdTest() override { set_simd("best"); }
};

TEST_F(SimdTest, NamesAreDistinctAndEndWithAPortableOne) {
  const std::vector<std::string> names = available_simd();
  ASSERT_FALSE(names.empty());
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), names.size());
#if defined(__x86_64__) && !defined(__SSE4_2__)
  EXPECT_TRUE(names.back() == "SCALAR" || names.back() == "EMU128") << names.back();
#endif
}

TEST_F(SimdTest, LowersAndRaises) {
  const std::vector<std::string> names = available_simd();
  std::vector<std::string> order = names;
  order.insert(order.end(), names.rbegin(), names.rend());
  for (const std::string& name : order) {
    set_simd(name);
    EXPECT_EQ(simd(), name);
    // What is available does not depend on what is in use.
    EXPECT_EQ(available_simd(), names);
  }
  set_simd("best");
  EXPECT_EQ(simd(), names.front());
}

TEST_F(SimdTest, KnowsWhichUnitsAreHalfAsWideAsVectors) {
  EXPECT_TRUE(detail::has_half_wide_units(0x00A10F11));   // EPYC 9004, Zen 4
  EXPECT_TRUE(detail::has_half_wide_units(0x00A60F12));   // Ryzen 7000, Zen 4
  EXPECT_TRUE(detail::has_half_wide_units(0x00B20F40));   // Ryzen AI 300, Zen 5
  EXPECT_TRUE(detail::has_half_wide_units(0x00B60F80));   // Krackan Point, Zen 5
  EXPECT_TRUE(detail::has_half_wide_units(0x000A0671));   // Rocket Lake
  EXPECT_FALSE(detail::has_half_wide_units(0x00B00F21));  // EPYC 9005, Zen 5
  EXPECT_FALSE(detail::has_half_wide_units(0x00B40F40));  // Ryzen 9000, Zen 5
  EXPECT_FALSE(detail::has_half_wide_units(0x000806F8));  // Sapphire Rapids
  EXPECT_FALSE(detail::has_half_wide_units(0x00050657));  // Cascade Lake
}

TEST_F(SimdTest, TheKernelsFollow) {
  // With FMA, 3 * (1 + 2^-23) - 3 keeps the digits that rounding the product would drop; without,
  // it does not: so the result tells which code ran.
  const float x = 1.0f + 0x1p-23f;
  const float fused = 3 * 0x1p-23f;
  const float rounded = 4 * 0x1p-23f;
  for (const std::string& name : available_simd()) {
    set_simd(name);
    float y = -3.0f;
    axpy(1, 3.0f, &x, &y);
    const bool has_fma = name == "AVX3" || name == "AVX2";
    const bool lacks_fma = name == "SSE4" || name == "SSSE3" || name == "SCALAR";
    if (has_fma || lacks_fma) {
      EXPECT_EQ(y, has_fma ? fused : rounded) << name;
    }
  }
}

TEST_F(SimdTest, CaseDoesNotMatter) {
  for (const std::string& name : available_simd()) {
    std::string lower = name;
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    set_simd(lower);
    EXPECT_EQ(simd(), name);
  }
  set_simd("Best");
  EXPECT_EQ(simd(), available_simd().front());
}

TEST_F(SimdTest, Avx512IsAvx3) {
  const std::vector<std::string> names = available_simd();
  if (std::find(names.begin(), names.end(), "AVX3") == names.end()) GTEST_SKIP() << "no AVX-512";
  set_simd("avx512");
  EXPECT_EQ(simd(), "AVX3");
}

TEST_F(SimdTest, AnUnknownNameIsRefusedWithTheKnownOnes) {
  const std::string before = simd();
  for (const char* bad : {"AVX9", "", "AVX", "avx3 "}) {
    std::vector<std::string> parts = {"set_simd", '"' + std::string(bad) + '"'};
    for (const std::string& name : available_simd()) parts.push_back(name);
    expect_invalid_argument([&] { set_simd(bad); }, parts);
    EXPECT_EQ(simd(), before);
  }
}

}  // namespace
}  // namespace nnkernels
