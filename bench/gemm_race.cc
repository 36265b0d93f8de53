#include "bench/gemm_race.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iostream>
#include <limits>
#include <stdexcept>

#include "bench/affinity.h"
#include "bench/blas.h"
#include "bench/gemm_operands.h"
#include "bench/race.h"
#include "bench/report.h"
#include "bench/runner.h"

namespace nnkernels::bench {
namespace {

template <class T>
Work blas_gemm(const Blas& blas, const GemmOperands<T>& operands, const Array<T>& c) {
  return timed([multiply = blas.gemm<T>(), operands, c] {
    const GemmShape& s = operands.shape;
    const auto m = static_cast<int>(s.m), n = static_cast<int>(s.n), k = static_cast<int>(s.k);
    multiply(kCblasRowMajor, s.transpose_a ? kCblasTrans : kCblasNoTrans,
             s.transpose_b ? kCblasTrans : kCblasNoTrans, m, n, k, T{1}, operands.a.data(),
             s.transpose_a ? m : k, operands.b.data(), s.transpose_b ? k : n, T{0}, c.data(), n);
  });
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

/// max over i, j of |c1 - c2| / (u |a_i| |b_j|) for the rows of A and the columns of B. By Cauchy
/// and Schwarz, two products that are each as exact as k roundings allow stay below 2 (k + 3).
template <class T>
double scaled_difference(const GemmOperands<T>& operands, const Array<T>& c1, const Array<T>& c2) {
  const std::vector<double> a = row_norms(operands.a_view());
  const std::vector<double> b = row_norms(operands.b_view().transposed());
  constexpr double kUnit = std::numeric_limits<T>::epsilon() / 2;
  double worst = 0;
  for (std::size_t i = 0, at = 0; i < a.size(); ++i) {
    for (std::size_t j = 0; j < b.size(); ++j, ++at) {
      const double difference =
          std::abs(static_cast<double>(c1.data()[at]) - static_cast<double>(c2.data()[at]));
      if (std::isnan(difference)) return HUGE_VAL;
      if (difference > 0) worst = std::max(worst, difference / (kUnit * a[i] * b[j]));
    }
  }
  return worst;
}

/// How we stand against one peer, over all shapes.
struct Standing {
  std::string peer;
  std::vector<double> ratios;  // our speed / its speed

  double mean() const { return geometric_mean(ratios); }
  double worst() const { return *std::min_element(ratios.begin(), ratios.end()); }
};

/// What was found for one shape. Timings and differences: one for each contestant, ours first.
struct Result {
  GemmShape shape;
  std::vector<Timing> timings;
  std::vector<double> differences;

  double gflops(std::size_t i) const { return shape.flops() / timings[i].seconds * 1e-9; }
  double ratio(std::size_t i) const { return timings[i].seconds / timings[0].seconds; }
};

template <class T>
Result race_shape(const GemmShape& shape, const std::vector<Blas>& peers,
                  std::vector<Contestant>& contestants, const CommonOptions& options) {
  const GemmOperands<T> operands(shape);
  const Array<T> ours(shape.m * shape.n);
  std::vector<Work> works = {our_gemm(operands, ours)};
  Result result{shape, {}, {0.0}};
  take_turn(contestants[0], works[0], 1);
  for (std::size_t i = 0; i < peers.size(); ++i) {
    const Array<T> theirs(shape.m * shape.n);
    works.push_back(blas_gemm(peers[i], operands, theirs));
    take_turn(contestants[i + 1], works.back(), 1);
    const double difference = scaled_difference(operands, ours, theirs);
    if (difference > 2.0 * static_cast<double>(shape.k + 3)) {
      throw std::runtime_error("gemm: nnkernels and " + peers[i].name() + " differ for " +
                               shape.name() + ": scaled difference " + fixed(difference, 1) +
                               ", at most " + std::to_string(2 * (shape.k + 3)) + " expected");
    }
    result.differences.push_back(difference);
  }
  result.timings = race(contestants, works, options);
  return result;
}

class RaceReport {
 public:
  RaceReport(const std::vector<Blas>& peers, double peak, bool json)
      : peak_(peak), table_(columns(peers), json), json_(json) {
    for (const Blas& peer : peers) standings_.push_back({peer.name(), {}});
  }

  void add(const Result& result) {
    const double percent = 100 * result.gflops(0) / peak_;
    std::vector<std::string> cells = {result.shape.name(), fixed(result.gflops(0), 1),
                                      fixed(percent, 1) + " %", percent_cell(result, 0)};
    std::vector<Json> theirs;
    double lowest = HUGE_VAL;
    for (std::size_t i = 1; i < result.timings.size(); ++i) {
      Standing& standing = standings_[i - 1];
      standing.ratios.push_back(result.ratio(i));
      lowest = std::min(lowest, result.ratio(i));
      cells.insert(cells.end(), {fixed(result.gflops(i), 1), percent_cell(result, i),
                                 fixed(result.ratio(i), 2)});
      theirs.push_back(json_of(result, i)
                           .add("name", standing.peer)
                           .add("ratio", result.ratio(i))
                           .add("scaled_difference", result.differences[i]));
    }
    best_.ratios.push_back(lowest);
    table_.row(cells);
    results_.push_back(json_of(result, 0)
                           .add("name", result.shape.name())
                           .add("parameters", gemm_parameters(result.shape))
                           .add("percent_of_peak", percent)
                           .add("peers", theirs));
  }

  void finish(Json document) {
    if (standings_.size() > 1) standings_.push_back(best_);
    std::vector<Json> summary;
    for (const Standing& standing : standings_) {
      if (!json_) {
        std::cout << "ours / " << standing.peer << ": geometric mean " << fixed(standing.mean(), 3)
                  << ", worst " << fixed(standing.worst(), 3) << '\n';
      }
      Json entry;
      entry.add("peer", standing.peer).add("geometric_mean", standing.mean());
      summary.push_back(entry.add("worst", standing.worst()));
    }
    document.add("peak_gflops", peak_).add("results", results_).add("summary", summary);
    if (json_) std::cout << document.text() << '\n';
  }

 private:
  static std::vector<Table::Column> columns(const std::vector<Blas>& peers) {
    std::vector<Table::Column> all = {
        {"case", 18}, {"ours GFLOP/s", 12}, {"of peak", 7}, {"spread", 6}};
    for (const Blas& peer : peers) {
      all.insert(all.end(), {{peer.name(), 8}, {"spread", 6}, {"ratio", 6}});
    }
    return all;
  }
  static std::string percent_cell(const Result& result, std::size_t i) {
    return fixed(100 * result.timings[i].spread, 0) + " %";
  }
  static Json json_of(const Result& result, std::size_t i) {
    Json json;
    json.add("gflops", result.gflops(i)).add("seconds", result.timings[i].seconds);
    return json.add("spread", result.timings[i].spread);
  }

  double peak_;  // GFLOP/s
  Table table_;
  bool json_;
  std::vector<Standing> standings_;
  Standing best_ = {"the best of them", {}};
  std::vector<Json> results_;
};

}  // namespace

void race_gemm(const std::vector<GemmShape>& shapes, const std::vector<std::string>& paths,
               Precision precision, const CommonOptions& options) {
  const auto threads = static_cast<int>(options.threads);
  set_blas_environment(threads);
  std::vector<Blas> peers;
  std::vector<Contestant> contestants = {{"nnkernels", process_cpus()}};
  for (const std::string& path : paths) {
    peers.emplace_back(path, threads);
    contestants.push_back({peers.back().name(), process_cpus()});
  }

  announce("gemm", options);
  const double peak = announce_fma_peak(precision, options) * 1e-9;
  RaceReport report(peers, peak, options.json);
  for (const GemmShape& shape : shapes) {
    report.add(precision == Precision::f32
                   ? race_shape<float>(shape, peers, contestants, options)
                   : race_shape<double>(shape, peers, contestants, options));
  }
  report.finish(document("gemm", options).add("type", name(precision)));
}

}  // namespace nnkernels::bench
