// Matrix products to be measured, by this library and by others.
#ifndef NNKERNELS_BENCH_GEMM_CASES_H_
#define NNKERNELS_BENCH_GEMM_CASES_H_

#include <memory>
#include <vector>

#include "bench/blas.h"
#include "bench/case.h"
#include "bench/gemm_shapes.h"
#include "bench/peak.h"

namespace nnkernels::bench {

/// A case for each shape: ours, and one work for each peer, whose results are compared. With
/// `cold`, operands come from memory; else the caches hold what fits of what the last call used.
std::vector<Case> gemm_cases(const std::vector<GemmShape>& shapes, Precision precision, bool cold,
                             const std::vector<std::shared_ptr<const Blas>>& peers);

}  // namespace nnkernels::bench

#endif  // NNKERNELS_BENCH_GEMM_CASES_H_
