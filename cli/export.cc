// nncli export: a model for other runtimes.
#include <cstdint>
#include <string>
#include <string_view>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/output.h"
#include "cli/run_folder.h"
#include "nn/architecture.h"
#include "nn/data/file.h"
#include "nn/model_file.h"
#include "nn/onnx.h"

namespace nnkernels::cli {

int export_onnx(const ExportOptions& options) {
  refuse_run_files("--onnx", options.run, options.onnx, Output::other);
  const nn::Model model = load_model_of(options.run);
  const std::string bytes = nn::onnx_model(model.net, model.info);
  nn::write_file_atomically(options.onnx.string(), std::string_view(bytes));
  print(options.onnx.string() + ": " + nn::architecture_of(model.net) + "; " +
        bytes_text(static_cast<std::int64_t>(bytes.size())) + "\n");
  return kSuccess;
}

}  // namespace nnkernels::cli
