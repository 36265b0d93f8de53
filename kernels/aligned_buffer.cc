#include "kernels/aligned_buffer.h"

#include <sys/mman.h>

#include <memory>

namespace nnkernels {
namespace {

/// Of x86-64 and of aarch64 with pages of 4 KiB. Elsewhere the advice below does no harm.
constexpr std::size_t kHugePage = std::size_t{2} << 20;

/// Memory of more than half a huge page begins on one.
bool is_large(std::size_t bytes) { return bytes > kHugePage / 2; }

std::align_val_t alignment(std::size_t bytes) {
  return std::align_val_t{is_large(bytes) ? kHugePage : kAlignment};
}

}  // namespace

void use_huge_pages(void* data, std::size_t bytes) noexcept {
  void* first = data;
  if (std::align(kHugePage, kHugePage, first, bytes) == nullptr) return;
  (void)madvise(first, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
}

namespace detail {

void* allocate_aligned(std::size_t bytes) {
  if (!is_large(bytes)) return ::operator new(bytes, alignment(bytes));
  // Whole huge pages, but for a last one of which less than half would be used.
  const std::size_t huge = (bytes + kHugePage / 2) / kHugePage * kHugePage;
  void* const data = ::operator new(bytes > huge ? bytes : huge, alignment(bytes));
  use_huge_pages(data, huge);
  return data;
}

void free_aligned(void* data, std::size_t bytes) noexcept {
  ::operator delete(data, alignment(bytes));
}

}  // namespace detail
}  // namespace nnkernels
