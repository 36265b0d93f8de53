#include <algorithm>
#include <cstdint>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "cli/dataset.h"
#include "cli/exit_code.h"
#include "cli/json_writer.h"
#include "cli/machine.h"
#include "cli/model_record.h"
#include "cli/output.h"
#include "cli/run_folder.h"
#include "nn/batch.h"
#include "nn/data/digit_image.h"
#include "nn/data/image.h"
#include "nn/data/resample.h"
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
  nn::Dataset data;
  std::vector<std::string> names;
};

/// How the pictures are brought to what a network takes.
struct Input {
  nn::Shape shape;
  bool digits = false;  // cut out and centred as MNIST's were
  double full = 255;    // what stands for full light
};

/// Throws nn::FileError if the network takes no pictures.
Input input_of(const std::string& path, const nn::Model& model) {
  const nn::Shape& shape = model.net.input_shape();
  if (shape.rank() != 3 || (shape[2] != 1 && shape[2] != 3) || shape[0] == 1 || shape[1] == 1) {
    throw nn::FileError(path, "the network takes samples of " + shape.str() +
                                  ", but pictures have height, width, and 1 or 3 channels");
  }
  const std::vector<std::string> classes = recorded_class_names(model.info.metadata);
  const auto dataset = model.info.metadata.find("dataset");
  const bool things = !classes.empty() ||
                      (dataset != model.info.metadata.end() && dataset->second == "fashion-mnist");
  return {.shape = shape,
          .digits = shape == nn::Shape{nn::kDigitSide, nn::kDigitSide, 1} && !things,
          .full = recorded_full(model.info.metadata)};
}

std::vector<std::uint8_t> read_pixels(const std::string& path, const Input& input) {
  if (input.digits) return nn::read_digit(path).pixels;
  nn::Picture picture = nn::read_picture(path);
  if (input.shape[2] == 1 && picture.c == 3) {
    nn::GreyImage grey = nn::to_grey(picture);
    picture = {.w = grey.w, .h = grey.h, .c = 1, .pixels = std::move(grey.pixels)};
  } else if (input.shape[2] == 3 && picture.c == 1) {
    picture = nn::to_colour({picture.w, picture.h, std::move(picture.pixels)});
  }
  return nn::resized(picture, input.shape[0], input.shape[1]).pixels;
}

Images read_images(const std::vector<std::filesystem::path>& paths, const Input& input) {
  Images images{.data = {.name = "images",
                         .h = input.shape[0],
                         .w = input.shape[1],
                         .c = input.shape[2],
                         .pixels = {},
                         .labels = {},
                         .classes = 1},
                .names = {}};
  for (const std::filesystem::path& path : paths) {
    try {
      for (const std::uint8_t pixel : read_pixels(path.string(), input)) {
        images.data.values.push_back(static_cast<float>(pixel * input.full / 255));
      }
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
  const nn::LossKind loss = recorded_loss(model.info.metadata).kind;
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
      const std::vector<double> p = nn::class_probabilities(logits.samples(i, 1), loss);
      prediction.probabilities.assign(p.begin(), p.end());
      prediction.predicted =
          std::max_element(prediction.probabilities.begin(), prediction.probabilities.end()) -
          prediction.probabilities.begin();
    }
  }
  return predictions;
}

/// The name of a class, or its number.
std::string name_of(std::int64_t label, const std::vector<std::string>& names) {
  const auto i = static_cast<std::size_t>(label);
  return i < names.size() ? one_line(names[i]) : std::to_string(label);
}

/// "cat 12 %, dog 3 %": the likeliest classes after the first.
std::string runners_up(const Prediction& p, const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 3;  // the first one, which is not shown here, included
  std::vector<std::int64_t> order(p.probabilities.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&p](std::int64_t a, std::int64_t b) {
    return p.probabilities[static_cast<std::size_t>(a)] >
           p.probabilities[static_cast<std::size_t>(b)];
  });
  std::string text;
  for (std::size_t i = 1; i < std::min(kShown, order.size()); ++i) {
    const float probability = p.probabilities[static_cast<std::size_t>(order[i])];
    text += (i == 1 ? "" : ", ") + name_of(order[i], names) + " " +
            percent(static_cast<double>(probability));
  }
  return text;
}

/// A row an image. With few classes, which have no names, all probabilities are columns.
std::string table(const std::vector<Prediction>& predictions,
                  const std::vector<std::string>& names) {
  constexpr std::size_t kMostColumns = 10;
  std::size_t name_width = 4;
  std::size_t class_width = 7;
  for (const Prediction& p : predictions) {
    name_width = std::max(name_width, width_of(one_line(p.file)));
    class_width = std::max(class_width, width_of(name_of(p.predicted, names)) + 2);
  }
  const std::size_t classes = predictions.front().probabilities.size();
  const bool columns = names.empty() && classes <= kMostColumns;
  std::string text = left("file", name_width) + right("class", class_width) + "  probability |";
  for (std::size_t j = 0; j < classes && columns; ++j) text += right(std::to_string(j), 4);
  text += columns ? " %\n" : " next\n";
  for (const Prediction& p : predictions) {
    const float best = p.probabilities[static_cast<std::size_t>(p.predicted)];
    text += left(one_line(p.file), name_width) + right(name_of(p.predicted, names), class_width) +
            right(percent(best), 13) + " |";
    if (!columns) text += " " + runners_up(p, names);
    for (std::size_t j = 0; j < classes && columns; ++j) {
      text += right(fixed(100 * static_cast<double>(p.probabilities[j]), 0), 4);
    }
    text += "\n";
  }
  return text;
}

std::string result_json(const PredictOptions& options, const std::vector<Prediction>& predictions,
                        const std::vector<std::string>& names) {
  JsonWriter json;
  json.begin_object().member("run", options.run.string()).key("predictions").begin_array();
  for (const Prediction& p : predictions) {
    json.begin_object()
        .member("file", p.file)
        .member("class", p.predicted)
        .member("class_name", p.predicted < static_cast<std::int64_t>(names.size())
                                  ? names[static_cast<std::size_t>(p.predicted)]
                                  : std::to_string(p.predicted))
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
  nn::Model model = load_model_of(options.run);
  model.net.freeze();
  const Images images = read_images(options.images, input_of(path, model));
  const std::vector<Prediction> predictions = classify(model, images);
  const std::vector<std::string> names = recorded_class_names(model.info.metadata);
  if (options.json) {
    print(result_json(options, predictions, names));
  } else if (!predictions.empty()) {
    print(table(predictions, names));
  }
  return images.names.size() == options.images.size() ? kSuccess : kBadFile;
}

}  // namespace nnkernels::cli
