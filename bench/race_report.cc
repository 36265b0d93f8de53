#include "bench/race_report.h"

#include <algorithm>
#include <cmath>
#include <iostream>
#include <limits>
#include <utility>

#include "bench/memory_levels.h"

namespace nnkernels::bench {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr const char* kBest = "best";

std::string percent(double share) {
  return std::isfinite(share) ? fixed(100 * share, share < 9.995 ? 1 : 0) + " %" : "-";
}

std::vector<Table::Column> columns(Rate rate, const std::vector<std::string>& contestants,
                                   const std::vector<Case>& cases) {
  std::size_t widest = 0;
  for (const Case& each : cases) widest = std::max(widest, each.name.size());
  std::vector<Table::Column> all = {{"case", widest}, {"time", 7}, {"spread", 6}};
  if (rate == Rate::flops) {
    all.insert(all.end(), {{"GFLOP/s", 7}, {"of peak", 7}});
  } else {
    all.insert(all.end(), {{"GB/s", 6}, {"of copy", 7}, {"level", 6}});
  }
  if (contestants.size() == 1) return all;
  constexpr std::size_t kMostLetters = 12;
  for (std::size_t i = 1; i < contestants.size(); ++i) {
    all.push_back({contestants[i].substr(0, kMostLetters), 6});
  }
  all.push_back({"ratio", 5});
  return all;
}

}  // namespace

RaceReport::RaceReport(Rate rate, int threads, std::string conditions, Json parameters,
                       std::vector<std::string> contestants, const std::vector<Case>& cases,
                       bool silent)
    : rate_(rate),
      threads_(threads),
      conditions_(std::move(conditions)),
      parameters_(std::move(parameters)),
      contestants_(std::move(contestants)),
      silent_(silent),
      table_(columns(rate, contestants_, cases), silent) {}

double RaceReport::amount(const Case& measured) const {
  return rate_ == Rate::flops ? measured.flops : measured.bytes;
}

double RaceReport::speed(const Row& row, std::size_t i) const {
  const double seconds = row.result.timings[i].seconds;
  return seconds > 0 ? amount(row.measured) / seconds * 1e-9 : kNone;
}

double RaceReport::ratio_to_best(const Row& row) const {
  double best = kNone;
  for (std::size_t i = 1; i < contestants_.size(); ++i) best = std::fmax(best, speed(row, i));
  return speed(row, 0) / best;
}

void RaceReport::add(const Case& measured, const RaceResult& result) {
  rows_.push_back({measured, result});
  const Row& row = rows_.back();
  const Timing& ours = result.timings[0];
  std::vector<std::string> cells = {measured.name, duration(ours.seconds),
                                    fixed(100 * ours.spread, 0) + " %", fixed(speed(row, 0), 1),
                                    percent(speed(row, 0) * 1e9 / result.yardstick)};
  if (rate_ == Rate::copies) cells.push_back(level_of(measured.footprint, threads_));
  for (std::size_t i = 1; i < contestants_.size(); ++i) cells.push_back(fixed(speed(row, i), 1));
  if (contestants_.size() > 1) cells.push_back(fixed(ratio_to_best(row), 2));
  table_.row(cells);
  add_json(row);
}

void RaceReport::add_json(const Row& row) {
  const char* unit = rate_ == Rate::flops ? "gflops" : "gigabytes_per_second";
  const auto timing = [&](std::size_t i) {
    Json json;
    json.add(unit, speed(row, i)).add("seconds", row.result.timings[i].seconds);
    return json.add("spread", row.result.timings[i].spread);
  };
  Json json = timing(0);
  json.add("name", row.measured.name).add("set", row.measured.set);
  json.add("parameters", row.measured.parameters).add("conditions", parameters_);
  json.add(rate_ == Rate::flops ? "peak_gflops" : "copy_gigabytes_per_second",
           row.result.yardstick * 1e-9);
  json.add(rate_ == Rate::flops ? "percent_of_peak" : "percent_of_copy",
           100 * speed(row, 0) * 1e9 / row.result.yardstick);
  if (rate_ == Rate::copies) json.add("level", level_of(row.measured.footprint, threads_));
  std::vector<Json> peers;
  for (std::size_t i = 1; i < contestants_.size(); ++i) {
    if (row.result.timings[i].seconds <= 0) continue;
    peers.push_back(timing(i)
                        .add("name", contestants_[i])
                        .add("ratio", speed(row, 0) / speed(row, i))
                        .add("scaled_difference", row.result.timings[i].difference));
  }
  if (!peers.empty()) json.add("peers", peers).add("ratio", ratio_to_best(row));
  results_.push_back(json);
}

