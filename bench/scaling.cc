// nnbench scaling: what more threads should give, from the loops of a training step on one.
#include <chrono>
#include <cmath>
#include <cstdint>
#include <iostream>
#include <string>
#include <vector>

#include "bench/commands.h"
#include "bench/network_source.h"
#include "bench/options.h"
#include "bench/report.h"
#include "bench/runner.h"
#include "bench/training_step.h"
#include "kernels/loop_record.h"
#include "kernels/parallel.h"
#include "nn/optimizer.h"

namespace nnkernels::bench {
namespace {

using Clock = std::chrono::steady_clock;

/// A loop that is worth sharing: what it takes on one thread.
struct Loop {
  std::int64_t pieces;
  double microseconds;
};

/// A training step on one thread.
struct StepCost {
  double total = 0;   // microseconds
  double serial = 0;  // of them outside of `loops`
  std::vector<Loop> loops;
};

/// What starting and ending a loop costs on that many threads: measured for two (docs/threads.md),
/// assumed to grow with the depth of a tree of tasks.
double launch_microseconds(std::int64_t threads) {
  return threads == 1 ? 0 : 1 + 0.3 * std::log2(static_cast<double>(threads));
}

/// Pieces are taken to be equal, so the slowest thread does a whole one more than others.
double predicted(const StepCost& cost, std::int64_t threads) {
  double time = cost.serial;
  for (const Loop& loop : cost.loops) {
    const double rounds =
        std::ceil(static_cast<double>(loop.pieces) / static_cast<double>(threads));
    time += launch_microseconds(threads) +
            loop.microseconds * rounds / static_cast<double>(loop.pieces);
  }
  return time;
}

/// The medians of `steps` steps on the present number of threads.
StepCost measure_step(const TrainingSetup& setup, std::int64_t steps) {
  constexpr std::int64_t kImages = 60000, kWarmUp = 20;
  TrainingStep step(setup, kImages);
  std::vector<detail::LoopRecord> records;
  std::vector<std::int64_t> pieces;        // of each loop
  std::vector<std::vector<double>> times;  // of each loop
  std::vector<double> totals, serial;
  detail::record_loops(&records);
  for (std::int64_t i = 0; i < kWarmUp + steps; ++i) {
    records.clear();
    const Clock::time_point begin = Clock::now();
    step.gather();
    step.forward();
    step.take_loss();
    step.backward_and_update();
    const double total = std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
    if (i < kWarmUp) continue;
    std::erase_if(records, [](const detail::LoopRecord& record) {
      return record.pieces < 2 || record.estimate < detail::WorthSharing{}.hot;
    });
    pieces.resize(records.size());
    times.resize(records.size());
    double in_loops = 0;
    for (std::size_t k = 0; k < records.size(); ++k) {
      pieces[k] = records[k].pieces;
      times[k].push_back(records[k].microseconds);
      in_loops += records[k].microseconds;
    }
    totals.push_back(total);
    serial.push_back(total - in_loops);
  }
  detail::record_loops(nullptr);

  StepCost cost{.total = median(totals), .serial = median(serial), .loops = {}};
  for (std::size_t k = 0; k < times.size(); ++k) {
    cost.loops.push_back({.pieces = pieces[k], .microseconds = median(times[k])});
  }
  return cost;
}

}  // namespace

void run_scaling(const Arguments& arguments) {
  CommonOptions common;
  common.threads = {1, 2, 4, 8, 16, 32, 64};
  TrainingSetup setup;
  std::int64_t steps = 200;
  Options flags("scaling",
                "computes what more threads should give a training step: its loops are measured on "
                "one thread, and shared by rule among each number of --threads");
  setup.add_to(flags);
  flags.integer("steps", "N", "steps to measure", steps, 1, 1 << 20);
  common.add_machine_to(flags);
  if (!parse(flags, common, with_model_flag(arguments))) return;

  setup.settle("scaling");
  apply(common);
  set_threads(1);
  announce("scaling", common);
  const StepCost cost = measure_step(setup, steps);

  std::vector<Json> loops, predictions;
  if (!common.silent()) {
    std::cout << setup.network.architecture << "; batch " << setup.batch_size << ", "
              << setup.optimizer << "\n\n";
  }
  const Table of_loops({{"on one thread", 24}, {"time", 8}, {"pieces", 6}}, common.silent());
  for (const Loop& loop : cost.loops) {
    of_loops.row({"loop", duration(loop.microseconds * 1e-6), std::to_string(loop.pieces)});
    loops.push_back(Json().add("microseconds", loop.microseconds).add("pieces", loop.pieces));
  }
  of_loops.row({"everything else", duration(cost.serial * 1e-6), ""});
  of_loops.row({"step", duration(cost.total * 1e-6), ""});
  if (!common.silent()) std::cout << '\n';
  const Table of_threads({{"threads, computed", 24}, {"time", 8}, {"gain", 6}}, common.silent());
  for (const std::int64_t threads : common.threads) {
    const double time = predicted(cost, threads);
    const double gain = predicted(cost, 1) / time;
    of_threads.row({std::to_string(threads), duration(time * 1e-6), fixed(gain, 1)});
    predictions.push_back(
        Json().add("threads", threads).add("microseconds", time).add("gain", gain));
  }
  save_json(document("scaling", common)
                .add("model", setup.network.name)
                .add("architecture", setup.network.architecture)
                .add("batch_size", setup.batch_size)
                .add("optimizer", setup.optimizer)
                .add("step_microseconds", cost.total)
                .add("serial_microseconds", cost.serial)
                .add("loops", loops)
                .add("predictions", predictions),
            common);
}

}  // namespace nnkernels::bench
