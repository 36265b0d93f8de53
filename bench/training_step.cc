#include "bench/training_step.h"

#include <algorithm>
#include <span>

#include "nn/batch.h"
#include "nn/random.h"
#include "nn/trainer.h"

namespace nnkernels::bench {

void TrainingSetup::add_to(Options& flags) {
  flags.text("model", "MODEL",
             "the network, which may come first without the flag: " + std::string(kNetworkHelp),
             network.name);
  flags.integer("batch-size", "N", "images in a batch; 0 for 64 (mlp) or 100", batch_size, 0,
                1 << 16);
  flags.choice("optimizer", "instead of sgd for mlp, adam for others", nn::optimizer_names(),
               optimizer);
}

void TrainingSetup::settle(const std::string& command) {
  const std::string name = network.name;
  network = checked(command, [&name] { return network_source(name); });
  if (batch_size == 0) batch_size = name == "mlp" ? 64 : 100;
  if (optimizer.empty()) optimizer = name == "mlp" ? "sgd" : "adam";
}

TrainingStep::TrainingStep(const TrainingSetup& setup, std::int64_t images)
    : batch_size_(setup.batch_size),
      net_(setup.network.make()),
      // A rate of 0 is the same work, and the network does not wander off.
      optimizer_(nn::make_optimizer<float>(setup.optimizer, 0.0)),
      x_(net_.input_shape().batch(batch_size_)),
      dy_(net_.output_shape().batch(batch_size_)),
      labels_(static_cast<std::size_t>(batch_size_)),
      data_(random_images(images, batch_size_, net_)),
      order_(static_cast<std::size_t>(data_.n)) {
  net_.plan(batch_size_);
  optimizer_->bind(net_);
  loss_.plan(batch_size_);
  nn::permutation(1, 1, order_);
  gather();
  forward();
  take_loss();
  backward_and_update();
}

void TrainingStep::gather() {
  const auto size = static_cast<std::size_t>(batch_size_);
  if (next_ + size > order_.size()) next_ = 0;
  const auto left = std::span<const std::int64_t>(order_).subspan(next_);
  nn::gather_batch<float>(data_, {}, left.first(size), x_.view(), labels_,
                          left.subspan(size, std::min(size, left.size() - size)));
  next_ += size;
}

void TrainingStep::forward() { y_ = net_.forward(x_.view(), {.training = true, .step = step_++}); }

void TrainingStep::take_loss() { loss_.value_and_gradient(y_, labels_, dy_.view()); }

void TrainingStep::backward() { net_.backward(x_.view(), dy_.view()); }

void TrainingStep::update() { optimizer_->step(); }

void TrainingStep::backward_and_update() {
  nn::backward_and_update(net_, *optimizer_, x_.view(), dy_.view());
}

}  // namespace nnkernels::bench
