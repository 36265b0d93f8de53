// What a model file says about how its network was trained.
#ifndef NNKERNELS_CLI_MODEL_RECORD_H_
#define NNKERNELS_CLI_MODEL_RECORD_H_

#include <map>
#include <string>

#include "cli/dataset.h"
#include "cli/train_config.h"
#include "nn/classifier_loss.h"
#include "nn/model_file.h"

namespace nnkernels::cli {

/// The loss of the settings.
nn::LossOptions loss_options(const TrainConfig& config);

/// The data set of the settings. The usual test share counts as not asked for: files of settings
/// hold it, whatever their data.
DataOptions data_options(const TrainConfig& config);

/// What a network sees of the data's numbers (TrainConfig::pixels_low and pixels_high).
nn::Preprocessing preprocessing_of(const TrainConfig& config, const nn::Dataset& data);

/// What goes into the model file: preprocessing, classes, and metadata that name the recipe, the
/// loss and the data.
nn::ModelInfo model_info(const TrainConfig& config, const NamedData& data);

/// The loss that a model's metadata name; softmax cross-entropy if they name none. Throws
/// std::invalid_argument if they make no sense.
nn::LossOptions recorded_loss(const std::map<std::string, std::string>& metadata);

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_MODEL_RECORD_H_
