// The matrix products that are measured: named lists of shapes.
#ifndef NNKERNELS_BENCH_GEMM_SHAPES_H_
#define NNKERNELS_BENCH_GEMM_SHAPES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "bench/options.h"

namespace nnkernels::bench {

/// C (m x n) = op(A) op(B), all row-major. With `transpose_a` A is stored k x m, else m x k; with
/// `transpose_b` B is stored n x k, else k x n.
struct GemmShape {
  std::string set;  // the list it is from
  bool transpose_a = false;
  bool transpose_b = false;
  std::int64_t m = 1, n = 1, k = 1;

  /// "nt 64x784x128": layout, then m x n x k.
  std::string name() const;
  std::string layout() const;
  double flops() const;
};

/// "nn", "nt", "tn" and "tt".
std::vector<std::string> gemm_layouts();

/// A shape in one of gemm_layouts().
GemmShape with_layout(const std::string& set, const std::string& layout, std::int64_t m,
                      std::int64_t n, std::int64_t k);

/// The names of the lists.
std::vector<std::string> gemm_list_names();

/// The shapes of one list. Lists that come from networks (mlp, conv, weights) fix the layout of
/// each shape; the others hold each shape once for every one of `layouts`.
std::vector<GemmShape> gemm_list(const std::string& name, const std::vector<std::string>& layouts);

/// The flags that choose products: --shapes, or one by --m, --n and --k; --layout.
struct GemmFlags {
  std::vector<std::string> lists = {"squares"};
  std::int64_t m = 256, n = 256, k = 256;
  std::vector<std::string> layouts = {"nn"};

  void add_to(Options& options);
  /// What was chosen. Throws UsageError if both a list and a single shape were.
  std::vector<GemmShape> chosen(const Options& options) const;
};

}  // namespace nnkernels::bench

#endif  // NNKERNELS_BENCH_GEMM_SHAPES_H_
