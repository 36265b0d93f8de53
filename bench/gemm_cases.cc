#include "bench/gemm_cases.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <type_traits>

#include "bench/gemm_operands.h"
#include "bench/gemm_referee.h"
#include "bench/memory_levels.h"
#include "kernels/gemm.h"

namespace nnkernels::bench {
namespace {

using Peers = std::vector<std::shared_ptr<const Blas>>;

template <class T>
Work our_gemm(const GemmOperands<T>& operands) {
  return timed([operands] {
    const GemmShape& s = operands.shape();
    const auto place = operands.next();
    gemm(T{1}, operands.a_view(place), operands.b_view(place), T{0},
         MatrixView<T>(place.c, s.m, s.n));
  });
}

template <class T>
Work cblas_gemm(CblasGemm<T> multiply, const GemmOperands<T>& operands) {
  return timed([multiply, operands] {
    const GemmShape& s = operands.shape();
    const auto m = static_cast<int>(s.m), n = static_cast<int>(s.n), k = static_cast<int>(s.k);
    const auto place = operands.next();
    multiply(kCblasRowMajor, s.transpose_a ? kCblasTrans : kCblasNoTrans,
             s.transpose_b ? kCblasTrans : kCblasNoTrans, m, n, k, T{1}, place.a,
             s.transpose_a ? m : k, place.b, s.transpose_b ? k : n, T{0}, place.c, n);
  });
}

/// To a column-major library our matrices are transposed: C' = op(B)' op(A)'.
template <class T>
Work fortran_gemm(FortranGemm<T> multiply, const GemmOperands<T>& operands) {
  return timed([multiply, operands] {
    const GemmShape& s = operands.shape();
    const auto m = static_cast<int>(s.m), n = static_cast<int>(s.n), k = static_cast<int>(s.k);
    const int lda = s.transpose_a ? m : k, ldb = s.transpose_b ? k : n;
    const T one{1}, zero{0};
    const auto place = operands.next();
    multiply(s.transpose_b ? "T" : "N", s.transpose_a ? "T" : "N", &n, &m, &k, &one, place.b, &ldb,
             place.a, &lda, &zero, place.c, &n);
  });
}

Work dnnl_gemm(DnnlGemm multiply, const GemmOperands<float>& operands) {
  return timed([multiply, operands] {
    const GemmShape& s = operands.shape();
    const auto place = operands.next();
    multiply(s.transpose_a ? 'T' : 'N', s.transpose_b ? 'T' : 'N', s.m, s.n, s.k, 1.0f, place.a,
             s.transpose_a ? s.m : s.k, place.b, s.transpose_b ? s.k : s.n, 0.0f, place.c, s.n);
  });
}

/// Empty if the library has no product of that type.
template <class T>
Work peer_gemm(const Blas& peer, const GemmOperands<T>& operands) {
  const GemmFunctions<T>& functions = peer.gemm<T>();
  if (functions.cblas != nullptr) return cblas_gemm(functions.cblas, operands);
  if (functions.fortran != nullptr) return fortran_gemm(functions.fortran, operands);
  if constexpr (std::is_same_v<T, float>) {
    if (functions.dnnl != nullptr) return dnnl_gemm(functions.dnnl, operands);
  }
  return {};
}

template <class T>
Entries prepare(const GemmShape& shape, bool cold, const Peers& peers) {
  // Twice the cache: what is used once in a while may stay in it a little longer than its turn.
  const GemmOperands<T> operands(shape, cold ? 2 * largest_cache() : 0);
  Entries entries(our_gemm(operands));
  for (const auto& peer : peers) entries.works.push_back(peer_gemm(*peer, operands));
  if (peers.empty()) return entries;
  entries.difference = Referee<T>(operands);
  entries.tolerance = Referee<T>::tolerance(shape.k);
  return entries;
}

}  // namespace

std::vector<Case> gemm_cases(const std::vector<GemmShape>& shapes, Precision precision, bool cold,
                             const Peers& peers) {
  std::vector<Case> result;
  for (const GemmShape& shape : shapes) {
    Case one;
    one.set = shape.set;
    one.series = shape.set + ' ' + shape.layout();
    one.name = shape.name();
    one.parameters.add("layout", shape.layout());
    one.parameters.add("m", shape.m).add("n", shape.n).add("k", shape.k);
    one.size = std::cbrt(shape.flops() / 2);
    one.flops = shape.flops();
    one.prepare = [shape, precision, cold, peers] {
      return precision == Precision::f32 ? prepare<float>(shape, cold, peers)
                                         : prepare<double>(shape, cold, peers);
    };
    result.push_back(one);
  }
  return result;
}

}  // namespace nnkernels::bench
