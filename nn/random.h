// Random numbers that depend on what they are for, not on when or by which thread they are drawn.
#ifndef NNKERNELS_NN_RANDOM_H_
#define NNKERNELS_NN_RANDOM_H_

#include <array>
#include <cstdint>
#include <span>

namespace nnkernels::nn {

/// Philox4x32-10: 128 random bits for each counter under a key, without state.
/// Source: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3"
/// (SC 2011).
std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key);

/// What random numbers are used for: two purposes never share a number. The values are part of
/// what a seed means, so they do not change.
enum class Purpose : std::uint8_t {
  weights = 1,
  shuffle = 2,
  gradient_check = 3,
  dropout = 4,
  sampling = 5,
  augmentation = 6,
  split = 16,
  test = 255
};

/// Random numbers as a pure function of (seed, purpose, step, element): the order of the calls does
/// not matter, and any thread may draw any element. For step < 2^56 and element < 2^48 no two of
/// them share a Philox counter.
class Random {
 public:
  Random(std::uint64_t seed, Purpose purpose) : seed_(seed), purpose_(purpose) {}

  /// Uniform in [0, 1), a multiple of 2^-53.
  double uniform(std::uint64_t step, std::uint64_t element) const;

  /// Mean 0 and standard deviation 1 (G. Box and M. Muller, 1958); |value| < 8.6.
  double gaussian(std::uint64_t step, std::uint64_t element) const;

  /// Uniform in {0, ..., bound - 1}, without bias; bound >= 1.
  /// Source: D. Lemire, "Fast random integer generation in an interval" (2019).
  std::uint64_t below(std::uint64_t bound, std::uint64_t step, std::uint64_t element) const;

 private:
  std::array<std::uint64_t, 2> draw(std::uint64_t step, std::uint64_t element,
                                    std::uint64_t attempt) const;

  std::uint64_t seed_;
  Purpose purpose_;
};

/// order[i] = a number below `bound`, drawn from random numbers of (seed, epoch, i): samples drawn
/// with replacement. Allocates nothing.
void draws(std::uint64_t seed, std::uint64_t epoch, std::int64_t bound,
           std::span<std::int64_t> order);

/// Brings `items` into a random order, every order equally likely (Fisher-Yates), with the numbers
/// of `step`. Allocates nothing.
void shuffle(const Random& random, std::uint64_t step, std::span<std::int64_t> items);

/// Fills `order` with a permutation of 0, 1, ..., order.size() - 1, every one of them equally
/// likely, that depends on (seed, epoch) alone: the order in which an epoch visits the samples.
/// Allocates nothing.
void permutation(std::uint64_t seed, std::uint64_t epoch, std::span<std::int64_t> order);

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_RANDOM_H_
