// The way from a list of cases and peers to tables, the JSON document and the picture.
#ifndef NNKERNELS_BENCH_RACES_H_
#define NNKERNELS_BENCH_RACES_H_

#include <functional>
#include <string>
#include <vector>

#include "bench/case.h"
#include "bench/options.h"
#include "bench/peak.h"
#include "bench/race.h"
#include "bench/race_report.h"

namespace nnkernels::bench {

/// A library to race against.
struct Peer {
  std::string name;         // short: heads a column
  std::string description;  // name, version and where it comes from
  bool openmp = false;      // its threads are OpenMP's, which are bound to CPUs
  std::function<void(int threads)> set_threads;
};

/// The flags of the commands that race.
struct RaceOptions : CommonOptions {
  std::string plot;  // file for the picture; empty for none

  void add_to(Options& options);
};

/// The races of one command: against peers if there are any, and always against the yardstick. To
/// be made after apply().
class Races {
 public:
  /// `x_axis` says what Case::size is. Prints what takes part, unless options.silent(). `options`
  /// must outlive the races.
  Races(std::string command, const RaceOptions& options, Rate rate, Precision precision,
        std::string x_axis, std::vector<Peer> peers);

  /// Runs every case on every number of threads asked for. `conditions` and `parameters` say what
  /// else holds for them, for people and for scripts.
  void run(const std::vector<Case>& cases, const std::string& conditions = "",
           const Json& parameters = {});

  /// Writes the document and the picture if they are wanted, also one if the other cannot be.
  /// Throws what write_file_atomically() does.
  void finish() const;

 private:
  void run(const std::vector<Case>& cases, int threads, const std::string& conditions,
           const Json& parameters);

  std::string command_;
  const RaceOptions& options_;
  Rate rate_;
  Precision precision_;
  std::string x_axis_;
  std::vector<Peer> peers_;
  std::vector<Contestant> contestants_;  // ours first
  std::vector<Json> results_;
  std::vector<Json> summary_;
  std::vector<Panel> panels_;
};

}  // namespace nnkernels::bench

#endif  // NNKERNELS_BENCH_RACES_H_
