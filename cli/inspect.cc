#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/input_shape.h"
#include "cli/json_writer.h"
#include "cli/output.h"
#include "cli/problem.h"
#include "cli/run_folder.h"
#include "nn/architecture.h"
#include "nn/model_file.h"
#include "nn/summary.h"

namespace nnkernels::cli {
namespace {

/// The network that a text describes. What is wrong with it is the user's to mend: no file's fault.
nn::Summary summary_of_text(const InspectOptions& options) {
  // Weights are allocated: 1 GiB of them, and as much for gradients.
  constexpr std::int64_t kMaxParameters = std::int64_t{1} << 28;
  const std::string text =
      options.model.empty() ? options.arch : nn::model_architecture(options.model);
  const nn::Shape input = options.input.empty() ? nn::model_input() : input_shape(options.input);
  try {
    return nn::summarize(nn::build<float>(input, text, kMaxParameters));
  } catch (const std::invalid_argument& error) {
    throw UsageError((options.model.empty() ? "--arch: " : "--input: ") +
                     problem_of_network(error, text, input));
  }
}

struct Row {
  std::string layer, output, parameters, multiply_adds, memory;
};

std::string table(const nn::Summary& summary) {
  std::vector<Row> rows = {{"layer", "output", "parameters", "multiply-adds", "activations"},
                           {"input", summary.input.str(), "", "", ""}};
  rows.reserve(summary.layers.size() + 3);
  for (const nn::LayerSummary& layer : summary.layers) {
    rows.push_back({layer.description, layer.output.str(), grouped(layer.parameters),
                    grouped(layer.multiply_adds), bytes_text(layer.activation_bytes)});
  }
  rows.push_back({"total", "", grouped(summary.parameters), grouped(summary.multiply_adds),
                  bytes_text(summary.activation_bytes)});
  std::size_t layer = 0;
  std::size_t output = 0;
  for (const Row& row : rows) {
    layer = std::max(layer, row.layer.size());
    output = std::max(output, row.output.size());
  }
  std::string text;
  for (const Row& row : rows) {
    std::string line = left(row.layer, layer + 2) + left(row.output, output) +
                       right(row.parameters, 15) + right(row.multiply_adds, 17) +
                       right(row.memory, 13);
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text + "\nFor one sample: " + grouped(2 * summary.multiply_adds) +
         " floating-point operations forward, " + bytes_text(summary.activation_bytes) +
         " of activations.\nThe parameters take " + bytes_text(summary.parameter_bytes) + ".\n";
}

std::vector<std::int64_t> dims_of(const nn::Shape& shape) {
  std::vector<std::int64_t> dims;
  dims.reserve(static_cast<std::size_t>(shape.rank()));
  for (int i = 0; i < shape.rank(); ++i) dims.push_back(shape[i]);
  return dims;
}

std::string summary_json(const nn::Summary& summary) {
  JsonWriter json;
  json.begin_object().member("input", dims_of(summary.input)).key("layers").begin_array();
  for (const nn::LayerSummary& layer : summary.layers) {
    json.begin_object()
        .member("layer", layer.description)
        .member("output", dims_of(layer.output))
        .member("parameters", layer.parameters)
        .member("multiply_adds", layer.multiply_adds)
        .member("activation_bytes", layer.activation_bytes)
        .end_object();
  }
  json.end_array()
      .member("parameters", summary.parameters)
      .member("parameter_bytes", summary.parameter_bytes)
      .member("multiply_adds", summary.multiply_adds)
      .member("flops", 2 * summary.multiply_adds)
      .member("activation_bytes", summary.activation_bytes)
      .end_object();
  return json.str() + "\n";
}

}  // namespace

int inspect(const InspectOptions& options) {
  const nn::Summary summary = options.run.empty() ? summary_of_text(options)
                                                  : nn::summarize(load_model_of(options.run).net);
  print(options.json ? summary_json(summary) : table(summary));
  return kSuccess;
}

}  // namespace nnkernels::cli
