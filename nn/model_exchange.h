// Models in files for other programs, and models that come from them.
#ifndef NNKERNELS_NN_MODEL_EXCHANGE_H_
#define NNKERNELS_NN_MODEL_EXCHANGE_H_

#include <optional>
#include <string>
#include <vector>

#include "nn/model_file.h"
#include "nn/weight_file.h"
#include "nn/weight_layout.h"
#include "nn/weight_match.h"

namespace nnkernels::nn {

/// Writes a model by write_weight_file(): its weights in that layout, and as texts info.metadata
/// and "nnkernels.layout", "nnkernels.architecture", "nnkernels.input" ("28x28x1"),
/// "nnkernels.scale", "nnkernels.shift", "nnkernels.classes" and "nnkernels.checksum" (a
/// SHA-256 of weights and texts), so that import_model() needs nothing else. Throws as
/// check_model(), write_weight_file() and layout_modules() do.
void export_model(const std::string& path, const Sequential<float>& net, const ModelInfo& info,
                  WeightLayout layout);

/// What a file of bare weights does not tell.
struct ModelDescription {
  std::string architecture;  // nn/architecture.h
  Shape input;
  Preprocessing preprocessing;
  std::optional<WeightLayout> layout;  // empty: guess_layout()
  std::vector<std::string> modules;    // see match_weights()
};

struct ImportedModel {
  Model model;
  WeightLayout layout = WeightLayout::ours;  // of the file
  std::vector<WeightMatch> matches;
};

/// Whether export_model() wrote the file, so that it tells all about itself.
bool describes_itself(const WeightFile& file);

/// The model of a file of bare weights. Its classes are the network's outputs; its metadata are
/// empty. `path` is for messages. Throws std::invalid_argument if the architecture cannot be built
/// or ends in anything but a row of numbers; FileError as match_weights() does.
ImportedModel import_model(const std::string& path, const WeightFile& file,
                           const ModelDescription& description);

/// The model that export_model() wrote, with the same bits. Throws FileError if it is not whole, if
/// weights or texts do not have the checksum that it holds, or as match_weights() does. (Where
/// there is no checksum, because somebody changed the weights on purpose, none is asked for.)
ImportedModel import_model(const std::string& path, const WeightFile& file);

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_MODEL_EXCHANGE_H_
