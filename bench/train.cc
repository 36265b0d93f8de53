#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/commands.h"
#include "bench/network_source.h"
#include "bench/runner.h"
#include "bench/training_step.h"
#include "nn/optimizer.h"

namespace nnkernels::bench {
namespace {

constexpr const char* kForward = "forward";
constexpr const char* kGradients = "gradients";
constexpr const char* kStep = "step";

void run_part(TrainingStep& step, const std::string& part) {
  step.forward();
  if (part == kForward) return;
  step.take_loss();
  if (part == kStep) {
    step.backward_and_update();
  } else {
    step.backward();
  }
}

/// The networks and habits that the published figures of other libraries are about.
std::vector<TrainingSetup> usual_setups() {
  return {{network_source("mlp"), "sgd", 64}, {network_source("cnn"), "adam", 100}};
}

std::vector<Case> cases(const std::vector<TrainingSetup>& setups,
                        const std::vector<std::string>& parts) {
  std::vector<Case> result;
  for (const TrainingSetup& setup : setups) {
    for (const std::string& part : parts) {
      Case one;
      one.name = setup.network.name + " batch " + std::to_string(setup.batch_size) + ' ' +
                 setup.optimizer + ' ' + part;
      one.parameters.add("network", setup.network.name)
          .add("architecture", setup.network.architecture)
          .add("optimizer", setup.optimizer)
          .add("batch_size", setup.batch_size)
          .add("part", part);
      one.items = static_cast<double>(setup.batch_size);
      one.prepare = [setup, part] {
        // The images of one batch: collecting it is not a part.
        return timed([step = std::make_shared<TrainingStep>(setup, setup.batch_size), part] {
          run_part(*step, part);
        });
      };
      result.push_back(one);
    }
  }
  return result;
}

std::vector<std::string> all_parts() { return {kForward, kGradients, kStep}; }

}  // namespace

std::vector<Case> usual_train_cases() { return cases(usual_setups(), all_parts()); }

void run_train(const Arguments& arguments) {
  CommonOptions common;
  std::vector<std::string> models = {"mlp", "cnn"};
  std::vector<std::string> parts = all_parts();
  std::string network, optimizer;
  std::int64_t batch_size = 0;
  Options flags("train", "measures training on one batch of random images: no data set is read");
  flags.choices("model", "built-in networks", {"mlp", "cnn"}, models);
  flags.text("network", "MODEL", std::string("another network: ") + kNetworkHelp, network);
  flags.choices("part", "up to where: forward, gradients (with loss and backward), step (all)",
                all_parts(), parts);
  flags.choice("optimizer", "instead of each network's own (sgd for mlp, adam for others)",
               nn::optimizer_names(), optimizer);
  flags.integer("batch-size", "N", "images in a batch; 0 for each model's own", batch_size, 0,
                1 << 20);
  common.add_to(flags);
  if (!parse(flags, common, arguments)) return;
  if (flags.given("network") && flags.given("model")) {
    throw UsageError("train: --network excludes --model");
  }

  std::vector<TrainingSetup> setups;
  for (const TrainingSetup& setup : usual_setups()) {
    if (std::find(models.begin(), models.end(), setup.network.name) != models.end()) {
      setups.push_back(setup);
    }
  }
  if (flags.given("network")) {
    setups = {{checked("--network", [&network] { return network_source(network); }), "adam", 100}};
    setups[0].network.name = "network";
  }
  for (TrainingSetup& setup : setups) {
    if (!optimizer.empty()) setup.optimizer = optimizer;
    if (batch_size > 0) setup.batch_size = batch_size;
  }
  apply(common);
  run_cases("train", common, cases(setups, parts));
}

}  // namespace nnkernels::bench
