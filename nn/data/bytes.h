// The memory of texts and numbers as bytes, which is how files hold them.
#ifndef NNKERNELS_NN_DATA_BYTES_H_
#define NNKERNELS_NN_DATA_BYTES_H_

#include <cstddef>
#include <cstdint>
#include <ranges>
#include <span>
#include <type_traits>
#include <vector>

namespace nnkernels::nn {

/// The memory of a text, or of numbers that lie side by side, in this machine's byte order. Refers
/// to it. (Of a string literal it would be the terminating zero as well.)
template <class Range>
requires std::ranges::contiguous_range<Range> &&
    std::is_arithmetic_v<std::ranges::range_value_t<Range>>
        std::span<const std::uint8_t> bytes_of(const Range& range) {
  return {reinterpret_cast<const std::uint8_t*>(std::ranges::data(range)),
          static_cast<std::size_t>(std::ranges::size(range)) *
              sizeof(std::ranges::range_value_t<Range>)};
}

/// The same, copied.
template <class Range>
std::vector<std::uint8_t> copied_bytes(const Range& range) {
  const std::span<const std::uint8_t> bytes = bytes_of(range);
  return {bytes.begin(), bytes.end()};
}

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_DATA_BYTES_H_
