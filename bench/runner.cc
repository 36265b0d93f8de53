#include "bench/runner.h"

#include <benchmark/benchmark.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "kernels/parallel.h"
#include "kernels/simd.h"
#include "nn/data/file.h"
#include "nn/file_error.h"

namespace nnkernels::bench {
namespace {

/// What this library adds to Google Benchmark's own reporters: medians, and scripts' parameters.
class Reporter : public benchmark::BenchmarkReporter {
 public:
  Reporter(const std::vector<Case>& cases, const CommonOptions& options)
      : cases_(cases),
        in_images_(std::any_of(cases.begin(), cases.end(),
                               [](const Case& each) { return each.items > 0; })),
        table_(columns(cases, in_images_), options.silent()) {}

  void set_threads(std::int64_t threads) { threads_ = threads; }

  bool ReportContext(const Context&) override { return true; }

  void ReportRuns(const std::vector<Run>& runs) override {
    std::vector<double> seconds;
    for (const Run& run : runs) {
      if (run.run_type != Run::RT_Iteration) continue;
      seconds.push_back(run.real_accumulated_time / static_cast<double>(run.iterations));
    }
    if (seconds.empty()) return;
    report(cases_[static_cast<std::size_t>(runs[0].family_index)], seconds);
  }

  const std::vector<Json>& results() const { return results_; }

 private:
  static std::vector<Table::Column> columns(const std::vector<Case>& cases, bool in_images) {
    std::size_t widest = 0;
    for (const Case& each : cases) widest = std::max(widest, each.name.size());
    std::vector<Table::Column> all = {{"case", widest}, {"threads", 7}, {"time", 8}, {"spread", 6}};
    if (in_images) all.push_back({"images/s", 10});
    return all;
  }

  void report(const Case& measured, const std::vector<double>& seconds) {
    const double time = median(seconds);
    std::vector<std::string> cells = {measured.name, std::to_string(threads_), duration(time),
                                      fixed(100 * spread(seconds), 0) + " %"};
    Json result;
    result.add("name", measured.name)
        .add("parameters", measured.parameters)
        .add("threads", threads_)
        .add("seconds", time)
        .add("seconds_min", *std::min_element(seconds.begin(), seconds.end()))
        .add("seconds_max", *std::max_element(seconds.begin(), seconds.end()))
        .add("repetitions", seconds.size());
    if (in_images_) {
      cells.push_back(fixed(measured.items / time, 0));
      result.add("images_per_second", measured.items / time);
    }
    table_.row(cells);
    results_.push_back(result);
  }

  const std::vector<Case>& cases_;
  bool in_images_;
  Table table_;
  std::int64_t threads_ = 1;
  std::vector<Json> results_;
};

/// Google Benchmark calls a benchmark several times, to find the number of iterations and for each
/// repetition; the operands are made once and given back when the next case needs its own.
class Prepared {
 public:
  Work& of(const Case& wanted) {
    if (case_ != &wanted) {
      work_ = nullptr;
      work_ = wanted.prepare().works.front();
      case_ = &wanted;
      work_(1);
    }
    return work_;
  }

 private:
  const Case* case_ = nullptr;
  Work work_;
};

void use_simd(const std::string& source, const std::string& name) {
  try {
    set_simd(name);
  } catch (const std::invalid_argument&) {
    std::string message = source + ": no instruction set \"" + name + "\" here; there is";
    for (const std::string& known : available_simd()) message += " " + known;
    throw UsageError(message);
  }
}

void run_on(std::int64_t threads, const std::vector<Case>& cases, const CommonOptions& options,
            Reporter& reporter) {
  set_threads(static_cast<int>(threads));
  reporter.set_threads(threads);
  Prepared prepared;
  for (const Case& each : cases) {
    benchmark::internal::Benchmark* registered = benchmark::RegisterBenchmark(
        each.name.c_str(), [&prepared, &each](benchmark::State& state) {
          Work& work = prepared.of(each);
          while (state.KeepRunningBatch(state.max_iterations)) {
            state.SetIterationTime(work(state.max_iterations));
          }
        });
    registered->UseManualTime()->ReportAggregatesOnly(false);
    registered->Repetitions(static_cast<int>(options.repetitions));
    if (each.iterations > 0) {
      registered->Iterations(each.iterations);
    } else {
      registered->MinTime(options.min_time);
    }
  }
  benchmark::RunSpecifiedBenchmarks(&reporter, nullptr, "all");
  benchmark::ClearRegisteredBenchmarks();
}

}  // namespace

bool parse(Options& flags, const CommonOptions& options,
           const std::vector<std::string>& arguments) {
  flags.parse(arguments);
  if (options.help) std::cout << flags.help();
  return !options.help;
}

void require_writable(const std::string& file) {
  if (file.empty() || file == kStandardOutput) return;
  const std::filesystem::path folder = std::filesystem::path(file).parent_path();
  if (access(folder.empty() ? "." : folder.c_str(), W_OK | X_OK) != 0) {
    throw nn::WriteError(file, std::generic_category().message(errno));
  }
  std::error_code error;
  if (std::filesystem::exists(file, error) && !std::filesystem::is_regular_file(file, error)) {
    throw nn::WriteError(file, "there is something else of that name");
  }
}

void apply(const CommonOptions& options) {
  require_writable(options.json);
  const char* variable = std::getenv("NNKERNELS_SIMD");
  if (!options.simd.empty()) {
    use_simd("--simd", options.simd);
  } else if (variable != nullptr && *variable != '\0') {
    use_simd("NNKERNELS_SIMD", variable);
  }
  set_pinning(!options.no_pin);
}

Json document(const std::string& command, const CommonOptions& options) {
  Json document;
  document.add("program", "nnbench")
      .add("version", NNKERNELS_VERSION)
      .add("command", command)
      .add("simd", simd())
      .add("pinned", !options.no_pin);
  return document;
}

void save_json(const Json& report, const CommonOptions& options) {
  if (options.silent()) {
    std::cout << report.text() << '\n';
  } else if (!options.json.empty()) {
    nn::write_file_atomically(options.json, report.text() + '\n');
  }
}

void announce(const std::string& command, const CommonOptions& options) {
  if (options.silent()) return;
  std::cout << "nnbench " << command << ": " << simd() << (options.no_pin ? ", not pinned" : "")
            << std::endl;
}

void run_cases(const std::string& command, const CommonOptions& options,
               const std::vector<Case>& cases) {
  announce(command, options);
  Reporter reporter(cases, options);
  for (const std::int64_t threads : options.threads) run_on(threads, cases, options, reporter);
  save_json(document(command, options).add("results", reporter.results()), options);
}

}  // namespace nnkernels::bench
