#include "cli/trained.h"

#include <string>
#include <utility>

#include "cli/model_record.h"
#include "cli/run_folder.h"
#include "nn/batch.h"
#include "nn/file_error.h"

namespace nnkernels::cli {
namespace {

void check_fit(const nn::Model& model, const NamedData& data) {
  const nn::Shape image = nn::sample_shape(data.sets.test);
  if (image == model.net.input_shape() && data.sets.test.classes == model.info.classes) return;
  throw nn::FileError(
      data.path.string(),
      "has images of " + image.str() + " in " + std::to_string(data.sets.test.classes) +
          " classes, but the network takes " + model.net.input_shape().str() + " and knows " +
          std::to_string(model.info.classes) + "; choose other data with --data");
}

}  // namespace

Trained load_trained(const std::filesystem::path& run, const DataOptions& data) {
  require_use_of_reading(data);
  nn::Model model = nn::load_model(model_file_of(run).string());
  NamedData test = load_test_data(data.data.empty() ? recorded_data(model.info.metadata) : data,
                                  model.info.classes);
  check_fit(model, test);
  model.net.freeze();
  const nn::LossOptions loss = recorded_loss(model.info.metadata);
  return {.model = std::move(model), .loss = loss, .data = std::move(test)};
}

}  // namespace nnkernels::cli
