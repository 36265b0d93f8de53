// nnbench layers: where the time of a training step goes.
#include <algorithm>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "bench/commands.h"
#include "bench/network_parts.h"
#include "bench/network_source.h"
#include "bench/race.h"
#include "bench/runner.h"
#include "bench/training_step.h"
#include "kernels/parallel.h"
#include "nn/optimizer.h"
#include "nn/shape_text.h"

namespace nnkernels::bench {
namespace {

/// As many as MNIST has, if they are as small: batches come from memory.
constexpr std::int64_t kImages = 60000;

void run_step(TrainingStep& step) {
  step.gather();
  step.forward();
  step.take_loss();
  step.backward_and_update();
}

/// One row: a pass forward, a pass backward, or both. What is neither stands in the first column.
struct Row {
  std::string name;
  std::string kind;  // for scripts
  double forward_flops = 0, backward_flops = 0;
  std::size_t forward = 0, backward = 0;  // their places among the works, from 1; 0 for none
};

class Layers {
 public:
  Layers(const TrainingSetup& setup, const CommonOptions& options)
      : options_(options), step_(std::make_shared<TrainingStep>(setup, kImages)) {
    for (const NetworkStage& stage : stages_of(step_->net())) {
      add(stage.whole, "stage", stage.whole.text, setup.batch_size);
      if (stage.layers.size() < 2) continue;
      for (const NetworkPart& layer : stage.layers) {
        add(layer, "layer", "  " + layer.text + ", alone", setup.batch_size);
      }
    }
    const auto part = [this](void (TrainingStep::*what)()) {
      return timed([step = step_, what] { ((*step).*what)(); });
    };
    rows_.push_back({"network", "network", 0, 0, put(part(&TrainingStep::forward)),
                     put(part(&TrainingStep::backward))});
    rows_.push_back(
        {"loss and its gradient", "loss", 0, 0, put(part(&TrainingStep::take_loss)), 0});
    rows_.push_back({"optimizer", "optimizer", 0, 0, put(part(&TrainingStep::update)), 0});
    rows_.push_back({"collecting the batch", "batch", 0, 0, put(part(&TrainingStep::gather)), 0});
    rows_.push_back(
        {"whole step", "step", 0, 0, put(timed([step = step_] { run_step(*step); })), 0});
  }

  void run(std::int64_t threads, std::vector<Json>& results) {
    std::vector<Contestant> contestants(entries_.works.size(), Contestant("nnkernels", [threads] {
                                          set_threads(static_cast<int>(threads));
                                        }));
    const std::vector<Timing> timings =
        race("layers", contestants, entries_, nullptr, options_, /*rest=*/false).timings;
    const double whole = timings.back().seconds;
    std::size_t widest = 0;
    for (const Row& row : rows_) widest = std::max(widest, row.name.size());
    if (!options_.silent()) {
      std::cout << '\n' << threads << (threads == 1 ? " thread\n" : " threads\n");
    }
    const Table table({{"", widest},
                       {"forward", 8},
                       {"GFLOP/s", 7},
                       {"share", 7},
                       {"backward", 8},
                       {"GFLOP/s", 7},
                       {"share", 7}},
                      options_.silent());
    for (const Row& row : rows_) {
      std::vector<std::string> cells = {row.name};
      Json json;
      json.add("name", row.name).add("kind", row.kind).add("threads", threads);
      const auto add_pass = [&](const std::string& pass, std::size_t place, double flops) {
        if (place == 0) {
          cells.insert(cells.end(), {"", "", ""});
          return;
        }
        const double seconds = timings[place - 1].seconds;
        cells.insert(cells.end(),
                     {duration(seconds), flops > 0 ? fixed(flops / seconds * 1e-9, 1) : "",
                      fixed(100 * seconds / whole, 1) + " %"});
        json.add(pass + "_seconds", seconds).add(pass + "_share", seconds / whole);
        if (flops > 0) json.add(pass + "_gflops", flops / seconds * 1e-9);
      };
      add_pass("forward", row.forward, row.forward_flops);
      add_pass("backward", row.backward, row.backward_flops);
      table.row(cells);
      results.push_back(json);
    }
  }

 private:
  std::size_t put(const Work& work) {
    entries_.works.push_back(work);
    return entries_.works.size();
  }

  void add(const NetworkPart& part, const char* kind, const std::string& name,
           std::int64_t batch_size) {
    const PartRunner runner(part, batch_size);
    rows_.push_back({name, kind, runner.forward_flops(), runner.backward_flops(),
                     put(runner.forward()), put(runner.backward())});
  }

  const CommonOptions& options_;
  std::shared_ptr<TrainingStep> step_;
  Entries entries_;
  std::vector<Row> rows_;
};

}  // namespace

void run_layers(const Arguments& arguments) {
  CommonOptions common;
  TrainingSetup setup;
  Options flags("layers", "measures where the time of a training step goes");
  setup.add_to(flags);
  common.add_to(flags);
  if (!parse(flags, common, with_model_flag(arguments))) return;

  setup.settle("layers");
  apply(common);
  announce("layers", common);
  if (!common.silent()) {
    std::cout << setup.network.architecture << "; input " << nn::shape_text(setup.network.input)
              << "; batch " << setup.batch_size << ", " << setup.optimizer << std::endl;
  }
  Layers layers(setup, common);
  std::vector<Json> results;
  for (const std::int64_t threads : common.threads) layers.run(threads, results);
  save_json(document("layers", common)
                .add("model", setup.network.name)
                .add("architecture", setup.network.architecture)
                .add("input", nn::shape_text(setup.network.input))
                .add("batch_size", setup.batch_size)
                .add("optimizer", setup.optimizer)
                .add("results", results),
            common);
}

}  // namespace nnkernels::bench
