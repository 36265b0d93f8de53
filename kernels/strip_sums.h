// Weighted sums of strips of memory: what the gradients of a convolution consist of where few of
// its outputs have one. Internal to kernels/.
#ifndef NNKERNELS_KERNELS_STRIP_SUMS_H_
#define NNKERNELS_KERNELS_STRIP_SUMS_H_

#include <cstddef>
#include <cstdint>

namespace nnkernels::detail {

/// Several strips, contiguous pieces of memory of the same length, are added to at once.
template <class T>
struct StripSums {
  T* to = nullptr;
  const std::ptrdiff_t* to_places = nullptr;    // where in `to` each strip begins
  const std::ptrdiff_t* from_places = nullptr;  // and in each term
  std::int64_t strips = 0;
  std::int64_t length = 0;
  const T* const* terms = nullptr;
  const T* factors = nullptr;
  std::int64_t count = 0;  // of terms
};

/// to[to_places[s] + i] += the sum over t of factors[t] * terms[t][from_places[s] + i], for all
/// strips s and i < length: one chain of fused multiply-adds in the order of t. The sums stay in
/// registers, so each multiply-add costs one load.
template <class T>
using StripSumsKernel = void (*)(const StripSums<T>& sums);

/// The kernel for the instruction set in use.
template <class T>
StripSumsKernel<T> strip_sums_kernel();

}  // namespace nnkernels::detail

#endif  // NNKERNELS_KERNELS_STRIP_SUMS_H_
