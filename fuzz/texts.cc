// CSV, configuration files, architectures, augmentations and the records of runs.
#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "cli/config_file.h"
#include "cli/exit_code.h"
#include "cli/settings.h"
#include "fuzz/targets.h"
#include "nn/architecture.h"
#include "nn/augment.h"
#include "nn/data/csv.h"
#include "nn/data/run_record.h"

namespace nnkernels::fuzz {

void run_csv(Bytes bytes) {
  for (const nn::LabelColumn label : {nn::LabelColumn::first, nn::LabelColumn::last}) {
    nn::Dataset data;
    if (!accepted([&] { data = nn::parse_csv(kPath, bytes, {.label = label}); })) continue;
    const nn::Dataset again = nn::parse_csv(kPath, bytes_of(nn::csv_text(data)));
    require(again.n == data.n && again.h == data.h && again.w == data.w && again.c == data.c &&
                again.pixels == data.pixels && again.labels == data.labels &&
                again.classes == data.classes && again.full == data.full,
            "CSV reads back");
  }
}

void run_config(Bytes bytes) {
  cli::TrainConfig config;
  config.arch = "affine 10";  // none is no setting
  const bool good = accepted([&] {
    try {
      std::vector<cli::Asked> asked = cli::parse_config(kPath, text_of(bytes));
      std::erase_if(asked, [](const cli::Asked& each) { return each.key == "recipe"; });
      cli::apply_settings(asked, config);
    } catch (const cli::UsageError& error) {
      throw nn::FileError(kPath, "usage");  // one more way to be refused
    }
  });
  if (!good) return;
  const std::string text = cli::to_toml(config);
  cli::TrainConfig again;
  std::vector<cli::Asked> asked = cli::parse_config(kPath, text);
  std::erase_if(asked, [](const cli::Asked& each) { return each.key == "recipe"; });
  cli::apply_settings(asked, again);
  require(cli::to_toml(again) == text, "a configuration reads back");
}

void run_architecture(Bytes bytes) {
  constexpr std::int64_t kParameters = 1 << 16;
  const nn::Shape input = {12, 10, 3};
  std::string text;
  try {
    text = nn::architecture_of(nn::build<float>(input, text_of(bytes), kParameters));
  } catch (const std::invalid_argument&) {
    return;
  }
  const auto again = nn::build<float>(input, text, kParameters);
  require(nn::architecture_of(again) == text, "an architecture reads back");
  std::int64_t parameters = 0;
  for (const nn::Parameter<float>* each : again.parameters()) parameters += each->value.size();
  require(parameters <= 2 * kParameters, "parameters within the limit, and as many biases");
  require(again.output_shape().size() <= nn::kMaxActivation, "an output within the limit");
}

void run_augmentation(Bytes bytes) {
  nn::Augmentation options;
  try {
    options = nn::augmentation_from_text(text_of(bytes));
  } catch (const std::invalid_argument&) {
    return;
  }
  const nn::Shape image = {6, 5, 2};
  const nn::Augmenter<float> augmenter(options, image, 1, -1.0F);
  nn::Tensor<float> x(image.batch(2));
  nn::Tensor<float> y(image.batch(2));
  std::fill(x.begin(), x.end(), 0.5F);
  augmenter.apply(x.view(), y.view(), bytes.size());
  require(std::all_of(y.begin(), y.end(), [](float value) { return std::isfinite(value); }),
          "finite numbers");
}

void run_record(Bytes bytes) {
  accepted([&] { nn::parse_metrics(kPath, text_of(bytes)); });
  accepted([&] { nn::parse_config(kPath, text_of(bytes)); });
}

}  // namespace nnkernels::fuzz
