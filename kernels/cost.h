// How long work takes on one thread, estimated: what parallel_for() wants to know.
#ifndef NNKERNELS_KERNELS_COST_H_
#define NNKERNELS_KERNELS_COST_H_

namespace nnkernels {
namespace detail {

/// Operations in single precision, a multiply-add counted as two, that one thread does in a
/// microsecond with the instruction set in use: ten thousand for each number that a multiply-add
/// unit takes in a cycle, for two units. That is 160 GFLOP/s with AVX-512, or 80 where its units
/// are half as wide (a Zen 4), 80 with AVX2, 40 with vectors of 128 bits, 10 with none: 0.6 to 0.9
/// of the peaks that were measured. (Of CPUs with one unit of 512 bits none was.)
double flops_per_microsecond();

}  // namespace detail

/// Of data that is in the caches.
inline constexpr double kBytesPerMicrosecond = 5e4;

/// The time of `flops` floating-point operations on elements of type T, in microseconds, if they
/// are done well: by products of matrices. Within a factor of two or so, which is good enough.
template <class T>
double arithmetic_microseconds(double flops) {
  return flops * (sizeof(T) / 4.0) / detail::flops_per_microsecond();
}

/// The time of a kernel that loads or stores `count` elements of type T, in microseconds.
template <class T>
double transfer_microseconds(double count) {
  return count * sizeof(T) / kBytesPerMicrosecond;
}

}  // namespace nnkernels

#endif  // NNKERNELS_KERNELS_COST_H_
