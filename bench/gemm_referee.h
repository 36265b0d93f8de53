// Whether several ways to compute one matrix product come to the same.
#ifndef NNKERNELS_BENCH_GEMM_REFEREE_H_
#define NNKERNELS_BENCH_GEMM_REFEREE_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "bench/gemm_operands.h"
#include "kernels/matrix_view.h"

namespace nnkernels::bench {

/// The Euclidean norms of a matrix' rows.
template <class T>
std::vector<double> row_norms(const MatrixView<const T>& matrix) {
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

/// Compares the C of the first contestant with that of every later one: Entries::difference.
template <class T>
class Referee {
 public:
  explicit Referee(const GemmOperands<T>& operands)
      : operands_(operands),
        a_norms_(row_norms<T>(operands.a_view(operands.last()))),
        b_norms_(row_norms<T>(operands.b_view(operands.last()).transposed())) {}

  /// By Cauchy and Schwarz, two products that are each as exact as k roundings allow stay below.
  static double tolerance(std::int64_t k) { return 2.0 * static_cast<double>(k + 3); }

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

}  // namespace nnkernels::bench

#endif  // NNKERNELS_BENCH_GEMM_REFEREE_H_
