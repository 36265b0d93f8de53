#include "cli/dataset.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <sstream>
#include <system_error>
#include <tuple>
#include <utility>

#include "cli/exit_code.h"
#include "cli/json_writer.h"
#include "cli/suggest.h"
#include "nn/data/file.h"
#include "nn/data/split.h"
#include "nn/file_error.h"

namespace nnkernels::cli {

namespace fs = std::filesystem;

namespace {

constexpr const char* kFashionMnist = "/usr/share/datasets/fashion-mnist";

void require_images(const fs::path& path, const nn::Dataset& set, const std::string& which) {
  if (set.n == 0 || set.size() == 0) {
    throw nn::FileError(path.string(), "the " + which + " set has no images");
  }
}

fs::path fashion_mnist() {
  std::error_code error;
  if (fs::is_directory(kFashionMnist, error)) return kFashionMnist;
  throw nn::FileError("fashion-mnist", std::string("no folder ") + kFashionMnist +
                                           "; on Debian, `apt-get install dataset-fashion-mnist` "
                                           "makes it");
}

/// "mnist, digits, fashion-mnist"
std::string names_text() {
  std::string text;
  for (const std::string& name : data_names()) text += (text.empty() ? "" : ", ") + name;
  return text;
}

struct Place {
  std::string name;
  fs::path path;
  nn::CsvOptions reading;
};

/// Where the data set is, which exists then, and how to read it.
Place find(const DataOptions& options) {
  const nn::CsvOptions reading{.label = options.label, .image = options.image};
  const std::string& spec = options.data;
  if (spec.empty() || spec == "mnist") return {"mnist", bundled_data("mnist"), {}};
  if (spec == "digits") {
    return {spec, bundled_data("digits") / "digits.csv.gz", {.label = nn::LabelColumn::last}};
  }
  if (spec == "fashion-mnist") return {spec, fashion_mnist(), {}};
  std::error_code error;
  if (!fs::exists(spec, error)) {
    if (error) throw nn::FileError(spec, error.message());
    const std::string hint = did_you_mean(spec, data_names());
    throw nn::FileError(spec, "no such file or folder, nor one of the names " + names_text() +
                                  (hint.empty() ? "; say with --data where the data are" : hint));
  }
  const fs::path path = fs::canonical(spec);
  std::string name = path.filename().string();
  // "x.csv.gz" is x; a folder's name is its own.
  if (!fs::is_directory(path, error)) name.resize(std::min(name.size(), name.find('.', 1)));
  return {std::move(name), path, reading};
}

/// Model files and JSON hold text.
void require_text(const fs::path& path, const std::vector<std::string>& class_names) {
  for (const std::string& name : class_names) {
    const bool plain = std::none_of(name.begin(), name.end(),
                                    [](char c) { return static_cast<unsigned char>(c) < ' '; });
    if (plain && is_utf8(name)) continue;
    throw nn::FileError(path.string(), "the class name " + nn::printable(name) +
                                           " is no UTF-8 or has control characters");
  }
}

NamedData named(const Place& place, nn::LoadedData loaded, const DataOptions& options) {
  NamedData data{.name = place.name,
                 .path = fs::canonical(place.path),
                 .format = loaded.format,
                 .split = !loaded.sets.test,
                 .sets = {.train = std::move(loaded.sets.train), .test = {}}};
  if (loaded.sets.test) {
    data.sets.test = *std::move(loaded.sets.test);
  } else {
    require_images(place.path, data.sets.train, "training");
    if (data.sets.train.n < 2) {
      throw nn::FileError(place.path.string(),
                          "expected two images or more, to train on and to test on, found one");
    }
    std::tie(data.sets.train, data.sets.test) =
        nn::split(data.sets.train, options.test_share.value_or(kTestShare), options.split_seed);
    data.sets.train.name = "train";
    data.sets.test.name = "test";
  }
  require_images(place.path, data.sets.test, "test");
  require_text(place.path, data.sets.test.class_names);
  return data;
}

template <class Number>
std::string number_text(Number number) {
  std::array<char, 32> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number);
  return {buffer.data(), end.ptr};
}

/// Leaves `number` as it is if `text` is none: metadata may come from anywhere.
template <class Number>
void parse_number(const std::string& text, Number& number) {
  std::from_chars(text.data(), text.data() + text.size(), number);
}

std::string value_of(const std::map<std::string, std::string>& metadata, const std::string& key) {
  const auto found = metadata.find(key);
  return found == metadata.end() ? "" : found->second;
}

}  // namespace

