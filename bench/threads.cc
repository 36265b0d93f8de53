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
#include "kernels/loop_record.h"
#include "kernels/parallel.h"

namespace nnkernels::bench {
namespace {

using std::chrono::milliseconds;

/// Long enough for workers to fall asleep.
constexpr milliseconds kIdle{2};
constexpr std::int64_t kIdleCalls = 20;
/// Seconds of calls in which estimates of loops that are worth it add up to far more than it takes
/// to wake a worker.
constexpr double kRow = 5e-3;

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

/// Whether a call of `work` shares any of its loops among threads.
bool shares(const Work& work) {
  std::vector<detail::LoopRecord> loops;
  detail::record_loops(&loops);
  work(1);
  detail::record_loops(nullptr);
  return std::any_of(loops.begin(), loops.end(),
                     [](const detail::LoopRecord& loop) { return loop.shared; });
}

/// Times with one and with several threads, hot or after idling.
struct Comparison {
  double one, many;
  bool shared;  // if not, several threads do what one does, and what differs is noise

  double gain() const { return one / many; }
  bool is_slower() const { return shared && gain() < kNotSlower; }
  std::string text() const { return shared ? fixed(gain(), 2) : "alone"; }
};

/// How much faster several threads are where there is more than one of them.
std::string summary(const std::vector<Comparison>& all) {
  std::vector<double> gains;
  for (const Comparison& each : all) {
    if (each.shared) gains.push_back(each.gain());
  }
  std::string text =
      std::to_string(gains.size()) + " of " + std::to_string(all.size()) + " are shared";
  if (gains.empty()) return text;
  const auto slower = std::count_if(all.begin(), all.end(),
                                    [](const Comparison& each) { return each.is_slower(); });
  return text + ": mean " + fixed(geometric_mean(gains), 2) + ", worst " +
         fixed(*std::min_element(gains.begin(), gains.end()), 2) + ", " + std::to_string(slower) +
         " below " + fixed(kNotSlower, 2);
}

/// All cases of one family for one number of threads.
class FamilyComparison {
 public:
  FamilyComparison(const Family& family, std::int64_t threads, const CommonOptions& options)
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
    std::cout << family_.name << ", hot: " << summary(hot_) << '\n'
              << family_.name << ", after idle: " << summary(idle_) << std::endl;
  }

 private:
  void add(const Case& measured, const Table& table, std::vector<Json>& results) {
    Entries entries = measured.prepare();
    const Work work = entries.works.front();
    entries.works = {work, work, after_idle(work), after_idle(work)};
    entries.calls = {0, 0, kIdleCalls, kIdleCalls};
    const std::vector<Timing> t =
        race(measured.name, contestants_, entries, nullptr, options_, /*rest=*/false).timings;
    const Comparison hot{t[0].seconds, t[1].seconds, shares_hot(work)};
    const Comparison idle{t[2].seconds, t[3].seconds, shares_after_idling(work)};
    hot_.push_back(hot);
    idle_.push_back(idle);
    table.row({measured.name, duration(hot.one), duration(hot.many), hot.text(), duration(idle.one),
               duration(idle.many), idle.text(),
               hot.is_slower() || idle.is_slower() ? "slower" : ""});
    Json result;
    result.add("family", family_.name).add("name", measured.name);
    result.add("parameters", measured.parameters).add("threads", threads_);
    result.add("hot_seconds_one", hot.one).add("hot_seconds", hot.many);
    result.add("hot_gain", hot.gain()).add("hot_shared", hot.shared);
    result.add("idle_seconds_one", idle.one).add("idle_seconds", idle.many);
    results.push_back(result.add("idle_gain", idle.gain()).add("idle_shared", idle.shared));
  }

  bool shares_hot(const Work& work) const {
    set_threads(static_cast<int>(threads_));
    // Short loops that follow each other are shared once they have taken as long as a long one.
    for (double seconds = 0; seconds < kRow;) seconds += work(1);
    return shares(work);
  }

  bool shares_after_idling(const Work& work) const {
    set_threads(static_cast<int>(threads_));
    work(1);
    std::this_thread::sleep_for(kIdle);
    return shares(work);
  }

  const Family& family_;
  std::int64_t threads_;
  const CommonOptions& options_;
  std::vector<Case> cases_;
  std::vector<Contestant> contestants_;
  std::vector<Comparison> hot_, idle_;
};

}  // namespace

void run_threads(const Arguments& arguments) {
  CommonOptions common;
  common.threads = {threads()};
  std::vector<std::string> families = family_names();
  Options flags("threads",
                "compares several threads with one, in turn: gains below 1 are losses. Hot: calls "
                "follow each other; idle: each after 2 ms without work; alone: nothing is shared");
  flags.choices("family", "what to measure", family_names(), families);
  common.add_to(flags);
  if (!parse(flags, common, arguments)) return;
  apply(common);
  announce("threads", common);
  std::vector<Json> results;
  for (const std::int64_t count : common.threads) {
    for (const Family& family : kFamilies) {
      if (std::find(families.begin(), families.end(), family.name) == families.end()) continue;
      FamilyComparison(family, count, common).run(results);
    }
  }
  save_json(document("threads", common).add("results", results), common);
}

}  // namespace nnkernels::bench
