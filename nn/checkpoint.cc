#include "nn/checkpoint.h"

#include <algorithm>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

#include "nn/architecture.h"
#include "nn/data/file.h"
#include "nn/file_error.h"
#include "nn/model_keys.h"
#include "nn/number_text.h"
#include "nn/shape_text.h"
#include "nn/tensor_file.h"

namespace nnkernels::nn {
namespace {

constexpr std::string_view kCheckpointFormat = "checkpoint 1";
constexpr std::string_view kOptimizer = "nnkernels.optimizer";
constexpr std::string_view kLearningRate = "nnkernels.learning_rate";
constexpr std::string_view kSeed = "nnkernels.seed";
constexpr std::string_view kBatchSize = "nnkernels.batch_size";
constexpr std::string_view kEpoch = "nnkernels.epoch";
constexpr std::string_view kBatches = "nnkernels.batches";
constexpr std::string_view kSamples = "nnkernels.samples";
constexpr std::string_view kLoss = "nnkernels.loss";
constexpr std::string_view kSeconds = "nnkernels.epoch_seconds";
constexpr std::string_view kStep = "nnkernels.step";
constexpr std::string_view kTensorSum = "nnkernels.sha256.";
constexpr std::string_view kAverage = "average.";  // of the names in Trainer::state()

void check_saveable(const Trainer<float>& trainer,
                    const std::map<std::string, std::string>& metadata) {
  for (const auto& [key, value] : metadata) {
    if (key.starts_with(kReservedKeys)) {
      throw std::invalid_argument("save_checkpoint: the metadata key " + printable(key) +
                                  " begins with the reserved \"nnkernels.\"");
    }
  }
  for (const auto& [name, value] : named_tensors(trainer.net())) {
    const std::int64_t place = first_not_finite(*value);
    if (place >= 0) {
      throw std::invalid_argument("save_checkpoint: element " + std::to_string(place) + " of " +
                                  name + " is not finite");
    }
  }
}

}  // namespace

void save_checkpoint(const std::string& path, const std::string& kept, Trainer<float>& trainer,
                     const std::map<std::string, std::string>& metadata) {
  check_saveable(trainer, metadata);
  const TrainerPosition& at = trainer.position();
  std::map<std::string, std::string> all = metadata;
  const auto set = [&all](std::string_view key, std::string value) {
    all.emplace(std::string(key), std::move(value));
  };
  set(kArchitecture, architecture_of(trainer.net()));
  set(kInput, shape_text(trainer.net().input_shape()));
  set(kOptimizer, trainer.optimizer().name());
  set(kLearningRate, number_text(trainer.optimizer().learning_rate()));
  set(kSeed, std::to_string(trainer.options().seed));
  set(kBatchSize, std::to_string(trainer.options().batch_size));
  set(kEpoch, std::to_string(at.epoch));
  set(kBatches, std::to_string(at.batches));
  set(kSamples, std::to_string(at.samples));
  set(kLoss, number_text(at.loss));
  set(kSeconds, number_text(at.epoch_seconds));
  set(kStep, std::to_string(trainer.step()));
  const std::vector<NamedTensor<float>> tensors = trainer.state();
  for (const auto& [name, value] : tensors) {
    set(std::string(kTensorSum) + name, tensor_sha256(*value));
  }
  save_tensors(path, kCheckpointFormat, std::move(all), tensors, kept);
}

struct Checkpoint::Content {
  explicit Content(const std::string& from)
      : path(from),
        bytes(read_file(from, kMaxCheckpointFile)),
        file(from, bytes, kCheckpointFormat) {
    for (const auto& [key, value] : file.metadata()) {
      if (!key.starts_with(kReservedKeys)) metadata.emplace(key, value);
    }
    position = {.epoch = file.number<std::int64_t>(kEpoch),
                .batches = file.number<std::int64_t>(kBatches),
                .samples = file.number<std::int64_t>(kSamples),
                .loss = file.number<double>(kLoss),
                .epoch_seconds = file.number<double>(kSeconds)};
  }

  /// Throws unless `key` is what a trainer has for it.
  void expect(std::string_view key, const std::string& value) const {
    if (file.metadata(key) != value) {
      file.fail(std::string(key) + ": expected " + printable(value) + ", found " +
                printable(file.metadata(key)));
    }
  }

  /// Throws unless an average is in the file if it is in a trainer's state.
  void expect_average(const std::vector<NamedTensor<float>>& state, double decay) const {
    const bool expected = std::any_of(state.begin(), state.end(), [](const auto& each) {
      return each.name.starts_with(kAverage);
    });
    const bool found = file.any_begins(kAverage);
    const std::string has = " (average_decay " + number_text(decay) + "), found ";
    if (expected && !found) {
      file.fail("expected an average of the weights, as the trainer has" + has +
                "none; the saved run had average_decay 0");
    }
    if (!expected && found) {
      file.fail("expected no average of the weights, as the trainer has none" + has +
                "one; set average_decay as in the saved run");
    }
  }

  std::string path;
  std::vector<std::uint8_t> bytes;
  TensorFile file;
  std::map<std::string, std::string> metadata;
  TrainerPosition position;
};

Checkpoint::Checkpoint(const std::string& path) : content_(std::make_unique<Content>(path)) {}
Checkpoint::~Checkpoint() = default;
Checkpoint::Checkpoint(Checkpoint&&) noexcept = default;
Checkpoint& Checkpoint::operator=(Checkpoint&&) noexcept = default;

const std::string& Checkpoint::path() const { return content_->path; }

const TrainerPosition& Checkpoint::position() const { return content_->position; }

const std::map<std::string, std::string>& Checkpoint::metadata() const {
  return content_->metadata;
}

const std::string& Checkpoint::metadata(const std::string& key) const {
  const auto found = content_->file.metadata().find(key);
  if (found == content_->file.metadata().end()) {
    content_->file.fail("this checkpoint has no metadata " + printable(key));
  }
  return found->second;
}

void Checkpoint::restore(Trainer<float>& trainer) const {
  const TensorFile& file = content_->file;
  content_->expect(kArchitecture, architecture_of(trainer.net()));
  content_->expect(kInput, shape_text(trainer.net().input_shape()));
  content_->expect(kOptimizer, trainer.optimizer().name());
  content_->expect(kSeed, std::to_string(trainer.options().seed));
  content_->expect(kBatchSize, std::to_string(trainer.options().batch_size));
  const std::vector<NamedTensor<float>> tensors = trainer.state();
  content_->expect_average(tensors, trainer.options().average_decay);
  file.check_fit(tensors);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    content_->expect(std::string(kTensorSum) + tensors[i].name, file.sha256_of(i));
  }
  const TrainerPosition before = trainer.position();
  try {
    trainer.set_position(content_->position);
  } catch (const std::invalid_argument& error) {
    file.fail(error.what());
  }
  if (std::to_string(trainer.step()) != file.metadata(kStep)) {
    const std::string step = std::to_string(trainer.step());
    trainer.set_position(before);
    content_->expect(kStep, step);
  }
  file.read(tensors);
}

}  // namespace nnkernels::nn