const std::vector<std::string>& data_names() {
  static const std::vector<std::string> kNames = {"mnist", "digits", "fashion-mnist"};
  return kNames;
}

bool is_data_name(const std::string& spec) {
  return std::find(data_names().begin(), data_names().end(), spec) != data_names().end();
}

std::vector<fs::path> bundled_data_places(const std::string& name) {
  std::vector<fs::path> places;
  std::error_code error;
  const fs::path executable = fs::read_symlink("/proc/self/exe", error);
  if (!error) places.push_back(executable.parent_path().parent_path() / "share/nnkernels" / name);
  places.push_back(fs::path(NNKERNELS_DATA_DIR) / name);
  places.push_back(fs::path("data") / name);
  return places;
}

fs::path bundled_data(const std::string& name) {
  std::string looked_for;
  for (const fs::path& place : bundled_data_places(name)) {
    std::error_code error;
    if (fs::is_directory(place, error)) return place;
    looked_for += (looked_for.empty() ? "" : ", ") + place.string();
  }
  throw nn::FileError(
      name, "not found; looked for the folders " + looked_for + "; name yours with --data");
}

void require_use_of_reading(const DataOptions& options) {
  if (options.data.empty() && options.test_share) {
    throw UsageError("--test-share tells how to cut the data of --data; give that, too");
  }
  if (options.label == nn::LabelColumn::first && !options.image) return;
  if (options.data.empty()) {
    throw UsageError("--label and --image tell how to read the files of --data; give that, too");
  }
  if (is_data_name(options.data)) {
    throw UsageError("--label and --image tell how to read files; " + options.data +
                     " is a data set that is known by name, and needs neither");
  }
}

void require_use_of_share(const DataOptions& options, const NamedData& data) {
  if (options.test_share && !data.split) {
    throw UsageError("--test-share: " + data.path.string() + " has a test set of its own");
  }
}

NamedData load_data(const DataOptions& options) {
  const Place place = find(options);
  NamedData data = named(place, nn::load_dataset(place.path.string(), place.reading), options);
  require_images(place.path, data.sets.train, "training");
  return data;
}

NamedData load_test_data(const DataOptions& options) {
  const Place place = find(options);
  NamedData data = named(place, nn::load_test_set(place.path.string(), place.reading), options);
  data.sets.train = {};
  return data;
}

void record_data(const DataOptions& options, const NamedData& data,
                 std::map<std::string, std::string>& metadata) {
  const std::vector<std::string>& names = data.sets.train.class_names;
  if (!names.empty()) {
    std::string& text = metadata["class_names"];
    for (const std::string& name : names) text += (&name == names.data() ? "" : "\n") + name;
  }
  if (data.sets.train.full != 255) metadata["data.full"] = number_text(data.sets.train.full);
  if (options.data.empty()) return;
  metadata["data"] = is_data_name(options.data) ? options.data : data.path.string();
  if (options.label == nn::LabelColumn::last) metadata["data.label"] = "last";
  if (options.image) {
    metadata["data.image"] = number_text(options.image->h) + " " + number_text(options.image->w) +
                             " " + number_text(options.image->c);
  }
  if (data.split) {
    metadata["data.test_share"] = number_text(options.test_share.value_or(kTestShare));
    metadata["data.split_seed"] = number_text(options.split_seed);
  }
}

DataOptions recorded_data(const std::map<std::string, std::string>& metadata) {
  DataOptions options;
  options.data = value_of(metadata, "data");
  if (value_of(metadata, "data.label") == "last") options.label = nn::LabelColumn::last;
  std::istringstream image(value_of(metadata, "data.image"));
  nn::ImageShape shape;
  if (image >> shape.h >> shape.w >> shape.c) options.image = shape;
  if (metadata.contains("data.test_share")) {
    parse_number(value_of(metadata, "data.test_share"), options.test_share.emplace(kTestShare));
  }
  parse_number(value_of(metadata, "data.split_seed"), options.split_seed);
  return options;
}

std::vector<std::string> recorded_class_names(const std::map<std::string, std::string>& metadata) {
  std::vector<std::string> names;
  std::istringstream text(value_of(metadata, "class_names"));
  for (std::string name; std::getline(text, name);) names.push_back(name);
  return names;
}

double recorded_full(const std::map<std::string, std::string>& metadata) {
  double full = nn::Dataset().full;
  parse_number(value_of(metadata, "data.full"), full);
  return full > 0 && std::isfinite(full) ? full : nn::Dataset().full;
}

}  // namespace nnkernels::cli
