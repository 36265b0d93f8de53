// What races print and write: tables, summaries, the JSON document and the picture.
#ifndef NNKERNELS_BENCH_RACE_REPORT_H_
#define NNKERNELS_BENCH_RACE_REPORT_H_

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "bench/case.h"
#include "bench/options.h"
#include "bench/plot.h"
#include "bench/race.h"
#include "bench/report.h"

namespace nnkernels::bench {

/// What the speed of a family is measured in, and thus what it is compared with.
enum class Rate {
  flops,  // GFLOP/s, per cent of the multiply-add peak
  copies  // GB/s, per cent of the speed of copying as many bytes
};

/// Speeds of all contestants (ours first) on a list of cases under one set of conditions.
class RaceReport {
 public:
  /// One table. `conditions` says what holds for all of it ("2 threads, cold caches"), for people;
  /// `parameters` says it for scripts. Prints the titles of the columns unless `silent`.
  RaceReport(Rate rate, int threads, std::string conditions, Json parameters,
             std::vector<std::string> contestants, const std::vector<Case>& cases, bool silent);

  /// Prints one row.
  void add(const Case& measured, const RaceResult& result);

  /// Prints, for every set of cases, how we stand against each peer and against the best of them.
  void summarize();

  const std::vector<Json>& results() const { return results_; }
  const std::vector<Json>& summary() const { return summary_; }
  /// One for each series of cases.
  std::vector<Panel> panels(const std::string& x_axis) const;

 private:
  struct Row {
    Case measured;
    RaceResult result;
  };
  /// Our speed / the peer's, over the cases of one set.
  struct Standing {
    std::vector<double> ratios;
    std::vector<std::string> cases;

    void add(double ratio, const std::string& name);
    std::string text() const;
    Json json(const std::string& peer) const;
    std::size_t worst() const;
  };

  double amount(const Case& measured) const;
  /// GFLOP/s or GB/s of contestant i; NaN if it did not take part.
  double speed(const Row& row, std::size_t i) const;
  /// Our speed / the best peer's; NaN if there was none.
  double ratio_to_best(const Row& row) const;
  void add_json(const Row& row);

  Rate rate_;
  int threads_;
  std::string conditions_;
  Json parameters_;
  std::vector<std::string> contestants_;
  bool silent_;
  Table table_;
  std::vector<Row> rows_;
  std::vector<Json> results_;
  std::vector<Json> summary_;
};

}  // namespace nnkernels::bench

#endif  // NNKERNELS_BENCH_RACE_REPORT_H_
