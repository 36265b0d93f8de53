#include "nn/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <sstream>

#include "nn/batch.h"
#include "nn/random.h"

namespace nnkernels::nn {
namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string loss_text(double loss) {
  return std::string("the loss is ") + (std::isnan(loss) ? "not a number" : "infinite");
}

std::string divergence_message(std::int64_t epoch, std::int64_t batch, double loss,
                               double learning_rate) {
  std::ostringstream text;
  text << "training diverged: " << loss_text(loss) << " in epoch " << epoch << ", batch " << batch
       << "; try a learning rate lower than " << learning_rate;
  return text.str();
}

}  // namespace

Diverged::Diverged(std::int64_t epoch, std::int64_t batch, double loss, double learning_rate)
    : std::runtime_error(divergence_message(epoch, batch, loss, learning_rate)),
      epoch_(epoch),
      batch_(batch) {}

Diverged::Diverged(double loss)
    : std::runtime_error(loss_text(loss) +
                         " in epoch 1, batch 1, before any update: the data, their preprocessing "
                         "or the first weights are not finite or too large; look for NaN and "
                         "infinity in them, and scale the data to about [0, 1]"),
      epoch_(1),
      batch_(1) {}

template <class T>
void backward_and_update(Sequential<T>& net, Optimizer<T>& optimizer,
                         std::type_identity_t<TensorView<const T>> x,
                         std::type_identity_t<TensorView<const T>> dy) {
  if (optimizer.updates_in_backward()) {
    optimizer.begin_step();
    net.backward(x, dy, {}, &optimizer);
  } else {
    net.backward(x, dy);
    optimizer.step();
  }
}

template <class T>
Trainer<T>::Trainer(Sequential<T>& net, Optimizer<T>& optimizer, const Dataset& data,
                    const TrainerOptions& options)
    : net_(net),
      optimizer_(optimizer),
      data_(data),
      options_(options),
      base_learning_rate_(optimizer.learning_rate()),
      loss_(options.loss) {
  check_classifier(net, data, options.preprocessing, "Trainer");
  if (options.batch_size < 1 || options.epochs < 0 || options.steps < 0) {
    throw std::invalid_argument(
        "Trainer: batch_size must be at least 1, epochs and steps at least 0, got " +
        std::to_string(options.batch_size) + ", " + std::to_string(options.epochs) + " and " +
        std::to_string(options.steps));
  }
  check_schedule(options.schedule);
  options_.batch_size = std::min(options.batch_size, data.n);
  const std::int64_t batches = (data.n + options_.batch_size - 1) / options_.batch_size;
  const std::int64_t most = std::numeric_limits<std::int64_t>::max() - batches;
  if (options.epochs > most / batches || options.steps > most) {
    throw std::invalid_argument(
        "Trainer: too many steps to count: " + std::to_string(options.epochs) + " epochs of " +
        std::to_string(batches) + " batches, or " + std::to_string(options.steps) + " steps");
  }
  run_ = {.steps = options.steps > 0 ? options.steps : options.epochs * batches,
          .steps_per_epoch = batches};
  const bool permutes = options.sampling == Sampling::permutation;
  order_.resize(static_cast<std::size_t>(permutes ? data.n : batches * options_.batch_size));
  labels_.resize(static_cast<std::size_t>(options_.batch_size));
  x_ = Tensor<T>(net.input_shape().batch(options_.batch_size));
  dy_ = Tensor<T>(net.output_shape().batch(options_.batch_size));
  loss_.plan(options_.batch_size);
  net.plan(options_.batch_size);
  optimizer.bind(net);
  if (options.augmentation != Augmentation{}) {
    // What black becomes is what an image is empty of.
    augmenter_.emplace(options.augmentation, net.input_shape(), options.seed,
                       static_cast<T>(options.preprocessing.shift));
    plain_ = x_.clone();
  }
  if (options.average_decay != 0) average_.emplace(net, options.average_decay);
}

template <class T>
std::int64_t Trainer<T>::batches_of(std::int64_t epoch) const {
  const std::int64_t left = run_.steps - (epoch - 1) * run_.steps_per_epoch;
  return std::clamp<std::int64_t>(left, 0, run_.steps_per_epoch);
}

template <class T>
std::int64_t Trainer<T>::step() const {
  // The last epoch, which may be a part, is done where position_ is behind it.
  return std::min(run_.steps, (position_.epoch - 1) * run_.steps_per_epoch + position_.batches);
}

