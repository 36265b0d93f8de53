// A program that uses nothing of kernels/ but the matrix product, to be run with NNKERNELS_SIMD set
// to an instruction set without fused multiply-adds: exits 0 if the product was computed without
// them.
#include "kernels/gemm.h"

int main() {
  const float x = 1.0f + 0x1p-12f;
  const float square = x * x;  // rounded
  const float a[] = {-square, x, -square, x};
  const float b[] = {1.0f, 1.0f, 1.0f, x, x, x};
  float c[6];
  nnkernels::gemm(1.0f, nnkernels::MatrixView<const float>(a, 2, 2),
                  nnkernels::MatrixView<const float>(b, 2, 3), 0.0f,
                  nnkernels::MatrixView<float>(c, 2, 3));
  return c[0] == 0.0f ? 0 : 1;  // -square + x * x, which a fused multiply-add does not round
}
