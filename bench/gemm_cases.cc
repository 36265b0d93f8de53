#include "bench/gemm_cases.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <type_traits>

#include "bench/gemm_operands.h"
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

/// The Euclidean norms of a matrix' rows.
template <class T>
std::vector<double> row_norms(MatrixView<const T> matrix) {
  std::vector<double> norms;
  for (std::int64_t i = 0; i < matrix.rows; ++i) {
    double sum = 0;
    for (std::int64_t j = 0; j < matrix.cols; ++j) {
      sum += static_cast<double>(matrix(i, j)) * static_cast<double>(matrix(i, j));
    }
    norms.push_back(std::sqrt(sum));
  }
  return norms;
}

/// Compares the C of the first contestant with that of every later one.
template <class T>
class Referee {
 public:
  explicit Referee(const GemmOperands<T>& operands)
      : operands_(operands),
        a_norms_(row_norms<T>(operands.a_view(operands.last()))),
        b_norms_(row_norms<T>(operands.b_view(operands.last()).transposed())) {}

  /// max over i, j of |c1 - c2| / (u |a_i| |b_j|) for the rows of A and the columns of B.
  double operator()(std::size_t contestant) {
    T* c = operands_.last().c;
    if (contestant == 0) ours_.assign(c, c + a_norms_.size() * b_norms_.size());
    constexpr double kUnit = std::numeric_limits<T>::epsilon() / 2;
    double worst = 0;
    for (std::size_t i = 0, at = 0; i < a_norms_.size(); ++i) {
      for (std::size_t j = 0; j < b_norms_.size(); ++j, ++at) {
        const double difference =
            std::abs(static_cast<double>(ours_[at]) - static_cast<double>(c[at]));
        if (std::isnan(difference)) return HUGE_VAL;
        if (difference > 0) {
          worst = std::max(worst, difference / (kUnit * a_norms_[i] * b_norms_[j]));
        }
      }
    }
    // The next contestant is not to find the right answer there.
    std::fill_n(c, ours_.size(), T{0});
    return worst;
  }

 private:
  GemmOperands<T> operands_;
  std::vector<double> a_norms_, b_norms_;
  std::vector<T> ours_;
};

template <class T>
Entries prepare(const GemmShape& shape, bool cold, const Peers& peers) {
  // Twice the cache: what is used once in a while may stay in it a little longer than its turn.
  const GemmOperands<T> operands(shape, cold ? 2 * largest_cache() : 0);
  Entries entries(our_gemm(operands));
  for (const auto& peer : peers) entries.works.push_back(peer_gemm(*peer, operands));
  if (peers.empty()) return entries;
  entries.difference = Referee<T>(operands);
  // By Cauchy and Schwarz, two products that are each as exact as k roundings allow stay below.
  entries.tolerance = 2.0 * static_cast<double>(shape.k + 3);
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
