// An array that ends, or begins, where memory does.
#ifndef NNKERNELS_TESTS_SUPPORT_GUARD_PAGE_H_
#define NNKERNELS_TESTS_SUPPORT_GUARD_PAGE_H_

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>

namespace nnkernels {

/// Which side of an array touches a page that may be neither read nor written.
enum class Edge { front, back };

/// `size` elements with such a page on both sides; the array touches the one at `edge`. What is
/// left of its own pages has all bits set: as numbers, NaN.
template <class T>
class GuardPage {
 public:
  explicit GuardPage(std::int64_t size, Edge edge = Edge::back) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t bytes = static_cast<std::size_t>(size) * sizeof(T);
    const std::size_t usable = (bytes + page - 1) / page * page;
    length_ = usable + 2 * page;
    memory_ = mmap(nullptr, length_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory_ == MAP_FAILED) throw std::bad_alloc();
    auto* const start = static_cast<std::byte*>(memory_) + page;
    std::memset(start, 0xff, usable);
    if (mprotect(memory_, page, PROT_NONE) != 0 || mprotect(start + usable, page, PROT_NONE) != 0) {
      munmap(memory_, length_);
      throw std::bad_alloc();
    }
    data_ = reinterpret_cast<T*>(edge == Edge::front ? start : start + usable - bytes);
  }
  ~GuardPage() { munmap(memory_, length_); }
  GuardPage(const GuardPage&) = delete;
  GuardPage& operator=(const GuardPage&) = delete;

  T* data() const { return data_; }

 private:
  void* memory_;
  std::size_t length_;
  T* data_;
};

}  // namespace nnkernels

#endif  // NNKERNELS_TESTS_SUPPORT_GUARD_PAGE_H_
