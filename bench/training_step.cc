#include "bench/training_step.h"

#include <algorithm>
#include <span>

#include "nn/architecture.h"
#include "nn/batch.h"
#include "nn/initialize.h"
#include "nn/random.h"
#include "nn/trainer.h"

namespace nnkernels::bench {
namespace {

nn::Dataset random_images(std::int64_t count, const nn::Shape& image, std::int64_t classes) {
  nn::Dataset data;
  data.n = count;
  data.h = image[0];
  data.w = image[1];
  data.c = image[2];
  data.classes = static_cast<std::int32_t>(classes);
  data.pixels.resize(static_cast<std::size_t>(count * image.size()));
  for (std::size_t i = 0; i < data.pixels.size(); ++i) {
    data.pixels[i] = static_cast<std::uint8_t>(i * i >> 8);
  }
  for (std::int64_t i = 0; i < count; ++i) {
    data.labels.push_back(static_cast<std::int32_t>(i % classes));
  }
  return data;
}

}  // namespace

TrainingStep::TrainingStep(const TrainingSetup& setup, std::int64_t images)
    : batch_size_(setup.batch_size),
      net_(nn::build<float>(nn::model_input(), setup.architecture)),
      // A rate of 0 is the same work, and the network does not wander off.
      optimizer_(nn::make_optimizer<float>(setup.optimizer, 0.0)),
      x_(net_.input_shape().batch(batch_size_)),
      dy_(net_.output_shape().batch(batch_size_)),
      labels_(static_cast<std::size_t>(batch_size_)),
      order_(static_cast<std::size_t>(std::max(images, batch_size_))),
      data_(random_images(std::max(images, batch_size_), net_.input_shape(),
                          net_.output_shape()[-1])) {
  nn::initialize(net_, nn::Initialization::he, 1);
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
  nn::backward_and_update<float>(net_, *optimizer_, x_.view(), dy_.view());
}

}  // namespace nnkernels::bench
