// The argument checks that the kernels share. Internal to kernels/.
#ifndef NNKERNELS_KERNELS_CHECK_H_
#define NNKERNELS_KERNELS_CHECK_H_

#include <cstdint>
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

}  // namespace nnkernels::detail

#endif  // NNKERNELS_KERNELS_CHECK_H_
