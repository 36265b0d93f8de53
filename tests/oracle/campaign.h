// Campaigns: very many random cases of one kernel family, each checked against its definition.
#ifndef NNKERNELS_TESTS_ORACLE_CAMPAIGN_H_
#define NNKERNELS_TESTS_ORACLE_CAMPAIGN_H_

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>

#include "tests/support/precision.h"
#include "tests/support/values.h"

namespace nnkernels::oracle {

/// What one case showed.
struct Outcome {
  std::string shape;   // the case in words
  std::string wrong;   // the first thing that is wrong; empty if nothing is
  double ratio = 0;    // the largest |error| / proved bound
  double quality = 0;  // the largest |error| / (u times what was added up), zero-mean data only
};

/// A family of cases. `run` draws everything from `values`, so a case is repeatable by its number.
struct Campaign {
  const char* name;
  const char* what;
  std::int64_t cases;  // how many a full run has
  Outcome (*run)(Values& values);
  std::int64_t block = 100;  // cases that share an instruction set and a number of threads
};

/// All campaigns of this program (campaigns.cc, onednn_campaigns.cc).
std::span<const Campaign> campaigns();

/// Exact: small integers, whose sums are exact in T. Random: bounded by the rounding of the work.
enum class Data { integers, reals };

Outcome gemm_case(Values& values);
Outcome integer_gemm_case(Values& values);
Outcome conv_case(Values& values);
Outcome pool_case(Values& values);

/// The type that the definition is computed in: products of two T are exact in it (double for
/// float), or their rounding is 2^11 times finer than that of T (x87's long double for double).
template <class T>
using Wide = std::conditional_t<std::is_same_v<T, float>, double, long double>;

/// A size: mostly around the edges of tiles, often tiny, sometimes anything up to `largest`.
inline std::int64_t draw_size(Values& values, std::int64_t largest) {
  const std::int64_t kind = values.integer(0, 9);
  if (kind < 2) return std::min(largest, values.integer(1, 4));
  if (kind < 5) return std::min(largest, values.integer(1, 40));
  if (kind == 9) return values.integer(1, largest);
  constexpr std::int64_t kEdges[] = {4, 6, 8, 12, 14, 16, 24, 28, 32, 48, 64, 96, 128};
  const std::int64_t edge = kEdges[values.integer(0, std::size(kEdges) - 1)];
  return std::clamp<std::int64_t>(edge + values.integer(-1, 1), 1, largest);
}

/// Whether `actual` is within the proved bound of `want`: gamma_terms times `size`, the sum of the
/// absolute values of what was added up, and one unit of underflow for each of the roundings times
/// `scale`, the largest factor that may still multiply it. Keeps the worst in `outcome`.
template <class T>
void compare(T actual, Wide<T> want, Wide<T> size, std::int64_t terms, Wide<T> scale,
             const std::string& where, Outcome& outcome) {
  const auto n = static_cast<double>(terms);
  const Wide<T> error = std::abs(static_cast<Wide<T>>(actual) - want);
  const Wide<T> underflow =
      static_cast<Wide<T>>(n) * std::numeric_limits<T>::denorm_min() * std::max(Wide<T>{1}, scale);
  // The sums of the reference round too, 2^11 times finer or better: one part in 512 covers them.
  const Wide<T> bound = (static_cast<Wide<T>>(gamma<T>(n)) * size + underflow) * (1 + 0x1p-9);
  // Written so that NaN is wrong.
  if (!(error <= bound) && outcome.wrong.empty()) {
    outcome.wrong = where + " is " + std::to_string(actual) + ", expected " + std::to_string(want) +
                    ", error / bound " + std::to_string(error / bound);
  }
  if (error > 0) {
    outcome.ratio = std::max(outcome.ratio, static_cast<double>(error / bound));
  }
}

/// Integers must agree in every bit.
template <class T>
void compare_exactly(T actual, Wide<T> want, const std::string& where, Outcome& outcome) {
  if (static_cast<Wide<T>>(actual) == want || !outcome.wrong.empty()) return;
  outcome.wrong =
      where + " is " + std::to_string(actual) + ", expected exactly " + std::to_string(want);
}

}  // namespace nnkernels::oracle

#endif  // NNKERNELS_TESTS_ORACLE_CAMPAIGN_H_
