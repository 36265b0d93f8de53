// nncli data: looks at data sets and writes them in other formats.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/contact_sheet.h"
#include "cli/dataset.h"
#include "cli/exit_code.h"
#include "cli/json_writer.h"
#include "cli/output.h"
#include "cli/stop_signal.h"
#include "nn/data/image_folder.h"
#include "nn/file_error.h"

namespace nnkernels::cli {
namespace {

/// Of all numbers of a set.
struct Statistics {
  double mean = 0;
  double deviation = 0;
  double least = 0;
  double most = 0;
  double zeros = 0;  // share
};

/// From how often each value occurs: exact, in one pass.
Statistics statistics_of_bytes(const std::vector<std::uint8_t>& pixels) {
  std::array<std::int64_t, 256> counts{};
  for (const std::uint8_t pixel : pixels) ++counts[pixel];
  const auto n = static_cast<double>(pixels.size());
  Statistics result{.least = 255};
  for (std::size_t value = 0; value < counts.size(); ++value) {
    if (counts[value] == 0) continue;
    const auto v = static_cast<double>(value);
    result.mean += v * static_cast<double>(counts[value]) / n;
    result.least = std::min(result.least, v);
    result.most = v;
  }
  double square = 0;
  for (std::size_t value = 0; value < counts.size(); ++value) {
    const double distance = static_cast<double>(value) - result.mean;
    square += distance * distance * static_cast<double>(counts[value]) / n;
  }
  result.deviation = std::sqrt(square);
  result.zeros = static_cast<double>(counts[0]) / n;
  return result;
}

Statistics statistics_of_floats(const std::vector<float>& values) {
  const auto n = static_cast<double>(values.size());
  Statistics result;
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  result.least = static_cast<double>(*least);
  result.most = static_cast<double>(*most);
  double sum = 0;
  for (const float value : values) sum += static_cast<double>(value);
  result.mean = sum / n;
  double square = 0;
  for (const float value : values) {
    const double distance = static_cast<double>(value) - result.mean;
    square += distance * distance;
  }
  result.deviation = std::sqrt(square / n);
  result.zeros = static_cast<double>(std::count(values.begin(), values.end(), 0.0F)) / n;
  return result;
}

Statistics statistics_of(const nn::Dataset& data) {
  return data.values.empty() ? statistics_of_bytes(data.pixels) : statistics_of_floats(data.values);
}

std::vector<std::int64_t> class_counts(const nn::Dataset& data) {
  std::vector<std::int64_t> counts(static_cast<std::size_t>(data.classes));
  for (const std::int32_t label : data.labels) ++counts[static_cast<std::size_t>(label)];
  return counts;
}

std::string number_type(const nn::Dataset& data) {
  return data.values.empty() ? "uint8" : "float32";
}

std::string info_json(const NamedData& data) {
  const nn::Dataset& train = data.sets.train;
  const Statistics pixels = statistics_of(train);
  JsonWriter json;
  json.begin_object()
      .member("name", data.name)
      .member("path", data.path.string())
      .member("format", nn::format_name(data.format))
      .member("height", train.h)
      .member("width", train.w)
      .member("channels", train.c)
      .member("type", number_type(train))
      .member("full", train.full)
      .member("classes", train.classes)
      .member("class_names", train.class_names)
      .member("train_images", train.n)
      .member("test_images", data.sets.test.n)
      .member("test_is_a_share_of_the_file", data.split)
      .member("train_per_class", class_counts(train))
      .member("test_per_class", class_counts(data.sets.test))
      .member("mean", pixels.mean)
      .member("deviation", pixels.deviation)
      .member("least", pixels.least)
      .member("most", pixels.most)
      .member("share_of_zeros", pixels.zeros)
      .end_object();
  return json.str() + "\n";
}

std::string share(std::int64_t part, std::int64_t whole) {
  return percent(static_cast<double>(part) / static_cast<double>(whole));
}

/// A row a class: how many images there are of it, and which share of the set that is.
std::string balance_table(const nn::TrainTest& sets) {
  const std::vector<std::int64_t> train = class_counts(sets.train);
  const std::vector<std::int64_t> test = class_counts(sets.test);
  std::size_t width = 5;
  for (std::int32_t label = 0; label < sets.train.classes; ++label) {
    width = std::max(width, width_of(one_line(class_name(sets.train, label))));
  }
  std::string text = left("class", width) + right("train", 11) + right("test", 21) + "\n";
  for (std::size_t i = 0; i < train.size(); ++i) {
    const std::string name = one_line(class_name(sets.train, static_cast<std::int32_t>(i)));
    text += left(name, width) + right(grouped(train[i]), 11) +
            right(share(train[i], sets.train.n), 10) + right(grouped(test[i]), 11) +
            right(share(test[i], sets.test.n), 10) + "\n";
  }
  return text;
}

/// With as many digits as tell something.
std::string level(double number) {
  return number == std::floor(number) && std::abs(number) < 1e6 ? fixed(number, 0)
                                                                : fixed(number, 4);
}

std::string info_text(const NamedData& data, const DataOptions& options) {
  const nn::Dataset& train = data.sets.train;
  const Statistics pixels = statistics_of(train);
  std::string text = "data       " + data.name + " (" + nn::format_name(data.format) + "), " +
                     data.path.string() + "\n";
  text += "images     " + std::to_string(train.h) + " x " + std::to_string(train.w) + " x " +
          std::to_string(train.c) + " (height, width, channels), " + number_type(train) + ", " +
          std::to_string(train.classes) + " classes\n";
  text += "train      " + grouped(train.n) + "\n";
  text += "test       " + grouped(data.sets.test.n) +
          (data.split ? ", " + percent(options.test_share.value_or(kTestShare)) +
                            " of each class of the file\n"
                      : "\n");
  text += "pixels     mean " + fixed(pixels.mean, 4) + ", standard deviation " +
          fixed(pixels.deviation, 4) + ", from " + level(pixels.least) + " to " +
          level(pixels.most) + "; " + percent(pixels.zeros) + " are 0 (train)\n";
  if (train.full != 1) {
    text += "divided    by " + level(train.full) + ": mean " + fixed(pixels.mean / train.full, 4) +
            ", standard deviation " + fixed(pixels.deviation / train.full, 4) + "\n";
  }
  text += "\n" + balance_table(data.sets);
  const std::string sheet = contact_sheet(train, sheet_style());
  return sheet.empty() ? text : text + "\n" + sheet;
}

/// What a format cannot hold is a matter of what was asked for.
template <class Write>
void write_or_refuse(Write&& write) {
  try {
    write();
  } catch (const std::invalid_argument& error) {
    const std::string what = error.what();
    throw UsageError(what.substr(what.find(": ") + 2));
  }
}

std::string counts_text(const nn::TrainTest& sets) {
  return grouped(sets.train.n) + " images to train on and " + grouped(sets.test.n) + " to test on";
}

NamedData read(const DataOptions& options) {
  require_use_of_reading(options);
  NamedData data = load_data(options);
  require_use_of_share(options, data);
  return data;
}

}  // namespace

int data_info(const DataInfoOptions& options) {
  const NamedData data = read(options.data);
  print(options.json ? info_json(data) : info_text(data, options.data));
  return kSuccess;
}

int data_export(const DataExportOptions& options) {
  const NamedData data = read(options.data);
  const StopSignal stop;
  bool whole = false;
  write_or_refuse([&] {
    whole = nn::write_image_folder(data.sets, options.png.string(),
                                   [&stop] { return stop.number() != 0; });
  });
  if (!whole) return kSignalBase + stop.number();
  print("wrote " + options.png.string() + ": " + counts_text(data.sets) + "\n");
  return kSuccess;
}

int data_convert(const DataConvertOptions& options) {
  const NamedData data = read(options.data);
  std::vector<std::string> files;
  const StopSignal stop;
  write_or_refuse([&] {
    files =
        nn::save_dataset(options.out.string(), data.sets, [&stop] { return stop.number() != 0; });
  });
  if (files.empty()) return kSignalBase + stop.number();
  std::string text = "wrote";
  for (const std::string& file : files) text += (&file == files.data() ? " " : ", ") + file;
  print(text + ": " + counts_text(data.sets) + "\n");
  return kSuccess;
}

}  // namespace nnkernels::cli
