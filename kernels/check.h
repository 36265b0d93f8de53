// The argument checks that the kernels share. Internal to kernels/.
#ifndef NNKERNELS_KERNELS_CHECK_H_
#define NNKERNELS_KERNELS_CHECK_H_

#include <cstdint>
#include <initializer_list>
#include <stdexcept>
#include <string>

namespace nnkernels::detail {

/// Throws std::invalid_argument "<function>: expected <expected>, got <name> = <value>" unless
/// `ok`.
inline void check_value(bool ok, const char* function, const char* expected, const char* name,
                        std::int64_t value) {
  if (ok) return;
  throw std::invalid_argument(std::string(function) + ": expected " + expected + ", got " + name +
                              " = " + std::to_string(value));
}

/// Throws std::invalid_argument if `size` is negative.
inline void check_size(const char* function, const char* name, std::int64_t size) {
  check_value(size >= 0, function, "no negative size", name, size);
}

/// Throws std::invalid_argument if `data` is null although the array has elements.
inline void check_array(const char* function, const char* name, const void* data,
                        std::int64_t size) {
  if (data != nullptr || size <= 0) return;
  throw std::invalid_argument(std::string(function) + ": " + name + " is null, but has " +
                              std::to_string(size) + " elements");
}

/// The product of sizes, none of which may be negative: how many elements an array has. Throws
/// std::invalid_argument if no address space could hold them; a product that wrapped around could
/// seem to be small, or nothing.
inline std::int64_t element_count(const char* function, std::initializer_list<std::int64_t> sizes) {
  constexpr auto kMost = INT64_MAX / static_cast<std::int64_t>(sizeof(double));
  bool empty = false;
  for (const std::int64_t size : sizes) empty |= size == 0;
  if (empty) return 0;
  std::int64_t count = 1;
  bool fits = true;
  for (const std::int64_t size : sizes) fits &= !__builtin_mul_overflow(count, size, &count);
  if (fits && count <= kMost) return count;
  std::string product;
  for (const std::int64_t size : sizes) {
    product += (product.empty() ? "" : " x ") + std::to_string(size);
  }
  throw std::invalid_argument(std::string(function) + ": expected at most 2^60 - 1 elements, got " +
                              product);
}

}  // namespace nnkernels::detail

#endif  // NNKERNELS_KERNELS_CHECK_H_
