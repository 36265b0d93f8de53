#include "cli/trained.h"

#include <algorithm>
#include <map>
#include <string>
#include <system_error>
#include <utility>

#include "cli/model_record.h"
#include "cli/run_folder.h"
#include "nn/batch.h"
#include "nn/file_error.h"

namespace nnkernels::cli {
namespace {

void check_fit(const nn::Model& model, const NamedData& data) {
  const nn::Shape image = nn::sample_shape(data.sets.test);
  if (image == model.net.input_shape() && data.sets.test.classes <= model.info.classes) return;
  throw nn::FileError(
      data.path.string(),
      "has images of " + image.str() + " in " + std::to_string(data.sets.test.classes) +
          " classes, but the network takes " + model.net.input_shape().str() + " and knows " +
          std::to_string(model.info.classes) + "; choose other data with --data");
}

bool is_same_data(const std::string& a, const std::string& b) {
  if (a == b || is_data_name(a) || is_data_name(b)) return a == b;
  std::error_code error;
  return std::filesystem::equivalent(a, b, error);
}

/// What to read: what was asked for, or else what the model was trained on. Either way a file that
/// it was trained on is cut as it was then, or it would be tested on images that it has seen.
DataOptions data_to_read(const DataOptions& asked,
                         const std::map<std::string, std::string>& metadata) {
  DataOptions recorded = recorded_data(metadata);
  if (asked.data.empty()) return recorded;
  DataOptions options = asked;
  if (is_same_data(asked.data, recorded.data)) {
    options.split_seed = recorded.split_seed;
    if (!options.test_share) options.test_share = recorded.test_share;
  }
  return options;
}

/// The same for the numbers of `data`: a reader makes bytes or floats of them as they are in one
/// file, and other numbers may stand for full light in another. Bytes that are darker than those of
/// training are just dark. A model that was not trained here has a scale that somebody chose.
nn::Preprocessing preprocessing_for(const nn::Dataset& data, const nn::ModelInfo& info) {
  nn::Preprocessing result = info.preprocessing;
  if (!info.metadata.contains("dataset")) return result;
  const double trained = recorded_full(info.metadata);
  result.scale *= trained / (data.values.empty() ? std::max(data.full, trained) : data.full);
  return result;
}

}  // namespace

Trained load_trained(const std::filesystem::path& run, const DataOptions& data) {
  require_use_of_reading(data);
  nn::Model model = load_model_of(run);
  NamedData test = load_test_data(data_to_read(data, model.info.metadata));
  require_use_of_share(data, test);
  check_fit(model, test);
  model.net.freeze();
  test.sets.test.classes = model.info.classes;  // it may lack samples of some
  model.info.preprocessing = preprocessing_for(test.sets.test, model.info);
  const nn::LossOptions loss = recorded_loss(model.info.metadata);
  return {.model = std::move(model), .loss = loss, .data = std::move(test)};
}

}  // namespace nnkernels::cli
