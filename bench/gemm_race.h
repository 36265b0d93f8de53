// nnbench gemm --vs: the matrix product against that of other libraries.
#ifndef NNKERNELS_BENCH_GEMM_RACE_H_
#define NNKERNELS_BENCH_GEMM_RACE_H_

#include <string>
#include <vector>

#include "bench/gemm_shapes.h"
#include "bench/options.h"
#include "bench/peak.h"

namespace nnkernels::bench {

/// Opens the shared libraries in `paths`, races gemm() against each of them on every shape, and
/// prints the table, or the JSON document, on stdout. Before a shape is timed, the results are
/// compared: nobody wins with wrong work. To be called before the first kernel: threads that the
/// libraries start inherit the CPUs of this thread, which the kernels may bind to one.
/// Throws std::runtime_error if a library cannot be used or two results differ.
void race_gemm(const std::vector<GemmShape>& shapes, const std::vector<std::string>& paths,
               Precision precision, const CommonOptions& options);

}  // namespace nnkernels::bench

#endif  // NNKERNELS_BENCH_GEMM_RACE_H_
