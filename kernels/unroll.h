// Complete unrolling of the loops over a register tile. Internal to kernels/.
#ifndef NNKERNELS_KERNELS_UNROLL_H_
#define NNKERNELS_KERNELS_UNROLL_H_

// Every loop over the rows and vectors of a tile must be unrolled completely, or g++ keeps the
// accumulators in memory: at -O2 a tile then runs at a tenth of its speed.
#define NNKERNELS_UNROLL _Pragma("GCC unroll 32")

#endif  // NNKERNELS_KERNELS_UNROLL_H_
