// An array between canaries.
#ifndef NNKERNELS_TESTS_SUPPORT_GUARDED_ARRAY_H_
#define NNKERNELS_TESTS_SUPPORT_GUARDED_ARRAY_H_

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "kernels/aligned_buffer.h"

namespace nnkernels {

/// `size()` elements that begin `misalignment` elements behind a cache line, with canaries on both
/// sides. As numbers the canaries are NaN, so a result that depends on them shows it; intact()
/// tells whether all of them still have their bits.
template <class T>
class GuardedArray {
 public:
  explicit GuardedArray(std::int64_t size, std::int64_t misalignment = 0)
      : size_(size), front_(kGuard + misalignment), buffer_(front_ + size + kGuard) {
    std::memset(buffer_.data(), kCanary, static_cast<std::size_t>(buffer_.size()) * sizeof(T));
  }
  explicit GuardedArray(const std::vector<T>& values, std::int64_t misalignment = 0)
      : GuardedArray(static_cast<std::int64_t>(values.size()), misalignment) {
    std::copy(values.begin(), values.end(), data());
  }

  T* data() const { return buffer_.data() + front_; }
  std::int64_t size() const { return size_; }
  T& operator[](std::int64_t i) const { return data()[i]; }
  std::vector<T> values() const { return std::vector<T>(data(), data() + size_); }

  bool intact() const {
    return all_canaries(buffer_.data(), front_) && all_canaries(data() + size_, kGuard);
  }

 private:
  static bool all_canaries(const T* p, std::int64_t count) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(p);
    return std::all_of(bytes, bytes + static_cast<std::size_t>(count) * sizeof(T),
                       [](unsigned char byte) { return byte == kCanary; });
  }

  // All bits set: NaN as a number, and a byte pattern that no kernel writes.
  static constexpr unsigned char kCanary = 0xff;
  static constexpr std::int64_t kGuard = 64;

  std::int64_t size_;
  std::int64_t front_;
  AlignedBuffer<T> buffer_;
};

}  // namespace nnkernels

#endif  // NNKERNELS_TESTS_SUPPORT_GUARDED_ARRAY_H_
