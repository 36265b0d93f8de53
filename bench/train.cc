#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/commands.h"
#include "bench/data.h"
#include "bench/network_parts.h"
#include "bench/runner.h"
#include "nn/architecture.h"
#include "nn/initialize.h"
#include "nn/loss.h"
#include "nn/optimizer.h"
#include "nn/sequential.h"

namespace nnkernels::bench {
namespace {

constexpr const char* kForward = "forward";
constexpr const char* kGradients = "gradients";
constexpr const char* kStep = "step";

/// A network and how it is trained.
struct Setup {
  std::string name;
  std::string architecture;
  std::string optimizer;
  std::int64_t batch_size = 0;
};

/// Everything that one training step needs, on one batch of random images.
struct Training {
  explicit Training(const Setup& setup)
      : net(nn::build<float>(nn::model_input(), setup.architecture)),
        // A rate of 0 is the same work, and the network does not wander off on its one batch.
        optimizer(nn::make_optimizer<float>(setup.optimizer, 0.0)),
        x(nn::model_input().batch(setup.batch_size)),
        dy(net.output_shape().batch(setup.batch_size)) {
    nn::initialize(net, nn::Initialization::he, 1);
    net.plan(setup.batch_size);
    optimizer->bind(net);
    loss.plan(setup.batch_size);
    const Array<float> pixels = random_array<float>(x.size(), 2);
    for (std::int64_t i = 0; i < x.size(); ++i) x[i] = pixels.data()[i];
    const std::int64_t classes = net.output_shape()[-1];
    for (std::int64_t i = 0; i < setup.batch_size; ++i) {
      labels.push_back(static_cast<std::int32_t>(i * 7 % classes));
    }
  }

  void run(const std::string& part) {
    const nn::TensorView<const float> y = net.forward(x.view(), {.training = true});
    if (part == kForward) return;
    loss.value_and_gradient(y, labels, dy.view());
    net.backward(x.view(), dy.view());
    if (part == kStep) optimizer->step();
  }

  nn::Sequential<float> net;
  std::unique_ptr<nn::Optimizer<float>> optimizer;
  nn::SoftmaxWithLoss<float> loss;
  nn::Tensor<float> x;
  nn::Tensor<float> dy;
  std::vector<std::int32_t> labels;
};

/// The networks and habits that the published figures of other libraries are about.
std::vector<Setup> usual_setups() {
  return {{"mlp", nn::model_architecture("mlp"), "sgd", 64},
          {"cnn", nn::model_architecture("cnn"), "adam", 100}};
}

std::vector<Case> cases(const std::vector<Setup>& setups, const std::vector<std::string>& parts) {
  std::vector<Case> result;
  for (const Setup& setup : setups) {
    for (const std::string& part : parts) {
      Case one;
      one.name = setup.name + " batch " + std::to_string(setup.batch_size) + ' ' + setup.optimizer +
                 ' ' + part;
      one.parameters.add("network", setup.name)
          .add("architecture", setup.architecture)
          .add("optimizer", setup.optimizer)
          .add("batch_size", setup.batch_size)
          .add("part", part);
      one.items = static_cast<double>(setup.batch_size);
      one.prepare = [setup, part] {
        return timed([training = std::make_shared<Training>(setup), part] { training->run(part); });
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
  Options flags("train",
                "measures training on one batch of random 28x28 images: no data set is read");
  flags.choices("model", "built-in networks", {"mlp", "cnn"}, models);
  flags.text(
      "network", "TEXT",
      "another network: layers, such as \"conv 8 3x3, relu, flatten, affine 10\", that end in "
      "a vector of classes",
      network);
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

  std::vector<Setup> setups;
  for (const Setup& setup : usual_setups()) {
    if (std::find(models.begin(), models.end(), setup.name) != models.end()) {
      setups.push_back(setup);
    }
  }
  if (flags.given("network")) {
    checked("--network", [&network] { check_classifier(network); });
    setups = {{"network", network, "adam", 100}};
  }
  for (Setup& setup : setups) {
    if (!optimizer.empty()) setup.optimizer = optimizer;
    if (batch_size > 0) setup.batch_size = batch_size;
  }
  apply(common);
  run_cases("train", common, cases(setups, parts));
}

}  // namespace nnkernels::bench
