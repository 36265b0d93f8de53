#include "cli/model_record.h"

#include "cli/data_options.h"
#include "cli/numbers.h"

namespace nnkernels::cli {
namespace {

constexpr const char* kLoss = "loss";
constexpr const char* kSmoothing = "label_smoothing";
constexpr const char* kTargetLow = "target_low";
constexpr const char* kTargetHigh = "target_high";

double recorded_number(const std::map<std::string, std::string>& metadata, const char* key,
                       double otherwise) {
  const auto found = metadata.find(key);
  return found == metadata.end() ? otherwise
                                 : parse_number<double>(found->second).value_or(otherwise);
}

}  // namespace

nn::LossOptions loss_options(const TrainConfig& config) {
  return {.kind = nn::loss_from_name(config.loss),
          .label_smoothing = config.label_smoothing,
          .targets = {.low = config.target_low, .high = config.target_high}};
}

DataOptions data_options(const TrainConfig& config) {
  return {.data = config.data,
          .label = config.label == "last" ? nn::LabelColumn::last : nn::LabelColumn::first,
          .image = parse_image_shape(config.image),
          .test_share =
              config.test_share == kTestShare ? std::nullopt : std::optional(config.test_share)};
}

nn::Preprocessing preprocessing_of(const TrainConfig& config, const nn::Dataset& data) {
  return {.scale = (config.pixels_high - config.pixels_low) / data.full,
          .shift = config.pixels_low};
}

nn::ModelInfo model_info(const TrainConfig& config, const NamedData& data) {
  nn::ModelInfo info{.preprocessing = preprocessing_of(config, data.sets.train),
                     .classes = data.sets.train.classes,
                     .metadata = {{"model", config.recipe},
                                  {"dataset", data.name},
                                  {kLoss, config.loss},
                                  {kSmoothing, number_text(config.label_smoothing)},
                                  {kTargetLow, number_text(config.target_low)},
                                  {kTargetHigh, number_text(config.target_high)}}};
  record_data(data_options(config), data, info.metadata);
  return info;
}

nn::LossOptions recorded_loss(const std::map<std::string, std::string>& metadata) {
  const auto name = metadata.find(kLoss);
  if (name == metadata.end()) return {};
  return {.kind = nn::loss_from_name(name->second),
          .label_smoothing = recorded_number(metadata, kSmoothing, 0),
          .targets = {.low = recorded_number(metadata, kTargetLow, 0),
                      .high = recorded_number(metadata, kTargetHigh, 1)}};
}

}  // namespace nnkernels::cli
