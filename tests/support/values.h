// Reproducible values for tests.
#ifndef NNKERNELS_TESTS_SUPPORT_VALUES_H_
#define NNKERNELS_TESTS_SUPPORT_VALUES_H_

#include <cstdint>
#include <vector>

namespace nnkernels {

/// A sequence of numbers that depends on the seed alone, the same with every standard library.
class Values {
 public:
  explicit Values(std::uint64_t seed) : state_(seed) {}

  /// 64 random bits (splitmix64: G. Steele, D. Lea, C. Flood, 2014).
  std::uint64_t bits() {
    state_ += 0x9e3779b97f4a7c15u;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  /// In [low, high).
  double uniform(double low, double high) {
    return low + (high - low) * static_cast<double>(bits() >> 11) * 0x1p-53;
  }
  /// In [low, high].
  std::int64_t integer(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(bits() % static_cast<std::uint64_t>(high - low + 1));
  }

  template <class T>
  std::vector<T> uniforms(std::int64_t size, double low, double high) {
    std::vector<T> values(static_cast<std::size_t>(size));
    for (T& v : values) v = static_cast<T>(uniform(low, high));
    return values;
  }
  template <class T>
  std::vector<T> integers(std::int64_t size, std::int64_t low, std::int64_t high) {
    std::vector<T> values(static_cast<std::size_t>(size));
    for (T& v : values) v = static_cast<T>(integer(low, high));
    return values;
  }

 private:
  std::uint64_t state_;
};

}  // namespace nnkernels

#endif  // NNKERNELS_TESTS_SUPPORT_VALUES_H_
