// What all commands share, and the measuring of cases that have nothing to race against.
#ifndef NNKERNELS_BENCH_RUNNER_H_
#define NNKERNELS_BENCH_RUNNER_H_

#include <string>
#include <vector>

#include "bench/case.h"
#include "bench/options.h"
#include "bench/report.h"

namespace nnkernels::bench {

/// Parses the flags of a command. If they ask for help, prints it and returns false: that was all.
bool parse(Options& flags, const CommonOptions& options, const std::vector<std::string>& arguments);

/// Throws nn::WriteError if `file`, unless that is empty or stands for standard output, cannot be
/// made or replaced: before all the measuring.
void require_writable(const std::string& file);

/// Applies --simd and --no-pin. Throws UsageError for an instruction set that this machine does not
/// have, and as require_writable() for --json. Every command calls this first.
void apply(const CommonOptions& options);

/// The members that start every JSON document: program, version, command, simd, pinned.
Json document(const std::string& command, const CommonOptions& options);

/// Writes `report` where --json says, if it does.
void save_json(const Json& report, const CommonOptions& options);

/// Prints one line on the instruction set and binding, unless options.silent().
void announce(const std::string& command, const CommonOptions& options);

/// Measures every case with Google Benchmark, on every number of threads asked for, in units of
/// time, or of images a second where cases have items, and prints or saves the results.
void run_cases(const std::string& command, const CommonOptions& options,
               const std::vector<Case>& cases);

}  // namespace nnkernels::bench

#endif  // NNKERNELS_BENCH_RUNNER_H_