template <class T>
void Trainer<T>::set_position(const TrainerPosition& position) {
  const bool epoch_fits = position.epoch >= 1 && position.epoch <= epochs() + 1;
  const bool batches_fit =
      epoch_fits && position.batches >= 0 && position.batches <= batches_of(position.epoch);
  const auto in_epoch = static_cast<std::int64_t>(order_.size());
  if (!batches_fit ||
      position.samples != std::min(position.batches * options_.batch_size, in_epoch)) {
    throw std::invalid_argument(
        "Trainer::set_position: a run of " + std::to_string(epochs()) + " epochs of " +
        std::to_string(run_.steps_per_epoch) + " batches does not come to epoch " +
        std::to_string(position.epoch) + ", batch " + std::to_string(position.batches) + ", with " +
        std::to_string(position.samples) + " samples");
  }
  position_ = position;
  optimizer_.set_steps(step());
  // Of the step before: what who asks at the end of an epoch is told.
  optimizer_.set_learning_rate(
      step() == 0 ? base_learning_rate_
                  : learning_rate_at(options_.schedule, base_learning_rate_, step() - 1, run_));
  if (average_) average_->set_steps(step());
}

template <class T>
std::vector<NamedTensor<T>> Trainer<T>::state() {
  std::vector<NamedTensor<T>> all = named_tensors(net_);
  const std::size_t of_net = all.size();
  all.reserve(2 * of_net + optimizer_.state().size());
  for (OptimizerState<T>& each : optimizer_.state()) {
    all.push_back({"optimizer." + each.name, &each.value});
  }
  for (std::size_t i = 0; average_ && i < of_net; ++i) {
    all.push_back({"average." + all[i].name, &average_->values()[i]});
  }
  return all;
}

template <class T>
bool Trainer<T>::run() {
  while (position_.epoch <= epochs()) {
    if (!run_epoch()) return false;
    const EpochResult result{.epoch = position_.epoch,
                             .epochs = epochs(),
                             .samples = position_.samples,
                             .loss = position_.loss,
                             .epoch_seconds = position_.epoch_seconds};
    if (on_epoch && !on_epoch(result)) return position_.epoch == epochs();
    position_ = {.epoch = position_.epoch + 1};
  }
  return true;
}

template <class T>
bool Trainer<T>::run_epoch() {
  const std::int64_t batches = batches_of(position_.epoch);
  double start = now();
  choose_samples(static_cast<std::uint64_t>(position_.epoch));
  while (position_.batches < batches) {
    const std::int64_t first = position_.batches * options_.batch_size;
    const auto samples = static_cast<std::int64_t>(order_.size());
    const std::int64_t count = std::min(options_.batch_size, samples - first);
    optimizer_.set_learning_rate(
        learning_rate_at(options_.schedule, base_learning_rate_, step(), run_));
    const double loss = train_step(step(), first, count);
    if (!std::isfinite(loss)) {
      if (step() == 0) throw Diverged(loss);
      throw Diverged(position_.epoch, position_.batches + 1, loss, base_learning_rate_);
    }

    ++position_.batches;
    position_.samples += count;
    position_.loss += (loss - position_.loss) * static_cast<double>(count) /
                      static_cast<double>(position_.samples);  // a running mean
    const double end = now();
    position_.epoch_seconds += end - start;
    start = end;
    if (!on_batch) continue;
    const BatchProgress progress{.epoch = position_.epoch,
                                 .epochs = epochs(),
                                 .batch = position_.batches,
                                 .batches = batches,
                                 .samples = position_.samples,
                                 .loss = loss,
                                 .epoch_seconds = position_.epoch_seconds};
    if (!on_batch(progress)) return false;
    start = now();
  }
  return true;
}

template <class T>
void Trainer<T>::choose_samples(std::uint64_t epoch) {
  switch (options_.sampling) {
    case Sampling::permutation:
      return permutation(options_.seed, epoch, order_);
    case Sampling::with_replacement:
      return draws(options_.seed, epoch, data_.n, order_);
  }
}

template <class T>
double Trainer<T>::train_step(std::int64_t step, std::int64_t first, std::int64_t count) {
  const auto size = static_cast<std::size_t>(count);
  const auto left = std::span<const std::int64_t>(order_).subspan(static_cast<std::size_t>(first));
  const auto indices = left.first(size),
             next = left.subspan(size, std::min(size, left.size() - size));
  const std::span labels(labels_.data(), size);
  const TensorView<T> x = x_.view().samples(0, count);
  const TensorView<T> dy = dy_.view().samples(0, count);
  const TensorView<T> gathered = augmenter_ ? plain_.view().samples(0, count) : x;
  gather_batch(data_, options_.preprocessing, indices, gathered, labels, next);
  if (augmenter_) augmenter_->apply(gathered, x, static_cast<std::uint64_t>(step));
  const TensorView<const T> y = net_.forward(
      x, {.training = true, .seed = options_.seed, .step = static_cast<std::uint64_t>(step)});
  const double loss = loss_.value_and_gradient(y, labels, dy);
  if (!std::isfinite(loss)) return loss;
  backward_and_update<T>(net_, optimizer_, x, dy);
  if (average_) average_->update();
  return loss;
}

template void backward_and_update(Sequential<float>& net, Optimizer<float>& optimizer,
                                  TensorView<const float> x, TensorView<const float> dy);
template void backward_and_update(Sequential<double>& net, Optimizer<double>& optimizer,
                                  TensorView<const double> x, TensorView<const double> dy);
template class Trainer<float>;
template class Trainer<double>;

}  // namespace nnkernels::nn
