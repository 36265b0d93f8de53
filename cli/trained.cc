#include "cli/trained.h"

#include <string>
#include <utility>

#include "cli/run_folder.h"
#include "nn/batch.h"
#include "nn/file_error.h"

namespace nnkernels::cli {
namespace {

/// The folder that the model was trained on, or an empty path: the bundled data.
std::filesystem::path recorded_folder(const nn::ModelInfo& model) {
  const auto recorded = model.metadata.find("data");
  if (recorded == model.metadata.end()) return {};
  return recorded->second;
}

void check_fit(const nn::Model& model, const NamedData& data) {
  const nn::Shape image = nn::sample_shape(data.sets.test);
  if (image == model.net.input_shape() && data.sets.test.classes == model.info.classes) return;
  throw nn::FileError(
      data.folder.string(),
      "has images of " + image.str() + " in " + std::to_string(data.sets.test.classes) +
          " classes, but the network takes " + model.net.input_shape().str() + " and knows " +
          std::to_string(model.info.classes) + "; choose other data with --data DIR");
}

}  // namespace

Trained load_trained(const std::filesystem::path& run, const std::filesystem::path& data) {
  nn::Model model = nn::load_model(model_file_of(run).string());
  NamedData test = load_test_data(data.empty() ? recorded_folder(model.info) : data);
  check_fit(model, test);
  return {.model = std::move(model), .data = std::move(test)};
}

}  // namespace nnkernels::cli