void RaceReport::Standing::add(double ratio, const std::string& name) {
  if (!std::isfinite(ratio)) return;
  ratios.push_back(ratio);
  cases.push_back(name);
}

std::size_t RaceReport::Standing::worst() const {
  return static_cast<std::size_t>(std::min_element(ratios.begin(), ratios.end()) - ratios.begin());
}

std::string RaceReport::Standing::text() const {
  if (ratios.empty()) return "-";
  return fixed(geometric_mean(ratios), 3) + " / " + fixed(ratios[worst()], 2);
}

Json RaceReport::Standing::json(const std::string& peer) const {
  Json json;
  json.add("peer", peer).add("geometric_mean", geometric_mean(ratios));
  return json.add("worst", ratios[worst()]).add("worst_case", cases[worst()]);
}

void RaceReport::summarize() {
  if (contestants_.size() == 1) return;
  std::vector<std::string> sets;
  for (const Row& row : rows_) {
    if (std::find(sets.begin(), sets.end(), row.measured.set) == sets.end()) {
      sets.push_back(row.measured.set);
    }
  }
  std::vector<Table::Column> titles = {{"mean / worst ratio", 12}};
  for (std::size_t i = 1; i < contestants_.size(); ++i) titles.push_back({contestants_[i], 12});
  titles.insert(titles.end(), {{kBest, 12}, {"worst case", 18}});
  if (!silent_) std::cout << '\n';
  const Table table(titles, silent_);
  for (const std::string& set : sets) {
    // The last one is against the best peer of each case.
    std::vector<Standing> standings(contestants_.size());
    for (const Row& row : rows_) {
      if (row.measured.set != set) continue;
      for (std::size_t i = 1; i < contestants_.size(); ++i) {
        standings[i - 1].add(speed(row, 0) / speed(row, i), row.measured.name);
      }
      standings.back().add(ratio_to_best(row), row.measured.name);
    }
    if (standings.back().ratios.empty()) continue;
    std::vector<std::string> cells = {set};
    for (std::size_t i = 0; i < standings.size(); ++i) {
      cells.push_back(standings[i].text());
      if (standings[i].ratios.empty()) continue;
      summary_.push_back(standings[i]
                             .json(i + 1 < standings.size() ? contestants_[i + 1] : kBest)
                             .add("set", set)
                             .add("conditions", parameters_));
    }
    cells.push_back(standings.back().cases[standings.back().worst()]);
    table.row(cells);
  }
}

std::vector<Panel> RaceReport::panels(const std::string& x_axis) const {
  std::vector<Panel> panels;
  for (const Row& row : rows_) {
    const std::string title = row.measured.series + (conditions_.empty() ? "" : ": " + conditions_);
    auto panel = std::find_if(panels.begin(), panels.end(),
                              [&title](const Panel& each) { return each.title == title; });
    if (panel == panels.end()) {
      panels.push_back({title, x_axis, rate_ == Rate::flops ? "GFLOP/s" : "GB/s", {}, {}});
      panel = panels.end() - 1;
      for (const std::string& name : contestants_) panel->curves.push_back({name, {}});
      panel->limit.name = rate_ == Rate::flops ? "peak" : "copy";
    }
    for (std::size_t i = 0; i < contestants_.size(); ++i) {
      if (row.result.timings[i].seconds <= 0) continue;
      panel->curves[i].points.push_back({row.measured.size, speed(row, i)});
    }
    panel->limit.points.push_back({row.measured.size, row.result.yardstick * 1e-9});
  }
  return panels;
}

}  // namespace nnkernels::bench
