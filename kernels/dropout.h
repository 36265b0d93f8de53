// Setting random elements to zero.
#ifndef NNKERNELS_KERNELS_DROPOUT_H_
#define NNKERNELS_KERNELS_DROPOUT_H_

#include <array>
#include <cstdint>

namespace nnkernels {

/// Which elements are dropped: element e if 16 bits of Philox4x32-10 (J. Salmon et al., SC 2011)
/// are below `threshold`, so each with the probability threshold / 65536. They are the bits 16 (e %
/// 8) to 16 (e % 8) + 15 of the 128 that the counter {e / 8 (64 bits, low word first), high[0],
/// high[1]} gives under the key.
struct DropoutMask {
  std::array<std::uint32_t, 2> key{};
  std::array<std::uint32_t, 2> high{};
  std::uint32_t threshold = 0;
};

/// y[i] = 0 if element first + i is dropped, else scale x[i]: forward with x, and backward with dy
/// for x. A pure function of the mask: no mask is stored, and any part of an array may be computed
/// by itself. y may be x, or must not overlap it. NaN in x is dropped as any number is. Allocates
/// nothing; parallel where it pays. T is float or double. Throws std::invalid_argument on a
/// negative size or `first` and on null pointers to non-empty arrays.
template <class T>
void dropout(std::int64_t size, std::int64_t first, const DropoutMask& mask, T scale, const T* x,
             T* y);

}  // namespace nnkernels

#endif  // NNKERNELS_KERNELS_DROPOUT_H_
