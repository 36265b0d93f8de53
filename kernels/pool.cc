#include "kernels/pool.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>

#include "kernels/blocks.h"
#include "kernels/check.h"
#include "kernels/cost.h"
#include "kernels/pool_simd.h"

namespace nnkernels {
namespace {

std::string describe(const PoolShape& s) {
  const auto pair = [](std::int64_t a, std::int64_t b) {
    return std::to_string(a) + "x" + std::to_string(b);
  };
  return "images [" + std::to_string(s.n) + "][" + std::to_string(s.ih) + "][" +
         std::to_string(s.iw) + "][" + std::to_string(s.c) + "], kernel " + pair(s.kh, s.kw) +
         ", stride " + pair(s.stride_h, s.stride_w) + ", pad " + pair(s.pad_h, s.pad_w);
}

/// Calls body(row, count) for blocks of y's rows. A block of `forward` writes nothing but its rows
/// of y; backward, where windows overlap, it must be a whole image.
template <class T, class Body>
void for_rows(const PoolShape& s, bool forward, const Body& body) {
  const std::int64_t x_row = std::min(s.stride_h, s.ih) * s.iw * s.c;
  const std::int64_t block = forward || detail::disjoint(s) ? detail::block_rows(x_row) : s.oh();
  const double touched = static_cast<double>(s.y_size()) * static_cast<double>(s.kh * s.kw);
  const double cost = static_cast<double>(s.x_size() + s.y_size()) + touched;
  detail::parallel_blocks(s.n * s.oh(), block, transfer_microseconds<T>(cost), body);
}

}  // namespace

void check(const PoolShape& s, const char* function) {
  const bool sizes = s.n >= 0 && s.ih >= 1 && s.iw >= 1 && s.c >= 1 && s.kh >= 1 && s.kw >= 1;
  const bool strides = s.stride_h >= 1 && s.stride_w >= 1;
  const bool pads = s.pad_h >= 0 && s.pad_w >= 0 && s.pad_h <= s.kh / 2 && s.pad_w <= s.kw / 2;
  constexpr std::int64_t kMostPixels = std::numeric_limits<std::int32_t>::max();
  const char* wrong = nullptr;
  if (!sizes || !strides) {
    wrong = "expected sizes and strides of at least 1 (n: 0)";
  } else if (!pads) {
    wrong = "expected pads from 0 to half the kernel";
  } else if (s.kh > kMostPixels / s.kw) {
    wrong = "expected a kernel of at most 2^31 - 1 pixels";
  } else if (s.kh - 2 * s.pad_h > s.ih || s.kw - 2 * s.pad_w > s.iw) {
    wrong = "the kernel is larger than the padded image";
  }
  if (wrong != nullptr) {
    throw std::invalid_argument(std::string(function) + ": " + wrong + ", got " + describe(s));
  }
  const std::int64_t n = std::max<std::int64_t>(s.n, 1);
  (void)detail::element_count(function, {n, s.ih, s.iw, s.c});
  (void)detail::element_count(function, {n, s.oh(), s.ow(), s.c});
}

template <class T>
void max_pool_forward(const PoolShape& shape, const T* x, T* y, std::int32_t* argmax) {
  constexpr const char* kFunction = "max_pool_forward";
  check(shape, kFunction);
  detail::check_array(kFunction, "x", x, shape.x_size());
  detail::check_array(kFunction, "y", y, shape.y_size());
  const auto kernel = detail::pool_kernels<T>().max_forward;
  for_rows<T>(shape, true, [&](std::int64_t row, std::int64_t count) {
    kernel(shape, row, count, x, y, argmax);
  });
}

template <class T>
void max_pool_backward(const PoolShape& shape, const T* dy, const std::int32_t* argmax, T* dx) {
  constexpr const char* kFunction = "max_pool_backward";
  check(shape, kFunction);
  detail::check_array(kFunction, "dy", dy, shape.y_size());
  detail::check_array(kFunction, "argmax", argmax, shape.y_size());
  detail::check_array(kFunction, "dx", dx, shape.x_size());
  const auto kernel = detail::pool_kernels<T>().max_backward;
  for_rows<T>(shape, false, [&](std::int64_t row, std::int64_t count) {
    kernel(shape, row, count, dy, argmax, dx);
  });
}

template <class T>
void average_pool_forward(const PoolShape& shape, PoolDivisor divisor, const T* x, T* y) {
  constexpr const char* kFunction = "average_pool_forward";
  check(shape, kFunction);
  detail::check_array(kFunction, "x", x, shape.x_size());
  detail::check_array(kFunction, "y", y, shape.y_size());
  const auto kernel = detail::pool_kernels<T>().average_forward;
  for_rows<T>(shape, true, [&](std::int64_t row, std::int64_t count) {
    kernel(shape, divisor, row, count, x, y);
  });
}

template <class T>
void average_pool_backward(const PoolShape& shape, PoolDivisor divisor, const T* dy, T* dx) {
  constexpr const char* kFunction = "average_pool_backward";
  check(shape, kFunction);
  detail::check_array(kFunction, "dy", dy, shape.y_size());
  detail::check_array(kFunction, "dx", dx, shape.x_size());
  const auto kernel = detail::pool_kernels<T>().average_backward;
  for_rows<T>(shape, false, [&](std::int64_t row, std::int64_t count) {
    kernel(shape, divisor, row, count, dy, dx);
  });
}

template void max_pool_forward<float>(const PoolShape&, const float*, float*, std::int32_t*);
template void max_pool_forward<double>(const PoolShape&, const double*, double*, std::int32_t*);
template void max_pool_backward<float>(const PoolShape&, const float*, const std::int32_t*, float*);
template void max_pool_backward<double>(const PoolShape&, const double*, const std::int32_t*,
                                        double*);
template void average_pool_forward<float>(const PoolShape&, PoolDivisor, const float*, float*);
template void average_pool_forward<double>(const PoolShape&, PoolDivisor, const double*, double*);
template void average_pool_backward<float>(const PoolShape&, PoolDivisor, const float*, float*);
template void average_pool_backward<double>(const PoolShape&, PoolDivisor, const double*, double*);

}  // namespace nnkernels
