// nnbench scaling: what more threads should give, from the loops of a training step on one.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <iostream>
#include <string>
#include <vector>

#include "bench/commands.h"
#include "bench/network_parts.h"
#include "bench/options.h"
#include "bench/runner.h"
#include "kernels/loop_record.h"
#include "kernels/parallel.h"
#include "nn/architecture.h"
#include "nn/initialize.h"
#include "nn/optimizer.h"
#include "nn/trainer.h"

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

nn::Dataset random_images(std::int64_t n, std::int64_t classes) {
  const nn::Shape image = nn::model_input();
  nn::Dataset data;
  data.n = n;
  data.h = image[0];
  data.w = image[1];
  data.c = image[2];
  data.classes = static_cast<std::int32_t>(classes);
  for (std::int64_t i = 0; i < n * image.size(); ++i) {
    data.pixels.push_back(static_cast<std::uint8_t>(i * i >> 8));
  }
  for (std::int64_t i = 0; i < n; ++i) {
    data.labels.push_back(static_cast<std::int32_t>(i % classes));
  }
  return data;
}

/// The medians of `steps` steps of nncli's training loop on the present number of threads.
StepCost measure_step(const std::string& architecture, const std::string& optimizer,
                      std::int64_t batch_size, std::int64_t steps) {
  constexpr std::int64_t kWarmUp = 20;
  auto net = nn::build<float>(nn::model_input(), architecture);
  nn::initialize(net, nn::Initialization::he, 1);
  // A rate of 0 is the same work, and the network does not wander off.
  const auto rule = nn::make_optimizer<float>(optimizer, 0.0);
  const nn::Dataset data = random_images(20 * batch_size, net.output_shape()[-1]);
  nn::Trainer<float> trainer(net, *rule, data,
                             {.batch_size = batch_size, .steps = kWarmUp + steps});
  std::vector<detail::LoopRecord> records;
  std::vector<std::vector<double>> times;  // of each loop
  std::vector<double> totals, serial;
  std::vector<std::int64_t> pieces;
  Clock::time_point begin = Clock::now();
  std::int64_t step = 0;
  trainer.on_batch = [&](const nn::BatchProgress& /*progress*/) {
    const double total = std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
    std::erase_if(records, [](const detail::LoopRecord& record) {
      return record.pieces < 2 || record.estimate < detail::WorthSharing{}.hot;
    });
    if (++step > kWarmUp) {
      times.resize(records.size());
      pieces.clear();
      double in_loops = 0;
      for (std::size_t i = 0; i < records.size(); ++i) {
        times[i].push_back(records[i].microseconds);
        pieces.push_back(records[i].pieces);
        in_loops += records[i].microseconds;
      }
      totals.push_back(total);
      serial.push_back(total - in_loops);
    }
    records.clear();
    begin = Clock::now();
    return true;
  };
  detail::record_loops(&records);
  trainer.run();
  detail::record_loops(nullptr);

  StepCost cost{.total = median(totals), .serial = median(serial), .loops = {}};
  for (std::size_t i = 0; i < times.size(); ++i) {
    cost.loops.push_back({.pieces = pieces[i], .microseconds = median(times[i])});
  }
  return cost;
}

}  // namespace

void run_scaling(const Arguments& arguments) {
  CommonOptions common;
  common.threads = {1, 2, 4, 8, 16, 32, 64};
  std::string model = "cnn", optimizer;
  std::int64_t batch_size = 0, steps = 200;
  Options flags(
      "scaling",
      "computes what more threads should give a training step: its loops are measured on "
      "one thread, and shared by rule among each number of --threads. MODEL, which may come "
      "first without the flag, is mlp, cnn, or layers, as for nnbench layers");
  flags.text("model", "MODEL", "the network", model);
  flags.integer("batch-size", "N", "images in a batch; 0 for 64 (mlp) or 100", batch_size, 0,
                1 << 16);
  flags.choice("optimizer", "instead of sgd for mlp, adam for others", nn::optimizer_names(),
               optimizer);
  flags.integer("steps", "N", "steps to measure", steps, 1, 1 << 20);
  common.add_machine_to(flags);
  Arguments words = arguments;
  if (!words.empty() && !words[0].starts_with("-")) words.insert(words.begin(), "--model");
  if (!parse(flags, common, words)) return;

  const std::vector<std::string> known = nn::model_names();
  const bool built_in = std::find(known.begin(), known.end(), model) != known.end();
  const std::string architecture = built_in ? nn::model_architecture(model) : model;
  checked("scaling", [&architecture] { check_classifier(architecture); });
  if (batch_size == 0) batch_size = model == "mlp" ? 64 : 100;
  if (optimizer.empty()) optimizer = model == "mlp" ? "sgd" : "adam";
  apply(common);
  set_threads(1);
  announce("scaling", common);
  const StepCost cost = measure_step(architecture, optimizer, batch_size, steps);

  std::vector<Json> loops, predictions;
  if (!common.silent()) {
    std::cout << architecture << "; batch " << batch_size << ", " << optimizer << "\n\n";
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
                .add("architecture", architecture)
                .add("batch_size", batch_size)
                .add("optimizer", optimizer)
                .add("step_microseconds", cost.total)
                .add("serial_microseconds", cost.serial)
                .add("loops", loops)
                .add("predictions", predictions),
            common);
}

}  // namespace nnkernels::bench
