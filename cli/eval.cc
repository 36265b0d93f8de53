#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/dataset.h"
#include "cli/exit_code.h"
#include "cli/json_writer.h"
#include "cli/machine.h"
#include "cli/output.h"
#include "cli/run_folder.h"
#include "nn/architecture.h"
#include "nn/batch.h"
#include "nn/file_error.h"
#include "nn/metrics.h"

namespace nnkernels::cli {
namespace {

/// --data, or what the model was trained on, or MNIST.
DataOptions data_of(const EvalOptions& options, const nn::ModelInfo& model) {
  return options.data.data.empty() ? recorded_data(model.metadata) : options.data;
}

void check_fit(const nn::Model& model, const NamedData& data) {
  const nn::Shape image = nn::sample_shape(data.sets.test);
  if (image == model.net.input_shape() && data.sets.test.classes == model.info.classes) return;
  throw nn::FileError(
      data.path.string(),
      "has images of " + image.str() + " in " + std::to_string(data.sets.test.classes) +
          " classes, but the network takes " + model.net.input_shape().str() + " and knows " +
          std::to_string(model.info.classes) + "; choose other data with --data");
}

/// One row a true class; the last column is the share of the row on the diagonal.
std::string confusion_table(const nn::ConfusionMatrix& confusion) {
  std::size_t width = 6;
  for (std::int32_t i = 0; i < confusion.classes(); ++i) {
    for (std::int32_t j = 0; j < confusion.classes(); ++j) {
      width = std::max(width, std::to_string(confusion.at(i, j)).size() + 1);
    }
  }
  std::string table = "confusion matrix: a row is a true class, a column a predicted one\n     ";
  for (std::int32_t j = 0; j < confusion.classes(); ++j) table += right(std::to_string(j), width);
  table += "    recall\n";
  for (std::int32_t i = 0; i < confusion.classes(); ++i) {
    std::int64_t row = 0;
    table += right(std::to_string(i), 5);
    for (std::int32_t j = 0; j < confusion.classes(); ++j) {
      row += confusion.at(i, j);
      table += right(std::to_string(confusion.at(i, j)), width);
    }
    const auto correct = static_cast<double>(confusion.at(i, i));
    table += right(row == 0 ? "-" : percent(correct / static_cast<double>(row)), 10) + "\n";
  }
  return table;
}

std::string result_json(const EvalOptions& options, const NamedData& data, const nn::Model& model,
                        const nn::Evaluation& result) {
  JsonWriter json;
  json.begin_object()
      .member("run", options.run.string())
      .member("architecture", nn::architecture_of(model.net))
      .member("parameters", model.net.parameter_count())
      .member("dataset", data.name)
      .member("data", data.path.string())
      .member("images", result.confusion.total())
      .member("correct", result.confusion.correct())
      .member("test_accuracy", result.accuracy)
      .member("test_loss", result.loss)
      .member("weights_sha256", nn::weights_sha256(model.net))
      .key("confusion")
      .begin_array();
  for (std::int32_t i = 0; i < result.confusion.classes(); ++i) {
    json.begin_array();
    for (std::int32_t j = 0; j < result.confusion.classes(); ++j) {
      json.value(result.confusion.at(i, j));
    }
    json.end_array();
  }
  json.end_array().end_object();
  return json.str() + "\n";
}

std::string result_text(const NamedData& data, const nn::Model& model,
                        const nn::Evaluation& result) {
  return "test accuracy  " + percent(result.accuracy) + " (" + grouped(result.confusion.correct()) +
         " of " + grouped(result.confusion.total()) + ")\ntest loss      " +
         loss_text(result.loss) + "\ndata           " + data.path.string() + "\nnetwork        " +
         nn::architecture_of(model.net) + " (" + grouped(model.net.parameter_count()) +
         " parameters)\n\n" + confusion_table(result.confusion);
}

}  // namespace

int eval(const EvalOptions& options) {
  use_machine(options.machine);
  nn::Model model = nn::load_model(model_file_of(options.run).string());
  const NamedData data = load_test_data(data_of(options, model.info), model.info.classes);
  check_fit(model, data);
  const nn::Evaluation result = nn::evaluate(model.net, data.sets.test, model.info.preprocessing);

  print(options.json ? result_json(options, data, model, result)
                     : result_text(data, model, result));
  return kSuccess;
}

}  // namespace nnkernels::cli
