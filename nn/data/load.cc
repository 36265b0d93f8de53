#include "nn/data/load.h"

#include <algorithm>
#include <filesystem>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>

#include "nn/data/bytes.h"
#include "nn/data/deflate.h"
#include "nn/data/file.h"
#include "nn/data/idx.h"
#include "nn/data/image_folder.h"
#include "nn/data/new_folder.h"
#include "nn/data/npz.h"
#include "nn/file_error.h"

namespace nnkernels::nn {

namespace fs = std::filesystem;

namespace {

/// `path` with the last "train" of its file name replaced by "test"; empty if there is none.
std::string test_name(const fs::path& path) {
  constexpr std::string_view kTrain = "train";
  std::string name = path.filename().string();
  const std::size_t at = name.rfind(kTrain);
  if (at == std::string::npos) return {};
  name.replace(at, kTrain.size(), "test");
  return (path.parent_path() / name).string();
}

bool is_csv_name(std::string_view name) {
  return name.ends_with(".csv") || name.ends_with(".csv.gz");
}

std::string shape_text(const Dataset& data) {
  return std::to_string(data.h) + "x" + std::to_string(data.w) + "x" + std::to_string(data.c);
}

/// All files *train.csv and *train.csv.gz in a folder.
std::vector<std::string> csv_files(const std::string& dir) {
  std::vector<std::string> files;
  std::error_code error;
  for (fs::directory_iterator it(dir, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name.ends_with("train.csv") || name.ends_with("train.csv.gz")) {
      files.push_back(it->path().string());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

bool holds_idx(const std::string& dir) {
  std::error_code error;
  for (fs::directory_iterator it(dir, error), end; !error && it != end; it.increment(error)) {
    if (it->path().filename().string().find("idx1-ubyte") != std::string::npos) return true;
  }
  return false;
}

/// A column of one and the same number is no label: it is the first pixel, a corner, as a rule.
void require_two_labels(const std::string& path, const Dataset& data, LabelColumn where) {
  const bool all_equal = std::all_of(data.labels.begin(), data.labels.end(),
                                     [&](std::int32_t label) { return label == data.labels[0]; });
  if (!all_equal || data.n < 2) return;
  const std::string column = where == LabelColumn::first ? "first" : "last";
  const std::string other = where == LabelColumn::first ? "last" : "first";
  throw FileError(path, "all labels, in the " + column + " column, are " +
                            std::to_string(data.labels[0]) + "; if they are in the " + other +
                            " column, CsvOptions::label must say so, in nncli --label " + other);
}

TrainMaybeTest load_csv(const std::string& path, const CsvOptions& options) {
  TrainMaybeTest sets{.train = read_csv(path, options), .test = {}};
  sets.train.name = "train";
  require_two_labels(path, sets.train, options.label);
  const std::string test_path = test_name(path);
  std::error_code error;
  if (!test_path.empty() && fs::exists(test_path, error)) {
    sets.test = read_csv(test_path, options);
    sets.test->name = "test";
    if (shape_text(*sets.test) != shape_text(sets.train)) {
      throw FileError(test_path, "expected images of " + shape_text(sets.train) + " as in " + path +
                                     ", found " + shape_text(*sets.test));
    }
  }
  settle(sets);
  return sets;
}

LoadedData load_folder(const std::string& path, const CsvOptions& options, bool test_only) {
  // IDX first: a folder that has one of the four files shall have all of them.
  if (holds_idx(path)) {
    if (test_only) {
      return {.format = DataFormat::idx, .sets = {.train = {}, .test = load_mnist_test(path)}};
    }
    TrainTest both = load_mnist(path);
    return {.format = DataFormat::idx,
            .sets = {.train = std::move(both.train), .test = std::move(both.test)}};
  }
  const std::vector<std::string> csv = csv_files(path);
  if (csv.size() > 1) {
    throw FileError(path, "holds " + fs::path(csv[0]).filename().string() + " and " +
                              fs::path(csv[1]).filename().string() + "; give one of them");
  }
  if (csv.size() == 1) return {.format = DataFormat::csv, .sets = load_csv(csv[0], options)};
  if (is_npy_folder(path)) {
    return {.format = DataFormat::npy, .sets = read_npy_folder(path, options.image)};
  }
  if (is_image_folder(path)) {
    return {.format = DataFormat::images, .sets = read_image_folder(path)};
  }
  throw FileError(path,
                  "no data set in this folder: expected MNIST's four IDX files, *train.csv, "
                  "x_train.npy, or folders of images, CLASS/*.png or train/CLASS/*.png");
}

LoadedData load(const std::string& path, const CsvOptions& options, bool test_only) {
  std::error_code error;
  if (fs::is_directory(path, error)) return load_folder(path, options, test_only);
  if (!fs::exists(path, error)) throw FileError(path, "no such file or folder");
  const std::string name = fs::path(path).filename().string();
  if (name.find("-ubyte") != std::string::npos) {
    throw FileError(path, "is one file of a data set in IDX; give the folder that holds its four");
  }
  if (name.ends_with(".npy")) {
    throw FileError(path,
                    "is one array; give the folder that holds x_train.npy, y_train.npy, x_test.npy "
                    "and y_test.npy, or an .npz of these");
  }
  if (is_image_name(name)) {
    throw FileError(path,
                    "is one image; a data set is a folder of images, CLASS/*.png or "
                    "train/CLASS/*.png and test/CLASS/*.png");
  }
  LoadedData data{.format = name.ends_with(".npz") ? DataFormat::npz : DataFormat::csv, .sets = {}};
  data.sets =
      data.format == DataFormat::npz ? read_npz(path, options.image) : load_csv(path, options);
  return data;
}

void require_bytes(const std::string& path, const TrainTest& sets) {
  if (sets.train.values.empty() && sets.test.values.empty()) return;
  throw std::invalid_argument("save_dataset: " + path +
                              ": this format holds bytes, but the data set has other numbers; "
                              "NPZ holds them");
}

/// Called now and then while files are written; throws Stopped when they are to be given up.
using Pause = std::function<void()>;
struct Stopped {};

std::vector<std::string> save_csv(const std::string& path, const TrainTest& sets,
                                  const Pause& pause) {
  require_bytes(path, sets);
  const bool gzip = path.ends_with(".gz");
  std::string train_path = path;
  if (test_name(path).empty()) {
    train_path.insert(path.size() - std::string_view(gzip ? ".csv.gz" : ".csv").size(), "_train");
  }
  // Both names must be free even if there is no test set: what is there would become it.
  std::vector<std::string> files = {train_path, test_name(train_path)};
  write_new_files(files, [&](const fs::path& folder) {
    const auto save = [&](const std::string& file, const Dataset& data) {
      const std::string to = (folder / fs::path(file).filename()).string();
      const std::string text = csv_text(data);
      pause();
      if (gzip) {
        write_file_atomically(to, deflated(bytes_of(text), Wrapping::gzip, pause));
      } else {
        write_file_atomically(to, text);
      }
      pause();
    };
    save(files[0], sets.train);
    if (sets.test.n != 0) save(files[1], sets.test);
  });
  if (sets.test.n == 0) files.pop_back();
  return files;
}

std::vector<std::string> save_npz(const std::string& path, const TrainTest& sets,
                                  const Pause& pause) {
  write_new_files({path}, [&](const fs::path& folder) {
    write_file_atomically((folder / fs::path(path).filename()).string(), npz_file(sets, pause));
    pause();
  });
  return {path};
}

std::vector<std::string> save_idx(const std::string& path, const TrainTest& sets,
                                  const Pause& pause) {
  require_bytes(path, sets);
  if (sets.train.classes > 256 || sets.test.n == 0) {
    throw std::invalid_argument("save_dataset: " + path +
                                ": IDX needs at most 256 classes and a "
                                "test set, got " +
                                std::to_string(sets.train.classes) + " and " +
                                std::to_string(sets.test.n) + " images to test on");
  }
  std::vector<std::string> files;
  write_new_folder(path, [&](const fs::path& folder) {
    const auto save = [&](const std::string& name, const std::vector<std::int64_t>& dims,
                          std::span<const std::uint8_t> values) {
      files.push_back((fs::path(path) / (name + ".gz")).string());
      write_file_atomically((folder / (name + ".gz")).string(),
                            deflated(idx_file(dims, values), Wrapping::gzip, pause));
    };
    for (const auto& [stem, data] :
         {std::pair("train", &sets.train), std::pair("t10k", &sets.test)}) {
      const bool colour = data->c != 1;
      std::vector<std::int64_t> dims = {data->n, data->h, data->w};
      if (colour) dims.push_back(data->c);
      const std::vector<std::uint8_t> labels(data->labels.begin(), data->labels.end());
      save(std::string(stem) + "-images-idx" + (colour ? "4" : "3") + "-ubyte", dims, data->pixels);
      save(std::string(stem) + "-labels-idx1-ubyte", {data->n}, labels);
    }
    pause();
  });
  return files;
}

std::vector<std::string> save(const std::string& path, const TrainTest& sets, const Pause& pause) {
  const std::string name = fs::path(path).filename().string();
  if (is_csv_name(name)) return save_csv(path, sets, pause);
  if (name.ends_with(".npz")) return save_npz(path, sets, pause);
  if (fs::path(name).has_extension()) {
    throw std::invalid_argument("save_dataset: " + path +
                                ": expected a name that ends in .npz, .csv or .csv.gz, or a "
                                "folder's without an end");
  }
  return save_idx(path, sets, pause);
}

}  // namespace

std::string format_name(DataFormat format) {
  switch (format) {
    case DataFormat::idx:
      return "IDX";
    case DataFormat::csv:
      return "CSV";
    case DataFormat::npz:
      return "NPZ";
    case DataFormat::npy:
      return "NPY";
    default:
      return "folder of images";
  }
}

LoadedData load_dataset(const std::string& path, const CsvOptions& options) {
  return load(path, options, false);
}

LoadedData load_test_set(const std::string& path, const CsvOptions& options) {
  LoadedData data = load(path, options, true);
  if (data.sets.test) data.sets.train = {};
  return data;
}

std::vector<std::string> save_dataset(const std::string& path, const TrainTest& sets,
                                      const std::function<bool()>& stop) {
  try {
    return save(path, sets, [&stop] {
      if (stop && stop()) throw Stopped{};
    });
  } catch (const Stopped&) {
    return {};
  }
}

}  // namespace nnkernels::nn
