// nnbench layers: where the time of a training step goes.
#include <algorithm>
#include <iostream>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bench/commands.h"
#include "bench/data.h"
#include "bench/network_parts.h"
#include "bench/race.h"
#include "bench/runner.h"
#include "kernels/parallel.h"
#include "nn/architecture.h"
#include "nn/batch.h"
#include "nn/initialize.h"
#include "nn/loss.h"
#include "nn/optimizer.h"
#include "nn/random.h"

namespace nnkernels::bench {
namespace {

struct Setup {
  std::string architecture;
  std::int64_t batch_size;
  std::string optimizer;
};

/// Everything that a training step does, on as many random images as MNIST has.
class Step {
 public:
  explicit Step(const Setup& setup)
      : batch_size_(setup.batch_size),
        net_(nn::build<float>(nn::model_input(), setup.architecture)),
        // A rate of 0 is the same work, and the network does not wander off.
        optimizer_(nn::make_optimizer<float>(setup.optimizer, 0.0)),
        x_(nn::model_input().batch(batch_size_)),
        dy_(net_.output_shape().batch(batch_size_)),
        labels_(static_cast<std::size_t>(batch_size_)),
        order_(static_cast<std::size_t>(std::max(kImages, batch_size_))) {
    nn::initialize(net_, nn::Initialization::he, 1);
    net_.plan(batch_size_);
    optimizer_->bind(net_);
    loss_.plan(batch_size_);
    const nn::Shape image = nn::model_input();
    data_.n = std::max(kImages, batch_size_);
    data_.h = image[0];
    data_.w = image[1];
    data_.c = image[2];
    data_.classes = static_cast<std::int32_t>(net_.output_shape()[-1]);
    data_.pixels.resize(static_cast<std::size_t>(data_.n * image.size()));
    for (std::size_t i = 0; i < data_.pixels.size(); ++i) {
      data_.pixels[i] = static_cast<std::uint8_t>(i * i >> 8);
    }
    for (std::int64_t i = 0; i < data_.n; ++i) {
      data_.labels.push_back(static_cast<std::int32_t>(i % data_.classes));
    }
    nn::permutation(1, 1, order_);
    run();
  }

  const nn::Sequential<float>& net() const { return net_; }

  void gather() {
    const auto size = static_cast<std::size_t>(batch_size_);
    if (next_ + size > order_.size()) next_ = 0;
    nn::gather_batch<float>(data_, {}, std::span(order_).subspan(next_, size), x_.view(), labels_);
    next_ += size;
  }
  void forward() { y_ = net_.forward(x_.view(), {.training = true}); }
  void take_loss() { loss_.value_and_gradient(y_, labels_, dy_.view()); }
  void backward() { net_.backward(x_.view(), dy_.view()); }
  void update() { optimizer_->step(); }
  void run() {
    gather();
    forward();
    take_loss();
    backward();
    update();
  }

 private:
  static constexpr std::int64_t kImages = 60000;

  std::int64_t batch_size_;
  nn::Sequential<float> net_;
  std::unique_ptr<nn::Optimizer<float>> optimizer_;
  nn::SoftmaxWithLoss<float> loss_;
  nn::Tensor<float> x_, dy_;
  nn::TensorView<const float> y_;
  std::vector<std::int32_t> labels_;
  std::vector<std::int64_t> order_;
  nn::Dataset data_;
  std::size_t next_ = 0;
};

/// One row: a pass forward, a pass backward, or both. What is neither stands in the first column.
struct Row {
  std::string name;
  std::string kind;  // for scripts
  double forward_flops = 0, backward_flops = 0;
  std::size_t forward = 0, backward = 0;  // their places among the works, from 1; 0 for none
};

class Layers {
 public:
  Layers(const Setup& setup, const CommonOptions& options)
      : options_(options), step_(std::make_shared<Step>(setup)) {
    for (const NetworkStage& stage : stages_of(step_->net())) {
      add(stage.whole, "stage", stage.whole.text, setup.batch_size);
      if (stage.layers.size() < 2) continue;
      for (const NetworkPart& layer : stage.layers) {
        add(layer, "layer", "  " + layer.text + ", alone", setup.batch_size);
      }
    }
    const auto part = [this](void (Step::*what)()) {
      return timed([step = step_, what] { ((*step).*what)(); });
    };
    rows_.push_back(
        {"network", "network", 0, 0, put(part(&Step::forward)), put(part(&Step::backward))});
    rows_.push_back({"loss and its gradient", "loss", 0, 0, put(part(&Step::take_loss)), 0});
    rows_.push_back({"optimizer", "optimizer", 0, 0, put(part(&Step::update)), 0});
    rows_.push_back({"collecting the batch", "batch", 0, 0, put(part(&Step::gather)), 0});
    rows_.push_back({"whole step", "step", 0, 0, put(part(&Step::run)), 0});
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
  std::shared_ptr<Step> step_;
  Entries entries_;
  std::vector<Row> rows_;
};

}  // namespace

void run_layers(const Arguments& arguments) {
  CommonOptions common;
  std::string model = "cnn";
  Setup setup{"", 0, ""};
  Options flags("layers",
                "measures where the time of a training step goes. MODEL, which may come first "
                "without the flag, is mlp, cnn, or layers such as \"conv 8 3x3, relu, flatten, "
                "affine 10\" for images of 28x28 that end in a vector of classes");
  flags.text("model", "MODEL", "the network", model);
  flags.integer("batch-size", "N", "images in a batch; 0 for 64 (mlp) or 100", setup.batch_size, 0,
                1 << 16);
  flags.choice("optimizer", "instead of sgd for mlp, adam for others", nn::optimizer_names(),
               setup.optimizer);
  common.add_to(flags);
  Arguments words = arguments;
  if (!words.empty() && !words[0].starts_with("-")) words.insert(words.begin(), "--model");
  if (!parse(flags, common, words)) return;

  const std::vector<std::string> known = nn::model_names();
  const bool built_in = std::find(known.begin(), known.end(), model) != known.end();
  setup.architecture = built_in ? nn::model_architecture(model) : model;
  checked("layers", [&setup] { check_classifier(setup.architecture); });
  if (setup.batch_size == 0) setup.batch_size = model == "mlp" ? 64 : 100;
  if (setup.optimizer.empty()) setup.optimizer = model == "mlp" ? "sgd" : "adam";
  apply(common);
  announce("layers", common);
  if (!common.silent()) {
    std::cout << setup.architecture << "; batch " << setup.batch_size << ", " << setup.optimizer
              << std::endl;
  }
  Layers layers(setup, common);
  std::vector<Json> results;
  for (const std::int64_t threads : common.threads) layers.run(threads, results);
  save_json(document("layers", common)
                .add("architecture", setup.architecture)
                .add("batch_size", setup.batch_size)
                .add("optimizer", setup.optimizer)
                .add("results", results),
            common);
}

}  // namespace nnkernels::bench
