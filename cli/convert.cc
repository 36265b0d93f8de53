// nncli convert: models between this project's files and those of NumPy and PyTorch.
#include <algorithm>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/input_shape.h"
#include "cli/output.h"
#include "cli/problem.h"
#include "cli/run_folder.h"
#include "nn/architecture.h"
#include "nn/model_exchange.h"

namespace nnkernels::cli {
namespace {

/// The layout of an option; options.cc has checked it.
std::optional<nn::WeightLayout> layout_of(const std::string& name) {
  return name.empty() ? std::nullopt : nn::weight_layout(name);
}

bool describes(const ConvertOptions& options) {
  return !options.arch.empty() || !options.input.empty() || !options.from_layout.empty() ||
         !options.modules.empty() || options.scale || options.shift;
}

nn::ModelDescription description_of(const ConvertOptions& options) {
  if (options.arch.empty()) {
    throw UsageError("convert: " + options.from.string() +
                     " holds bare weights; tell the network that they are for with --arch, and "
                     "what it sees with --input, --scale and --shift");
  }
  nn::ModelDescription description{.architecture = options.arch,
                                   .input = nn::model_input(),
                                   .preprocessing = {},
                                   .layout = layout_of(options.from_layout),
                                   .modules = options.modules};
  if (!options.input.empty()) description.input = input_shape(options.input);
  description.preprocessing.scale = options.scale.value_or(description.preprocessing.scale);
  description.preprocessing.shift = options.shift.value_or(description.preprocessing.shift);
  return description;
}

/// What is wrong with the network of the command line is the user's to mend: no file's fault.
nn::ImportedModel import_described(const std::string& path, const nn::WeightFile& file,
                                   const nn::ModelDescription& description) {
  try {
    return nn::import_model(path, file, description);
  } catch (const std::invalid_argument& error) {
    throw UsageError("--arch: " +
                     problem_of_network(error, description.architecture, description.input));
  }
}

nn::ImportedModel read_model(const ConvertOptions& options) {
  const std::string path = model_file_of(options.from).string();
  const nn::WeightFile file = nn::read_weight_file(path);
  const bool ours = file.texts.contains("nnkernels.format");
  if ((ours || nn::describes_itself(file)) && describes(options)) {
    throw UsageError("convert: " + path +
                     " tells its own network; --arch, --input, --scale, --shift, --from-layout and "
                     "--modules are for files of bare weights");
  }
  if (ours) return {.model = nn::load_model(path), .layout = {}, .matches = {}};
  if (nn::describes_itself(file)) return nn::import_model(path, file);
  return import_described(path, file, description_of(options));
}

std::string matches_text(const nn::ImportedModel& imported) {
  std::size_t width = 0;
  for (const nn::WeightMatch& match : imported.matches)
    width = std::max(width, match.tensor.size());
  std::string text;
  for (const nn::WeightMatch& match : imported.matches) {
    text += left(match.tensor, width) + "  from " + one_line(match.array) + " " +
            nn::dims_text(match.shape) + "\n";
  }
  return text;
}

}  // namespace

int convert(const ConvertOptions& options) {
  refuse_run_files("TO", options.from, options.to, Output::other);
  const nn::ImportedModel imported = read_model(options);
  const nn::Sequential<float>& net = imported.model.net;
  const nn::WeightLayout layout = layout_of(options.layout).value_or(nn::WeightLayout::ours);
  const std::string to = options.to.string();
  if (layout == nn::WeightLayout::ours && to.ends_with(".safetensors")) {
    nn::save_model(to, net, imported.model.info);
  } else {
    nn::export_model(to, net, imported.model.info, layout);
  }
  print(matches_text(imported) + to + ": " + nn::architecture_of(net) + "; " +
        grouped(net.parameter_count()) + " parameters, layout " + nn::weight_layout_name(layout) +
        "\n");
  return kSuccess;
}

}  // namespace nnkernels::cli
