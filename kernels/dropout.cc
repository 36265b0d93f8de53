#include "kernels/dropout.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "kernels/blocks.h"
#include "kernels/check.h"
#include "kernels/cost.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/dropout.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "hwy/highway.h"
#include "kernels/simd-inl.h"

// Outside the per-target part, which is compiled several times.
#ifndef NNKERNELS_KERNELS_DROPOUT_CC_
#define NNKERNELS_KERNELS_DROPOUT_CC_
namespace nnkernels::detail {

template <class T>
using DropoutKernel = void (*)(std::size_t size, std::uint64_t first, const DropoutMask& mask,
                               T scale, const T* x, T* y);

/// One counter gives the numbers of so many elements.
inline constexpr std::size_t kOfCounter = 8;
/// Numbers that are made at a time, a multiple of what any vector of counters gives.
inline constexpr std::size_t kNumbers = 1024;

}  // namespace nnkernels::detail
#endif  // NNKERNELS_KERNELS_DROPOUT_CC_

HWY_BEFORE_NAMESPACE();
namespace nnkernels {
namespace HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR
void Numbers(std::uint64_t counter, const DropoutMask& mask, std::uint64_t* numbers) {
  for (std::size_t i = 0; i < detail::kNumbers / detail::kOfCounter; ++i, ++counter) {
    std::uint64_t c0 = counter & 0xFFFFFFFF, c1 = counter >> 32;
    std::uint64_t c2 = mask.high[0], c3 = mask.high[1];
    std::uint32_t key0 = mask.key[0], key1 = mask.key[1];
    for (int round = 0; round < 10; ++round) {
      const std::uint64_t product0 = c0 * 0xD2511F53, product1 = c2 * 0xCD9E8D57;
      c0 = (product1 >> 32) ^ c1 ^ key0;
      c2 = (product0 >> 32) ^ c3 ^ key1;
      c1 = product1 & 0xFFFFFFFF;
      c3 = product0 & 0xFFFFFFFF;
      key0 += 0x9E3779B9;
      key1 += 0xBB67AE85;
    }
    numbers[2 * i] = c0 | c1 << 32;
    numbers[2 * i + 1] = c2 | c3 << 32;
  }
}
#else
/// Fills `numbers` (kNumbers of them) with those of the counters from `counter` on. Each 64-bit
/// lane holds one counter's word in its low half; what is in the high half does not matter, since
/// MulEven does not read it.
void Numbers(std::uint64_t counter, const DropoutMask& mask, std::uint64_t* numbers) {
  const hn::ScalableTag<std::uint64_t> d;
  const hn::Repartition<std::uint32_t, decltype(d)> d32;
  using V = hn::Vec<decltype(d)>;
  const std::size_t lanes = hn::Lanes(d);
  const V low = hn::Set(d, 0xFFFFFFFF);
  const auto multiply = [&](V a, std::uint32_t b)
                            HWY_ATTR { return hn::MulEven(hn::BitCast(d32, a), hn::Set(d32, b)); };
  for (std::size_t i = 0; i < detail::kNumbers / detail::kOfCounter; i += lanes) {
    const V index = hn::Iota(d, counter + i);
    V c0 = index, c1 = hn::ShiftRight<32>(index);
    V c2 = hn::Set(d, mask.high[0]), c3 = hn::Set(d, mask.high[1]);
    std::uint32_t key0 = mask.key[0], key1 = mask.key[1];
    for (int round = 0; round < 10; ++round) {
      const V product0 = multiply(c0, 0xD2511F53), product1 = multiply(c2, 0xCD9E8D57);
      c0 = hn::Xor(hn::Xor(hn::ShiftRight<32>(product1), c1), hn::Set(d, key0));
      c2 = hn::Xor(hn::Xor(hn::ShiftRight<32>(product0), c3), hn::Set(d, key1));
      c1 = product1;
      c3 = product0;
      key0 += 0x9E3779B9;  // the golden ratio
      key1 += 0xBB67AE85;  // sqrt(3) - 1
    }
    const V first = hn::Or(hn::And(c0, low), hn::ShiftLeft<32>(c1));
    const V second = hn::Or(hn::And(c2, low), hn::ShiftLeft<32>(c3));
    hn::StoreInterleaved2(first, second, d, numbers + 2 * i);
  }
}

#endif  // HWY_TARGET == HWY_SCALAR

template <class T>
void Dropout(std::size_t size, std::uint64_t first, const DropoutMask& mask, T scale, const T* x,
             T* y) {
  HWY_ALIGN std::uint64_t words[detail::kNumbers / 4];
  const auto* const numbers = reinterpret_cast<const std::uint16_t*>(words);
  for (std::size_t i = 0; i < size;) {
    const std::uint64_t element = first + i;
    Numbers(element / detail::kOfCounter, mask, words);
    const std::size_t skipped = element % detail::kOfCounter;
    const std::size_t count = std::min(size - i, detail::kNumbers - skipped);
    const std::uint16_t* const number = numbers + skipped;
    const T* const from = x + i;
    T* const to = y + i;
    // A loop of its own for the compiler, which vectorises it for each instruction set.
    for (std::size_t k = 0; k < count; ++k) {
      const T kept = scale * from[k];
      to[k] = number[k] < mask.threshold ? T{0} : kept;
    }
    i += count;
  }
}

detail::DropoutKernel<float> FloatKernel() { return Dropout<float>; }
detail::DropoutKernel<double> DoubleKernel() { return Dropout<double>; }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace nnkernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace nnkernels {
namespace {

HWY_EXPORT(FloatKernel);
HWY_EXPORT(DoubleKernel);

template <class T>
detail::DropoutKernel<T> dropout_kernel() {
  if constexpr (std::is_same_v<T, float>) {
    return HWY_DYNAMIC_DISPATCH(FloatKernel)();
  } else {
    return HWY_DYNAMIC_DISPATCH(DoubleKernel)();
  }
}

}  // namespace

template <class T>
void dropout(std::int64_t size, std::int64_t first, const DropoutMask& mask, T scale, const T* x,
             T* y) {
  detail::check_size("dropout", "size", size);
  detail::check_size("dropout", "first", first);
  detail::check_array("dropout", "x", x, size);
  detail::check_array("dropout", "y", y, size);
  const auto kernel = dropout_kernel<T>();
  // Random numbers take about as long as moving four elements.
  const double cost = (2 + 4) * static_cast<double>(size);
  detail::parallel_blocks(size, detail::kBlockElements, transfer_microseconds<T>(cost),
                          [&](std::int64_t i, std::int64_t count) {
                            kernel(static_cast<std::size_t>(count),
                                   static_cast<std::uint64_t>(first + i), mask, scale, x + i,
                                   y + i);
                          });
}

template void dropout(std::int64_t, std::int64_t, const DropoutMask&, float, const float*, float*);
template void dropout(std::int64_t, std::int64_t, const DropoutMask&, double, const double*,
                      double*);

}  // namespace nnkernels
#endif  // HWY_ONCE
