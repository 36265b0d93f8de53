// Which loops of a register tile are unrolled, and which are not. Internal to kernels/.
#ifndef NNKERNELS_KERNELS_UNROLL_H_
#define NNKERNELS_KERNELS_UNROLL_H_

// Every loop over the rows and vectors of a tile must be unrolled completely, or g++ keeps the
// accumulators in memory: at -O2 a tile then runs at a tenth of its speed.
#define NNKERNELS_UNROLL _Pragma("GCC unroll 32")

// Loops over the steps of a tile stay loops: several steps at once need more registers than there
// are.
#define NNKERNELS_ROLLED _Pragma("GCC unroll 1")

#endif  // NNKERNELS_KERNELS_UNROLL_H_
