#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/json_writer.h"
#include "cli/machine.h"
#include "cli/output.h"
#include "nn/architecture.h"
#include "nn/gradient_check.h"
#include "nn/initialize.h"
#include "nn/loss.h"
#include "nn/random.h"

namespace nnkernels::cli {
namespace {

constexpr double kLimit = 1e-7;
constexpr std::int64_t kSamples = 2;
constexpr std::int64_t kMaxElements = 100;  // a tensor; more only takes longer

/// Not `scaled_error > kLimit` turned round: NaN must fail, and so must a tensor of which nothing
/// could be checked.
bool passes(const nn::GradientCheckResult& result) {
  return result.checked > 0 && result.scaled_error <= kLimit;
}

std::vector<nn::GradientCheckResult> check_model(const GradcheckOptions& options) {
  const nn::Shape image = nn::model_input();
  nn::Sequential<double> net = nn::build<double>(image, nn::model_architecture(options.model));
  nn::initialize(net, nn::Initialization::he, options.seed);

  // Noise instead of digits: the flat background of a digit makes every max-pool window a tie.
  const nn::Random random(options.seed, nn::Purpose::gradient_check);
  nn::Tensor<double> x(image.batch(kSamples));
  for (std::int64_t i = 0; i < x.size(); ++i) {
    x[i] = random.uniform(0, static_cast<std::uint64_t>(i));
  }
  const auto classes = static_cast<std::uint64_t>(net.output_shape().size());
  std::vector<std::int32_t> labels;
  for (std::uint64_t i = 0; i < kSamples; ++i) {
    labels.push_back(static_cast<std::int32_t>(random.below(classes, 1, i)));
  }

  nn::SoftmaxWithLoss<double> softmax;
  const nn::CheckedLoss loss = [&](nn::TensorView<const double> y, nn::TensorView<double> dy) {
    return dy.empty() ? softmax.value(y, labels) : softmax.value_and_gradient(y, labels, dy);
  };
  return nn::check_gradients(net, nn::TensorView<const double>(x.view()), loss,
                             {.max_elements = kMaxElements, .seed = options.seed});
}

std::string table(const std::vector<nn::GradientCheckResult>& results) {
  std::string text = "tensor   checked  skipped  scaled error\n";
  for (const nn::GradientCheckResult& result : results) {
    text += left(result.name, 8) + right(std::to_string(result.checked), 8) +
            right(std::to_string(result.skipped), 9) + right(scientific(result.scaled_error), 14) +
            (passes(result) ? "  PASS\n" : "  FAIL\n");
  }
  return text;
}

std::string result_json(const GradcheckOptions& options,
                        const std::vector<nn::GradientCheckResult>& results, bool pass) {
  JsonWriter json;
  json.begin_object()
      .member("model", options.model)
      .member("seed", options.seed)
      .member("limit", kLimit)
      .member("pass", pass)
      .key("tensors")
      .begin_array();
  for (const nn::GradientCheckResult& result : results) {
    json.begin_object()
        .member("name", result.name)
        .member("checked", result.checked)
        .member("skipped", result.skipped)
        .member("scaled_error", result.scaled_error)
        .member("pass", passes(result))
        .end_object();
  }
  json.end_array().end_object();
  return json.str() + "\n";
}

}  // namespace

int gradcheck(const GradcheckOptions& options) {
  use_machine(options.machine);
  const std::vector<nn::GradientCheckResult> results = check_model(options);
  const bool pass = std::all_of(results.begin(), results.end(), passes);
  print(options.json ? result_json(options, results, pass)
                     : table(results) + (pass ? "PASS" : "FAIL") + ": " + options.model +
                           ", limit " + scientific(kLimit) + "\n");
  return pass ? kSuccess : kFailure;
}

}  // namespace nnkernels::cli
