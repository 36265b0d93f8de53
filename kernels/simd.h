// The instruction set that the kernels run on: which there are, which is chosen, how to lower it.
#ifndef NNKERNELS_KERNELS_SIMD_H_
#define NNKERNELS_KERNELS_SIMD_H_

#include <string>
#include <string_view>
#include <vector>

namespace nnkernels {

/// The instruction sets that this build holds code for and this CPU can run, best first, by
/// Highway's names: on x86-64 "AVX3" (AVX-512 F, BW, CD, DQ, VL), "AVX2" (with FMA), "SSE4",
/// "SSSE3", and at the end the portable "SCALAR" (g++ before 12.3) or "EMU128".
std::vector<std::string> available_simd();

/// The instruction set in use: the best available one unless it was lowered.
std::string simd();

/// Lowers the instruction set of every later kernel call in this process to `name`, or raises it
/// again. Case does not matter; "avx512" means the best of the AVX3 family, and "best" the best
/// that is available. When a program never calls this, the environment variable NNKERNELS_SIMD
/// decides, with the same names (one that is not available is ignored there). Not to be called
/// while a kernel runs. One instruction set gives the same result bits for any number of threads;
/// two different ones may round differently. Throws std::invalid_argument that lists the available
/// names if `name` is not one of them.
void set_simd(std::string_view name);

namespace detail {

/// Whether NNKERNELS_SIMD chose the instruction set. What calls this brings simd.cc, which reads
/// the variable, into a program that links the static library and never asks for anything else of
/// it.
bool simd_environment_applied();

/// Whether a CPU with AVX-512 computes vectors of 512 bits on units of 256, so that those of half
/// the width run twice as fast. `signature` is what CPUID returns in EAX for 1. True for AMD's Zen
/// 4 and the small Zen 5, and for Intel's clients, whose only 512-bit unit is two of 256 bits (AMD,
/// Software Optimization Guides 57647 and 58455; uops.info); a CPU that is not known here counts as
/// one with units of 512 bits.
bool has_half_wide_units(unsigned signature);
/// The same for this CPU. False where it is no x86.
bool has_half_wide_units();

}  // namespace detail
}  // namespace nnkernels

#endif  // NNKERNELS_KERNELS_SIMD_H_
