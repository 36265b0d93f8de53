// Arrays of random numbers that the benchmarks work on.
#ifndef NNKERNELS_BENCH_DATA_H_
#define NNKERNELS_BENCH_DATA_H_

#include <cstdint>
#include <memory>
#include <random>

#include "kernels/aligned_buffer.h"

namespace nnkernels::bench {

/// An array that its copies share, so that the closures of a benchmark can own it.
template <class T>
class Array {
 public:
  explicit Array(std::int64_t size) : buffer_(std::make_shared<AlignedBuffer<T>>(size)) {
    // Touched here, so that no benchmark pays for the first page faults.
    for (std::int64_t i = 0; i < size; ++i) data()[i] = T{0};
  }

  T* data() const { return buffer_->data(); }
  std::int64_t size() const { return buffer_->size(); }
  T* begin() const { return data(); }
  T* end() const { return data() + size(); }

 private:
  std::shared_ptr<AlignedBuffer<T>> buffer_;
};

/// `size` numbers in [-1, 1), the same ones for the same seed.
template <class T>
Array<T> random_array(std::int64_t size, std::uint32_t seed) {
  Array<T> array(size);
  std::mt19937 generator(seed);
  for (T& element : array) element = static_cast<T>(generator() * 0x1p-31 - 1.0);
  return array;
}

}  // namespace nnkernels::bench

#endif  // NNKERNELS_BENCH_DATA_H_
