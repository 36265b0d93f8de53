#include "cli/exchange_options.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "cli/exit_code.h"
#include "cli/option_kinds.h"

namespace nnkernels::cli {

void add_convert_options(CLI::App& app, ConvertOptions& options) {
  add_path(app, "FROM", "", options.from,
           "Run folder, or a model or weights in .safetensors or .npz")
      ->required();
  add_path(app, "TO", "", options.to, "File to write, .safetensors or .npz")->required();
  const std::vector<std::string> layouts = {"ours", "torch", "tutorial"};
  add_choice(app, "--layout", "NAME", layouts, options.layout,
             "Names and order of the weights in TO  [ours]\n"
             "ours: 0.w, 0.b; NHWC, [in][out]\n"
             "torch: 0.weight, 0.bias; NCHW, [out][in] (state_dict of\nan nn.Sequential)\n"
             "tutorial: w1, b1, w2, b2; NCHW, [in][out]");
  const std::string bare = "If FROM holds weights alone";
  add_text(app, "--arch", "TEXT", options.arch, "Layers, separated by commas")->group(bare);
  add_text(app, "--input", "HxWxC", options.input, "Size of a sample  [28x28x1]")->group(bare);
  add_choice(app, "--from-layout", "NAME", layouts, options.from_layout,
             "Layout of FROM  [what the names of its arrays suggest]")
      ->group(bare);
  add_real(app, "--scale", options.scale,
           "The network sees SCALE * pixel + SHIFT; PyTorch's Normalize\nof mean M and deviation D "
           "is 1/(255 D) and -M/D  [1/255]")
      ->group(bare);
  add_real(app, "--shift", options.shift, "See --scale  [0]")->group(bare);
  const auto split = [&options](const std::string& text) {
    options.modules.clear();
    for (std::size_t at = 0; at <= text.size();) {
      const std::size_t end = std::min(text.find(',', at), text.size());
      options.modules.push_back(text.substr(at, end - at));
      at = end + 1;
    }
  };
  app.add_option_function<std::string>("--modules", split,
                                       "PyTorch's modules in the order of the layers, such as\n"
                                       "conv1,fc1,fc2  [by number, or by shape]")
      ->type_name("NAMES")
      ->group(bare);
}

void check_convert(const ConvertOptions& options) {
  const std::string to = options.to.string();
  if (!to.ends_with(".safetensors") && !to.ends_with(".npz")) {
    throw UsageError("TO: expected a name ending in .safetensors or .npz, got \"" + to + "\"");
  }
  if (!options.modules.empty() && !options.from_layout.empty() && options.from_layout != "torch") {
    throw UsageError("--modules: goes with the layout torch, not with " + options.from_layout);
  }
}

void add_export_options(CLI::App& app, ExportOptions& options) {
  add_path(app, "RUN", "", options.run, "Folder that `nncli train` made, or a model file")
      ->required();
  add_path(
      app, "--onnx", "FILE", options.onnx,
      "The file (operator set 13). Its input is what the network\nsees, pixels already scaled: "
      "[n, channels, height, width]\nor [n, features]")
      ->required();
}

}  // namespace nnkernels::cli
