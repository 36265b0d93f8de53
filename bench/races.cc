#include "bench/races.h"

#include <exception>
#include <iostream>
#include <iterator>
#include <optional>
#include <utility>

#include "bench/affinity.h"
#include "bench/runner.h"
#include "kernels/parallel.h"
#include "nn/data/file.h"

namespace nnkernels::bench {
namespace {

constexpr const char* kOurName = "nnkernels";

void append(std::vector<Json>& all, const std::vector<Json>& more) {
  all.insert(all.end(), more.begin(), more.end());
}

std::string threads_text(int threads) {
  return std::to_string(threads) + (threads == 1 ? " thread" : " threads");
}

}  // namespace

void RaceOptions::add_to(Options& options) {
  options.text("plot", "FILE.svg", "draw speeds over sizes, ours, the peers' and the limit", plot);
  CommonOptions::add_to(options);
}

Races::Races(std::string command, const RaceOptions& options, Rate rate, Precision precision,
             std::string x_axis, std::vector<Peer> peers)
    : command_(std::move(command)),
      options_(options),
      rate_(rate),
      precision_(precision),
      x_axis_(std::move(x_axis)),
      peers_(std::move(peers)) {
  contestants_.emplace_back(kOurName);
  for (const Peer& peer : peers_) {
    Contestant& contestant = contestants_.emplace_back(peer.name);
    // OpenMP takes the calling thread to be on the first CPU, and binds its workers to the others.
    if (peer.openmp && !options.no_pin && !contestant.cpus.empty()) {
      contestant.cpus = {contestant.cpus.front()};
    }
  }
  require_writable(options_.plot);
  announce(command_, options_);
  if (options_.silent()) return;
  for (const Peer& peer : peers_) std::cout << "against " << peer.description << '\n';
}

void Races::run(const std::vector<Case>& cases, const std::string& conditions,
                const Json& parameters) {
  for (const std::int64_t threads : options_.threads) {
    run(cases, static_cast<int>(threads), conditions, parameters);
  }
}

void Races::run(const std::vector<Case>& cases, int threads, const std::string& conditions,
                const Json& parameters) {
  // Also binds this thread again, after the turns of others.
  contestants_.front().get_ready = [threads] { set_threads(threads); };
  // Threads that a peer starts inherit the CPUs of this one.
  set_thread_cpus(process_cpus());
  for (const Peer& peer : peers_) peer.set_threads(threads);
  std::vector<std::string> names;
  for (const Contestant& contestant : contestants_) names.push_back(contestant.name);

  const Crew crew{threads, !options_.no_pin};
  std::string title = std::string(name(precision_)) + ", " + threads_text(threads);
  if (!conditions.empty()) title += ", " + conditions;
  std::optional<Yardstick> yardstick;
  if (rate_ == Rate::flops) yardstick = multiply_add_yardstick(precision_, crew);
  if (!options_.silent()) std::cout << '\n' << title << std::endl;
  Json all = parameters;
  all.add("type", name(precision_)).add("threads", threads);
  RaceReport report(rate_, threads, title, all, names, cases, options_.silent());
  for (const Case& each : cases) {
    if (rate_ == Rate::copies) yardstick = copy_yardstick(each.footprint, crew);
    set_thread_cpus(process_cpus());
    const Entries entries = each.prepare();
    report.add(each, race(each.name, contestants_, entries, &*yardstick, options_, threads > 1));
  }
  report.summarize();
  append(results_, report.results());
  append(summary_, report.summary());
  std::vector<Panel> panels = report.panels(x_axis_);
  std::move(panels.begin(), panels.end(), std::back_inserter(panels_));
}

void Races::finish() const {
  std::vector<Json> peers;
  for (const Peer& peer : peers_) {
    Json entry;
    peers.push_back(entry.add("name", peer.name).add("description", peer.description));
  }
  Json report = document(command_, options_);
  report.add("peers", peers).add("results", results_).add("summary", summary_);
  // A document that cannot be written must not take the picture along.
  std::exception_ptr failure;
  try {
    save_json(report, options_);
  } catch (...) {
    failure = std::current_exception();
  }
  if (!options_.plot.empty()) {
    nn::write_file_atomically(options_.plot, svg("nnbench " + command_, panels_));
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace nnkernels::bench
