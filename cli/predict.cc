#include <algorithm>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/json_writer.h"
#include "cli/machine.h"
#include "cli/output.h"
#include "cli/run_folder.h"
#include "kernels/softmax.h"
#include "nn/batch.h"
#include "nn/data/digit_image.h"
#include "nn/file_error.h"

namespace nnkernels::cli {
namespace {

struct Prediction {
  std::string file;
  std::int64_t predicted = 0;
  std::vector<float> probabilities;
};

/// The images that can be read, as a data set (all labels 0), and their names; the others are
/// reported.
struct Images {
  nn::Dataset data{.name = "images",
                   .n = 0,
                   .h = nn::kDigitSide,
                   .w = nn::kDigitSide,
                   .c = 1,
                   .pixels = {},
                   .labels = {},
                   .classes = 1};
  std::vector<std::string> names;
};

Images read_images(const std::vector<std::filesystem::path>& paths) {
  Images images;
  for (const std::filesystem::path& path : paths) {
    try {
      const nn::GreyImage digit = nn::read_digit(path.string());
      images.data.pixels.insert(images.data.pixels.end(), digit.pixels.begin(), digit.pixels.end());
      images.data.labels.push_back(0);
      images.names.push_back(path.string());
      ++images.data.n;
    } catch (const nn::FileError& error) {
      report("nncli: " + one_line(error.what()));
    }
  }
  return images;
}

std::vector<Prediction> classify(nn::Model& model, const Images& images) {
  constexpr std::int64_t kBatch = 100;
  const nn::Shape image = nn::sample_shape(images.data);
  std::vector<std::int64_t> all(images.names.size());
  std::iota(all.begin(), all.end(), 0);
  std::vector<Prediction> predictions;
  for (std::int64_t first = 0; first < images.data.n; first += kBatch) {
    const std::int64_t n = std::min(kBatch, images.data.n - first);
    nn::Tensor<float> x(image.batch(n));
    std::vector<std::int32_t> labels(static_cast<std::size_t>(n));
    nn::gather_batch<float>(
        images.data, model.info.preprocessing,
        std::span(all).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(n)),
        x.view(), labels);
    const nn::TensorView<const float> logits =
        model.net.forward(nn::TensorView<const float>(x.view()));
    for (std::int64_t i = 0; i < n; ++i) {
      Prediction& prediction = predictions.emplace_back();
      prediction.file = images.names[static_cast<std::size_t>(first + i)];
      prediction.probabilities.resize(static_cast<std::size_t>(model.info.classes));
      softmax_forward<float>(1, model.info.classes, logits.samples(i, 1).data,
                             prediction.probabilities.data());
      prediction.predicted =
          std::max_element(prediction.probabilities.begin(), prediction.probabilities.end()) -
          prediction.probabilities.begin();
    }
  }
  return predictions;
}

std::string table(const std::vector<Prediction>& predictions) {
  std::size_t name_width = 4;
  for (const Prediction& p : predictions) name_width = std::max(name_width, p.file.size());
  const std::size_t classes = predictions.front().probabilities.size();
  std::string text = left("file", name_width) + "  class  probability |";
  for (std::size_t j = 0; j < classes; ++j) text += right(std::to_string(j), 4);
  text += " %\n";
  for (const Prediction& p : predictions) {
    const float best = p.probabilities[static_cast<std::size_t>(p.predicted)];
    text += left(one_line(p.file), name_width) + right(std::to_string(p.predicted), 7) +
            right(percent(best), 13) + " |";
    for (const float probability : p.probabilities) {
      text += right(fixed(100 * static_cast<double>(probability), 0), 4);
    }
    text += "\n";
  }
  return text;
}

std::string result_json(const PredictOptions& options, const std::vector<Prediction>& predictions) {
  JsonWriter json;
  json.begin_object().member("run", options.run.string()).key("predictions").begin_array();
  for (const Prediction& p : predictions) {
    json.begin_object()
        .member("file", p.file)
        .member("class", p.predicted)
        .member("probability", p.probabilities[static_cast<std::size_t>(p.predicted)])
        .member("probabilities", p.probabilities)
        .end_object();
  }
  json.end_array().end_object();
  return json.str() + "\n";
}

}  // namespace

int predict(const PredictOptions& options) {
  use_machine(options.machine);
  const std::string path = model_file_of(options.run).string();
  nn::Model model = nn::load_model(path);
  const nn::Shape image = {nn::kDigitSide, nn::kDigitSide, 1};
  if (!(model.net.input_shape() == image)) {
    throw nn::FileError(path, "the network takes images of " + model.net.input_shape().str() +
                                  ", but pictures are brought to " + image.str());
  }
  const Images images = read_images(options.images);
  const std::vector<Prediction> predictions = classify(model, images);
  if (options.json) {
    print(result_json(options, predictions));
  } else if (!predictions.empty()) {
    print(table(predictions));
  }
  return images.names.size() == options.images.size() ? kSuccess : kBadFile;
}

}  // namespace nnkernels::cli
