#include "nn/random.h"

#include <cmath>
#include <numbers>
#include <utility>

namespace nnkernels::nn {
namespace {

/// The high and low half of a product.
std::array<std::uint32_t, 2> multiply(std::uint32_t a, std::uint32_t b) {
  const std::uint64_t product = std::uint64_t{a} * b;
  return {static_cast<std::uint32_t>(product >> 32), static_cast<std::uint32_t>(product)};
}

/// The high and low half of a product.
std::array<std::uint64_t, 2> multiply(std::uint64_t a, std::uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return {static_cast<std::uint64_t>(product >> 64), static_cast<std::uint64_t>(product)};
}

double unit_interval(std::uint64_t bits) { return static_cast<double>(bits >> 11) * 0x1p-53; }

}  // namespace

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const auto [high0, low0] = multiply(std::uint32_t{0xD2511F53}, counter[0]);
    const auto [high1, low1] = multiply(std::uint32_t{0xCD9E8D57}, counter[2]);
    counter = {high1 ^ counter[1] ^ key[0], low1, high0 ^ counter[3] ^ key[1], low0};
    key[0] += 0x9E3779B9;  // the golden ratio
    key[1] += 0xBB67AE85;  // sqrt(3) - 1
  }
  return counter;
}

std::array<std::uint64_t, 2> Random::draw(std::uint64_t step, std::uint64_t element,
                                          std::uint64_t attempt) const {
  const std::uint64_t high = step << 8 | static_cast<std::uint64_t>(purpose_);
  const std::uint64_t low = attempt << 48 | element;
  const auto word = [](std::uint64_t bits, int i) {
    return static_cast<std::uint32_t>(bits >> (32 * i));
  };
  const auto bits = philox4x32({word(low, 0), word(low, 1), word(high, 0), word(high, 1)},
                               {word(seed_, 0), word(seed_, 1)});
  return {std::uint64_t{bits[1]} << 32 | bits[0], std::uint64_t{bits[3]} << 32 | bits[2]};
}

double Random::uniform(std::uint64_t step, std::uint64_t element) const {
  return unit_interval(draw(step, element, 0)[0]);
}

double Random::gaussian(std::uint64_t step, std::uint64_t element) const {
  const auto [first, second] = draw(step, element, 0);
  // 1 - u is in (0, 1], which the logarithm can take.
  const double radius = std::sqrt(-2 * std::log(1 - unit_interval(first)));
  return radius * std::cos(2 * std::numbers::pi * unit_interval(second));
}

std::uint64_t Random::below(std::uint64_t bound, std::uint64_t step, std::uint64_t element) const {
  for (std::uint64_t attempt = 0;; ++attempt) {
    const auto [high, low] = multiply(draw(step, element, attempt)[0], bound);
    // 2^64 mod bound of the products would be one too many for some results: these are drawn again.
    if (low >= bound || low >= (0 - bound) % bound) return high;
  }
}

void draws(std::uint64_t seed, std::uint64_t epoch, std::int64_t bound,
           std::span<std::int64_t> order) {
  const Random random(seed, Purpose::sampling);
  for (std::size_t i = 0; i < order.size(); ++i) {
    order[i] = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(bound), epoch, i));
  }
}

void shuffle(const Random& random, std::uint64_t step, std::span<std::int64_t> items) {
  for (std::size_t i = items.size(); i > 1; --i) {
    std::swap(items[i - 1], items[random.below(i, step, i)]);
  }
}

void permutation(std::uint64_t seed, std::uint64_t epoch, std::span<std::int64_t> order) {
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int64_t>(i);
  shuffle(Random(seed, Purpose::shuffle), epoch, order);
}

}  // namespace nnkernels::nn
