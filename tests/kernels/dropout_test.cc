#include "kernels/dropout.h"

#include <cstdint>
#include <vector>

#include "tests/support/each_simd.h"
#include "tests/support/expect.h"
#include "tests/support/guarded_array.h"
#include "tests/support/values.h"

namespace nnkernels {
namespace {

class DropoutTest : public EachSimd {};
NNKERNELS_EACH_SIMD(DropoutTest);

/// Philox4x32-10 as its paper has it.
std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> c,
                                    std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53} * c[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57} * c[2];
    c = {static_cast<std::uint32_t>(p1 >> 32) ^ c[1] ^ key[0], static_cast<std::uint32_t>(p1),
         static_cast<std::uint32_t>(p0 >> 32) ^ c[3] ^ key[1], static_cast<std::uint32_t>(p0)};
    key = {key[0] + 0x9E3779B9, key[1] + 0xBB67AE85};
  }
  return c;
}

bool is_dropped(std::uint64_t element, const DropoutMask& mask) {
  const std::uint64_t counter = element / 8;
  const auto words = philox({static_cast<std::uint32_t>(counter),
                             static_cast<std::uint32_t>(counter >> 32), mask.high[0], mask.high[1]},
                            mask.key);
  const std::uint64_t in = element % 8;
  return (words[in / 2] >> (16 * (in % 2)) & 0xFFFF) < mask.threshold;
}

template <class T>
void check(std::int64_t size, std::int64_t first) {
  SCOPED_TRACE(testing::Message() << "size " << size << " first " << first);
  const DropoutMask mask{.key = {1, 2}, .high = {0x704, 3}, .threshold = 20000};
  Values values(static_cast<std::uint64_t>(size) + 1);
  const GuardedArray<T> x(values.uniforms<T>(size, 1, 2), 1);
  const GuardedArray<T> y(std::vector<T>(static_cast<std::size_t>(size)), 3);
  dropout(size, first, mask, T{1.5}, x.data(), y.data());
  ASSERT_TRUE(x.intact() && y.intact());
  for (std::int64_t i = 0; i < size; ++i) {
    const bool none = is_dropped(static_cast<std::uint64_t>(first + i), mask);
    ASSERT_EQ(y[i], none ? T{0} : T{1.5} * x[i]) << i;
  }
}

TEST_P(DropoutTest, IsPhiloxAtEveryPlace) {
  for (const std::int64_t first : {std::int64_t{0}, std::int64_t{1}, std::int64_t{7},
                                   (std::int64_t{1} << 43) + 5, (std::int64_t{1} << 35) - 9}) {
    for (const std::int64_t size : {0, 1, 5, 8, 17, 1024, 1030, 5000}) {
      check<float>(size, first);
      check<double>(size, first);
    }
  }
}

TEST_P(DropoutTest, SameBitsForAnyNumberOfThreads) {
  const std::vector<float> x(100003, 1.0F);
  expect_same_bits_for_threads([&] {
    std::vector<float> y(x.size());
    dropout(100003, 3, {.key = {5, 6}, .high = {}, .threshold = 30000}, 2.0F, x.data(), y.data());
    return y;
  });
}

TEST(DropoutArgumentsTest, BadOnesAreRefused) {
  float one = 1;
  expect_invalid_argument([&] { dropout(-1, 0, {}, 1.0F, &one, &one); }, {"dropout", "size"});
  expect_invalid_argument([&] { dropout(1, -1, {}, 1.0F, &one, &one); }, {"dropout", "first"});
  expect_invalid_argument([&] { dropout<float>(1, 0, {}, 1, nullptr, &one); },
                          {"dropout", "x is null"});
}

}  // namespace
}  // namespace nnkernels
