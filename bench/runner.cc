#include "bench/runner.h"

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <iostream>
#include <stdexcept>

#include "kernels/parallel.h"
#include "kernels/simd.h"

namespace nnkernels::bench {
namespace {

/// What the cases are compared with: one of the two is measured, as `rate` asks.
struct Yardstick {
  Rate rate = Rate::time;
  double flops_per_second = 0;
  std::vector<CopySpeed> copies;
};

Crew crew(const CommonOptions& options) {
  return {static_cast<int>(options.threads), !options.no_pin};
}

Yardstick measure_yardstick(const CommonOptions& options, Rate rate, Precision precision) {
  Yardstick yardstick;
  yardstick.rate = rate;
  if (rate == Rate::flops) yardstick.flops_per_second = announce_fma_peak(precision, options);
  if (rate == Rate::copies) {
    yardstick.copies = measure_copy(crew(options));
    if (!options.json) {
      std::cout << "copy:";
      for (const CopySpeed& copy : yardstick.copies) {
        std::cout << "  " << copy.level << ' ' << fixed(copy.bytes_per_second * 1e-9, 1) << " GB/s";
      }
      std::cout << std::endl;
    }
  }
  return yardstick;
}

/// What this library adds to Google Benchmark's own reporters: percentages and medians.
class Reporter : public benchmark::BenchmarkReporter {
 public:
  Reporter(const std::vector<Case>& cases, Yardstick yardstick, bool json)
      : cases_(cases),
        yardstick_(std::move(yardstick)),
        table_(columns(cases, yardstick_.rate), json) {}

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
  static std::vector<Table::Column> columns(const std::vector<Case>& cases, Rate rate) {
    std::size_t widest = 0;
    for (const Case& each : cases) widest = std::max(widest, each.name.size());
    std::vector<Table::Column> all = {{"case", widest}, {"time", 8}, {"spread", 6}};
    if (rate == Rate::flops) all.insert(all.end(), {{"GFLOP/s", 8}, {"of peak", 7}});
    if (rate == Rate::copies) all.insert(all.end(), {{"GB/s", 8}, {"of copy", 7}, {"level", 5}});
    if (rate == Rate::images) all.push_back({"images/s", 10});
    return all;
  }

  void report(const Case& measured, const std::vector<double>& seconds) {
    const double time = median(seconds);
    std::vector<std::string> cells = {measured.name, duration(time),
                                      fixed(100 * spread(seconds), 0) + " %"};
    Json result;
    result.add("name", measured.name)
        .add("parameters", measured.parameters)
        .add("seconds", time)
        .add("seconds_min", *std::min_element(seconds.begin(), seconds.end()))
        .add("seconds_max", *std::max_element(seconds.begin(), seconds.end()))
        .add("repetitions", seconds.size());
    const auto compare = [&](const char* key, double amount, double peak) {
      const double percent = 100 * amount / time / peak;
      cells.push_back(fixed(amount / time * 1e-9, 1));
      cells.push_back(fixed(percent, 1) + " %");
      result.add(key, amount / time * 1e-9).add("percent_of_peak", percent);
    };
    switch (yardstick_.rate) {
      case Rate::flops:
        compare("gflops", measured.flops, yardstick_.flops_per_second);
        break;
      case Rate::copies: {
        const CopySpeed& copy = level_of(yardstick_.copies, measured.footprint);
        compare("gigabytes_per_second", measured.bytes, copy.bytes_per_second);
        cells.push_back(copy.level);
        result.add("level", copy.level);
        break;
      }
      case Rate::images:
        cells.push_back(fixed(measured.items / time, 0));
        result.add("images_per_second", measured.items / time);
        break;
      case Rate::time:
        break;
    }
    table_.row(cells);
    results_.push_back(result);
  }

  const std::vector<Case>& cases_;
  Yardstick yardstick_;
  Table table_;
  std::vector<Json> results_;
};

/// Google Benchmark calls a benchmark several times, to find the number of iterations and for each
/// repetition; the operands are made once and given back when the next case needs its own.
class Prepared {
 public:
  Work& of(const Case& wanted) {
    if (case_ != &wanted) {
      work_ = nullptr;
      work_ = wanted.prepare();
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

}  // namespace

bool parse(Options& flags, const CommonOptions& options,
           const std::vector<std::string>& arguments) {
  flags.parse(arguments);
  if (options.help) std::cout << flags.help();
  return !options.help;
}

void apply(const CommonOptions& options) {
  const char* variable = std::getenv("NNKERNELS_SIMD");
  if (!options.simd.empty()) {
    use_simd("--simd", options.simd);
  } else if (variable != nullptr && *variable != '\0') {
    use_simd("NNKERNELS_SIMD", variable);
  }
  set_pinning(!options.no_pin);
  set_threads(static_cast<int>(options.threads));
}

Json document(const std::string& command, const CommonOptions& options) {
  Json document;
  document.add("program", "nnbench")
      .add("version", NNKERNELS_VERSION)
      .add("command", command)
      .add("simd", simd())
      .add("threads", options.threads)
      .add("pinned", !options.no_pin);
  return document;
}

void announce(const std::string& command, const CommonOptions& options) {
  if (options.json) return;
  std::cout << "nnbench " << command << ": " << simd() << ", " << options.threads
            << (options.threads == 1 ? " thread" : " threads")
            << (options.no_pin ? ", not pinned" : "") << std::endl;
}

double announce_fma_peak(Precision precision, const CommonOptions& options) {
  const double peak = measure_fma_peak(precision, crew(options));
  if (!options.json) {
    std::cout << "peak: " << fixed(peak * 1e-9, 1) << " GFLOP/s (" << name(precision) << ")"
              << std::endl;
  }
  return peak;
}

void run_cases(const std::string& command, const CommonOptions& options, Rate rate,
               Precision precision, const std::vector<Case>& cases) {
  announce(command, options);
  Yardstick yardstick = measure_yardstick(options, rate, precision);
  Json report = document(command, options);
  if (rate == Rate::flops) {
    report.add("type", name(precision)).add("peak_gflops", yardstick.flops_per_second * 1e-9);
  }
  std::vector<Json> copies;
  for (const CopySpeed& copy : yardstick.copies) {
    Json entry;
    entry.add("level", copy.level).add("gigabytes_per_second", copy.bytes_per_second * 1e-9);
    copies.push_back(entry);
  }
  if (!copies.empty()) report.add("copy", copies);

  Reporter reporter(cases, std::move(yardstick), options.json);
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
  if (options.json) std::cout << report.add("results", reporter.results()).text() << std::endl;
}

}  // namespace nnkernels::bench
