// An array that ends where memory ends.
#ifndef NNKERNELS_TESTS_SUPPORT_GUARD_PAGE_H_
#define NNKERNELS_TESTS_SUPPORT_GUARD_PAGE_H_

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <new>

namespace nnkernels {

/// `size` elements behind which lies a page that may be neither read nor written.
template <class T>
class GuardPage {
 public:
  explicit GuardPage(std::int64_t size) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t bytes = static_cast<std::size_t>(size) * sizeof(T);
    const std::size_t usable = (bytes + page - 1) / page * page;
    length_ = usable + page;
    memory_ = mmap(nullptr, length_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory_ == MAP_FAILED) throw std::bad_alloc();
    auto* const start = static_cast<std::byte*>(memory_);
    mprotect(start + usable, page, PROT_NONE);
    data_ = reinterpret_cast<T*>(start + usable - bytes);
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
