// Measures a list of cases with Google Benchmark and reports them beside this machine's peak.
#ifndef NNKERNELS_BENCH_RUNNER_H_
#define NNKERNELS_BENCH_RUNNER_H_

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "bench/options.h"
#include "bench/peak.h"
#include "bench/report.h"

namespace nnkernels::bench {

/// Does something `times` times and returns the seconds that it took.
using Work = std::function<double(std::int64_t times)>;

/// The Work of calling body() again and again.
template <class Body>
Work timed(Body body) {
  return [body = std::move(body)](std::int64_t times) {
    using Clock = std::chrono::steady_clock;
    const Clock::time_point begin = Clock::now();
    for (std::int64_t i = 0; i < times; ++i) {
      body();
      benchmark::ClobberMemory();
    }
    return std::chrono::duration<double>(Clock::now() - begin).count();
  };
}

/// One row of the result: what one call does, and how to get ready for it.
struct Case {
  std::string name;
  Json parameters;             // the same for scripts
  double flops = 0;            // floating-point operations of one call
  double bytes = 0;            // that one call must at least read and write
  std::int64_t footprint = 0;  // bytes of all operands: chooses the level of memory to compare with
  double items = 0;            // images of one call
  std::int64_t iterations = 0;  // 0: as many as --min-time asks for
  /// Allocates and fills the operands, which the Work owns; not timed.
  std::function<Work()> prepare;
};

/// What the speed of a family is measured in, and thus what it is compared with.
enum class Rate {
  flops,   // GFLOP/s, per cent of the FMA peak
  copies,  // GB/s, per cent of the speed of copying where the operands fit
  images,  // images a second
  time     // nothing but the time
};

/// Parses the flags of a command. If they ask for help, prints it and returns false: that was all.
bool parse(Options& flags, const CommonOptions& options, const std::vector<std::string>& arguments);

/// Applies --threads, --simd and --no-pin. Throws UsageError for an instruction set that this
/// machine does not have. Every command calls this first.
void apply(const CommonOptions& options);

/// The members that start every JSON document: program, version, command, simd, threads, pinned.
Json document(const std::string& command, const CommonOptions& options);

/// Measures the FMA peak and says so on stdout unless --json; returns flop/s.
double announce_fma_peak(Precision precision, const CommonOptions& options);

/// Prints one line on the instruction set, threads and binding, unless --json.
void announce(const std::string& command, const CommonOptions& options);

/// Measures every case in turn and prints the table, or the document, on stdout.
void run_cases(const std::string& command, const CommonOptions& options, Rate rate,
               Precision precision, const std::vector<Case>& cases);

}  // namespace nnkernels::bench

#endif  // NNKERNELS_BENCH_RUNNER_H_
