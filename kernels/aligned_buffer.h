// Memory for vectors: aligned to cache lines, owned by one object.
#ifndef NNKERNELS_KERNELS_ALIGNED_BUFFER_H_
#define NNKERNELS_KERNELS_ALIGNED_BUFFER_H_

#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

namespace nnkernels {

/// One cache line of x86-64 and most aarch64 CPUs, and the widest vector of this library.
inline constexpr std::size_t kAlignment = 64;

/// Asks the system for huge pages in those parts of [data, data + bytes) that can be one, best
/// before the memory is first touched: for data that is read in random order, where with small
/// pages nearly every access would have to look its page up. Does nothing where that is not
/// possible.
void use_huge_pages(void* data, std::size_t bytes) noexcept;

namespace detail {

/// Memory that starts on a cache line, or, if large, on a huge page, which the system is then asked
/// for: matrices are walked down columns, where each row of a large one has a page of its own and
/// the processor would run out of page table entries. Throws std::bad_alloc.
void* allocate_aligned(std::size_t bytes);
void free_aligned(void* data, std::size_t bytes) noexcept;

}  // namespace detail

/// An array of `size()` elements that starts on a cache line; the elements are not initialised.
/// Move-only. T must be trivial. Throws std::bad_alloc when memory is short, and
/// its heir std::bad_array_new_length when `size` is negative or no address space could hold it.
template <class T>
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(std::int64_t size)
      : data_(size == 0 ? nullptr : allocate(size)), size_(size) {}
  AlignedBuffer(AlignedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  AlignedBuffer(const AlignedBuffer&) = delete;
  AlignedBuffer& operator=(const AlignedBuffer&) = delete;
  ~AlignedBuffer() { detail::free_aligned(data_, static_cast<std::size_t>(size_) * sizeof(T)); }

  T* data() const { return data_; }
  std::int64_t size() const { return size_; }

  /// Makes room for at least `size` elements; what they held before is lost when it must grow.
  void reserve(std::int64_t size) {
    if (size > size_) *this = AlignedBuffer(size);
  }

 private:
  static T* allocate(std::int64_t size) {
    if (size < 0 || size > PTRDIFF_MAX / static_cast<std::int64_t>(sizeof(T))) {
      throw std::bad_array_new_length();
    }
    return static_cast<T*>(detail::allocate_aligned(static_cast<std::size_t>(size) * sizeof(T)));
  }

  T* data_ = nullptr;
  std::int64_t size_ = 0;
};

}  // namespace nnkernels

#endif  // NNKERNELS_KERNELS_ALIGNED_BUFFER_H_
