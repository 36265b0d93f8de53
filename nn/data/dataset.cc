#include "nn/data/dataset.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <future>
#include <string_view>
#include <system_error>
#include <utility>

#include "nn/data/idx.h"
#include "nn/file_error.h"

namespace nnkernels::nn {
namespace {

/// Images whose largest byte is no larger than this have that many levels.
constexpr int kFewLevels = 16;

/// The path of "STEM-KIND" (or STEM.KIND, or either with .gz) in `dir`; empty if there is none.
std::string look_for(const std::string& dir, const std::string& stem, const std::string& kind) {
  for (const std::string_view end : {"", ".gz"}) {
    for (const char separator : {'-', '.'}) {
      std::filesystem::path path = std::filesystem::path(dir) / (stem + separator + kind);
      path += end;
      std::error_code error;
      if (std::filesystem::exists(path, error)) return path.string();
    }
  }
  return {};
}

std::string find_file(const std::string& dir, const std::string& stem, const std::string& kind) {
  std::string path = look_for(dir, stem, kind);
  if (!path.empty()) return path;
  throw FileError(dir, "no file " + stem + "-" + kind + " (or " + stem + "-" + kind +
                           ".gz) in this folder; give the folder with MNIST's four files (nncli: "
                           "--data DIR)");
}

struct HalfPaths {
  std::string images;
  std::string labels;
  int rank = 3;  // of the images
};

HalfPaths find_half(const std::string& dir, const std::string& stem) {
  const std::string colour = look_for(dir, stem + "-images", "idx4-ubyte");
  return {.images = colour.empty() ? find_file(dir, stem + "-images", "idx3-ubyte") : colour,
          .labels = find_file(dir, stem + "-labels", "idx1-ubyte"),
          .rank = colour.empty() ? 3 : 4};
}

void check_folder(const std::string& dir) {
  std::error_code error;
  if (std::filesystem::is_directory(dir, error)) return;
  throw FileError(
      dir, std::filesystem::exists(dir, error)
               ? "is a file; give the folder that holds MNIST's four files (nncli: --data DIR)"
               : "no such folder; give the one with MNIST's four files (nncli: --data DIR)");
}

/// Starts reading on a thread of its own; if there is none to be had, get() reads.
std::future<Idx> start_reading(const std::string& path, int rank) {
  return std::async([path, rank] { return read_idx(path, rank); });
}

std::vector<std::int32_t> checked_labels(const Idx& labels, const HalfPaths& paths,
                                         std::int64_t images) {
  if (labels.dims[0] != images) {
    throw FileError(paths.labels, 4,
                    "expected " + std::to_string(images) + " labels, one for each image in " +
                        paths.images + ", found " + std::to_string(labels.dims[0]),
                    labels.gzip ? FileError::Origin::inflated : FileError::Origin::file);
  }
  return {labels.values.begin(), labels.values.end()};
}

Dataset make_half(const std::string& name, const HalfPaths& paths, Idx images, const Idx& labels) {
  return {.name = name,
          .n = images.dims[0],
          .h = images.dims[1],
          .w = images.dims[2],
          .c = images.dims.size() == 4 ? images.dims[3] : 1,
          .pixels = std::move(images.values),
          .labels = checked_labels(labels, paths, images.dims[0])};
}

std::int32_t classes_of(const Dataset& data) {
  const auto largest = std::max_element(data.labels.begin(), data.labels.end());
  return std::max<std::int32_t>({largest == data.labels.end() ? 0 : *largest + 1,
                                 static_cast<std::int32_t>(data.class_names.size())});
}

/// The largest byte of `data`, or some larger than kFewLevels.
std::uint8_t largest_level(const Dataset& data) {
  std::uint8_t largest = 0;
  for (const std::uint8_t pixel : data.pixels) {
    largest = std::max(largest, pixel);
    if (largest > kFewLevels) break;
  }
  return largest;
}

double full_of(int largest) { return largest > kFewLevels ? 255 : std::max(1, largest); }

}  // namespace

std::string class_name(const Dataset& data, std::int32_t label) {
  const auto i = static_cast<std::size_t>(label);
  return i < data.class_names.size() ? data.class_names[i] : std::to_string(label);
}

std::optional<ImageShape> shape_of_numbers(std::int64_t numbers,
                                           const std::optional<ImageShape>& asked) {
  if (asked) {
    // By division: the product of what somebody typed may be anything.
    const bool fits = asked->h > 0 && asked->w > 0 && asked->c > 0 && numbers % asked->h == 0 &&
                      numbers / asked->h % asked->w == 0 &&
                      numbers / asked->h / asked->w == asked->c;
    return fits ? asked : std::nullopt;
  }
  const auto side = std::llround(std::sqrt(static_cast<double>(numbers)));
  if (side * side == numbers) return ImageShape{.h = side, .w = side, .c = 1};
  return ImageShape{.h = 1, .w = numbers, .c = 1};
}

Preprocessing default_preprocessing(const Dataset& data) {
  return {.scale = 1 / data.full, .shift = 0};
}

void settle(Dataset& train, Dataset& test) {
  train.classes = test.classes = std::max(classes_of(train), classes_of(test));
  if (!train.values.empty()) return;
  train.full = test.full = full_of(std::max(largest_level(train), largest_level(test)));
}

void settle(Dataset& data) {
  data.classes = classes_of(data);
  if (data.values.empty()) data.full = full_of(largest_level(data));
}

void settle(TrainMaybeTest& sets) {
  if (sets.test) {
    settle(sets.train, *sets.test);
  } else {
    settle(sets.train);
  }
}

TrainTest load_mnist(const std::string& dir) {
  check_folder(dir);
  const HalfPaths train_paths = find_half(dir, "train");
  const HalfPaths test_paths = find_half(dir, "t10k");
  // The largest file first: its inflation is what all the others can hide behind.
  auto train_images = start_reading(train_paths.images, train_paths.rank);
  auto test_images = start_reading(test_paths.images, test_paths.rank);
  auto train_labels = start_reading(train_paths.labels, 1);
  auto test_labels = start_reading(test_paths.labels, 1);

  TrainTest both;
  both.train = make_half("train", train_paths, train_images.get(), train_labels.get());
  both.test = make_half("test", test_paths, test_images.get(), test_labels.get());
  const auto size = [](const Dataset& data) {
    return std::to_string(data.h) + " x " + std::to_string(data.w) +
           (data.c == 1 ? "" : " x " + std::to_string(data.c));
  };
  if (size(both.test) != size(both.train)) {
    throw FileError(test_paths.images, "expected images of " + size(both.train) + " as in " +
                                           train_paths.images + ", found " + size(both.test));
  }
  settle(both.train, both.test);
  return both;
}

Dataset load_mnist_test(const std::string& dir) {
  check_folder(dir);
  const HalfPaths paths = find_half(dir, "t10k");
  auto images = start_reading(paths.images, paths.rank);
  auto labels = start_reading(paths.labels, 1);
  Dataset test = make_half("test", paths, images.get(), labels.get());
  settle(test);
  return test;
}

}  // namespace nnkernels::nn
