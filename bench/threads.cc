// nnbench threads: what several threads gain over one, and whether they ever lose.
#include <algorithm>
#include <chrono>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "bench/commands.h"
#include "bench/race.h"
#include "bench/runner.h"
#include "kernels/parallel.h"

namespace nnkernels::bench {
namespace {

using std::chrono::milliseconds;

/// Long enough for workers to fall asleep.
constexpr milliseconds kIdle{2};
constexpr std::int64_t kIdleCalls = 20;

/// Below this, several threads are called slower than one: what is left for noise.
constexpr double kNotSlower = 0.97;

struct Family {
  const char* name;
  std::vector<Case> (*cases)();
};
constexpr Family kFamilies[] = {{"gemm", usual_gemm_cases},
                                {"conv", usual_conv_cases},
                                {"pool", usual_pool_cases},
                                {"softmax", usual_softmax_cases},
                                {"elementwise", usual_elementwise_cases},
                                {"train", usual_train_cases},
                                {"infer", usual_infer_cases}};

std::vector<std::string> family_names() {
  std::vector<std::string> names;
  for (const Family& family : kFamilies) names.emplace_back(family.name);
  return names;
}

/// Each call after a pause, which is not counted; the median call, as a pause now and then ends
/// late.
Work after_idle(const Work& work) {
  return [work](std::int64_t times) {
    std::vector<double> seconds;
    for (std::int64_t i = 0; i < times; ++i) {
      std::this_thread::sleep_for(kIdle);
      seconds.push_back(work(1));
    }
    return median(seconds) * static_cast<double>(times);
  };
}

/// How much faster several threads are, over the cases of one family.
struct Gains {
  std::vector<double> hot, idle;

  static std::string text(const std::vector<double>& gains) {
    const auto slower =
        std::count_if(gains.begin(), gains.end(), [](double gain) { return gain < kNotSlower; });
    return "mean " + fixed(geometric_mean(gains), 2) + ", worst " +
           fixed(*std::min_element(gains.begin(), gains.end()), 2) + ", " + std::to_string(slower) +
           " of " + std::to_string(gains.size()) + " below " + fixed(kNotSlower, 2);
  }
};

/// All cases of one family for one number of threads.
class Comparison {
 public:
  Comparison(const Family& family, std::int64_t threads, const CommonOptions& options)
      : family_(family), threads_(threads), options_(options), cases_(family.cases()) {
    const auto contestant = [](int count, const char* when) {
      return Contestant(std::to_string(count) + when, [count] { set_threads(count); });
    };
    const auto many = static_cast<int>(threads);
    contestants_ = {contestant(1, " hot"), contestant(many, " hot"), contestant(1, " after idle"),
                    contestant(many, " after idle")};
  }

  void run(std::vector<Json>& results) {
    std::size_t widest = 0;
    for (const Case& each : cases_) widest = std::max(widest, each.name.size());
    const std::string many = std::to_string(threads_);
    if (!options_.silent()) std::cout << '\n';
    const Table table({{family_.name, widest},
                       {"1 thread", 8},
                       {many + " threads", 8},
                       {"gain", 5},
                       {"1, idle", 8},
                       {many + ", idle", 8},
                       {"gain", 5},
                       {"", 6}},
                      options_.silent());
    for (const Case& each : cases_) add(each, table, results);
    if (options_.silent()) return;
    std::cout << family_.name << ", hot: " << Gains::text(gains_.hot) << '\n'
              << family_.name << ", after idle: " << Gains::text(gains_.idle) << std::endl;
  }

 private:
  void add(const Case& measured, const Table& table, std::vector<Json>& results) {
    Entries entries = measured.prepare();
    const Work work = entries.works.front();
    entries.works = {work, work, after_idle(work), after_idle(work)};
    entries.calls = {0, 0, kIdleCalls, kIdleCalls};
    const std::vector<Timing> t =
        race(measured.name, contestants_, entries, nullptr, options_, /*rest=*/false).timings;
    const double hot = t[0].seconds / t[1].seconds, idle = t[2].seconds / t[3].seconds;
    gains_.hot.push_back(hot);
    gains_.idle.push_back(idle);
    table.row({measured.name, duration(t[0].seconds), duration(t[1].seconds), fixed(hot, 2),
               duration(t[2].seconds), duration(t[3].seconds), fixed(idle, 2),
               std::min(hot, idle) < kNotSlower ? "slower" : ""});
    Json result;
    result.add("family", family_.name).add("name", measured.name);
    result.add("parameters", measured.parameters).add("threads", threads_);
    result.add("hot_seconds_one", t[0].seconds).add("hot_seconds", t[1].seconds);
    result.add("idle_seconds_one", t[2].seconds).add("idle_seconds", t[3].seconds);
    results.push_back(result.add("hot_gain", hot).add("idle_gain", idle));
  }

  const Family& family_;
  std::int64_t threads_;
  const CommonOptions& options_;
  std::vector<Case> cases_;
  std::vector<Contestant> contestants_;
  Gains gains_;
};

}  // namespace

void run_threads(const Arguments& arguments) {
  CommonOptions common;
  common.threads = {threads()};
  std::vector<std::string> families = family_names();
  Options flags("threads",
                "compares several threads with one, in turn: gains below 1 are losses. Hot: calls "
                "follow each other; idle: each comes after 2 ms without work");
  flags.choices("family", "what to measure", family_names(), families);
  common.add_to(flags);
  if (!parse(flags, common, arguments)) return;
  apply(common);
  announce("threads", common);
  std::vector<Json> results;
  for (const std::int64_t count : common.threads) {
    for (const Family& family : kFamilies) {
      if (std::find(families.begin(), families.end(), family.name) == families.end()) continue;
      Comparison(family, count, common).run(results);
    }
  }
  save_json(document("threads", common).add("results", results), common);
}

}  // namespace nnkernels::bench
