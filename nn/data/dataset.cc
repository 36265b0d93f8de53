#include "nn/data/dataset.h"

#include <algorithm>
#include <filesystem>
#include <future>
#include <string_view>
#include <system_error>
#include <utility>

#include "nn/data/idx.h"
#include "nn/file_error.h"

namespace nnkernels::nn {
namespace {

constexpr std::int32_t kClasses = 10;

/// The path of "STEM-KIND" (or STEM.KIND, or either with .gz) in `dir`.
std::string find_file(const std::string& dir, const std::string& stem, const std::string& kind) {
  for (const std::string_view end : {"", ".gz"}) {
    for (const char separator : {'-', '.'}) {
      std::filesystem::path path = std::filesystem::path(dir) / (stem + separator + kind);
      path += end;
      std::error_code error;
      if (std::filesystem::exists(path, error)) return path.string();
    }
  }
  throw FileError(dir, "no file " + stem + "-" + kind + " (or " + stem + "-" + kind +
                           ".gz) in this folder; give the folder with MNIST's four files by "
                           "--data DIR");
}

struct HalfPaths {
  std::string images;
  std::string labels;
};

HalfPaths find_half(const std::string& dir, const std::string& stem) {
  return {find_file(dir, stem + "-images", "idx3-ubyte"),
          find_file(dir, stem + "-labels", "idx1-ubyte")};
}

void check_folder(const std::string& dir) {
  std::error_code error;
  if (std::filesystem::is_directory(dir, error)) return;
  throw FileError(dir,
                  std::filesystem::exists(dir, error)
                      ? "is a file; give the folder that holds MNIST's four files by --data DIR"
                      : "no such folder; give the one with MNIST's four files by --data DIR");
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
  const auto bad = std::find_if(labels.values.begin(), labels.values.end(),
                                [](std::uint8_t label) { return label >= kClasses; });
  if (bad != labels.values.end()) {
    throw FileError(paths.labels, 8 + (bad - labels.values.begin()),
                    "expected a label from 0 to 9, found " + std::to_string(*bad),
                    labels.gzip ? FileError::Origin::inflated : FileError::Origin::file);
  }
  return {labels.values.begin(), labels.values.end()};
}

Dataset make_half(const std::string& name, const HalfPaths& paths, Idx images, const Idx& labels) {
  return {.name = name,
          .n = images.dims[0],
          .h = images.dims[1],
          .w = images.dims[2],
          .c = 1,
          .pixels = std::move(images.values),
          .labels = checked_labels(labels, paths, images.dims[0]),
          .classes = kClasses};
}

}  // namespace

TrainTest load_mnist(const std::string& dir) {
  check_folder(dir);
  const HalfPaths train_paths = find_half(dir, "train");
  const HalfPaths test_paths = find_half(dir, "t10k");
  // The largest file first: its inflation is what all the others can hide behind.
  auto train_images = start_reading(train_paths.images, 3);
  auto test_images = start_reading(test_paths.images, 3);
  auto train_labels = start_reading(train_paths.labels, 1);
  auto test_labels = start_reading(test_paths.labels, 1);

  TrainTest both;
  both.train = make_half("train", train_paths, train_images.get(), train_labels.get());
  both.test = make_half("test", test_paths, test_images.get(), test_labels.get());
  if (both.test.h != both.train.h || both.test.w != both.train.w) {
    const auto size = [](const Dataset& data) {
      return std::to_string(data.h) + " x " + std::to_string(data.w);
    };
    throw FileError(test_paths.images, "expected images of " + size(both.train) + " as in " +
                                           train_paths.images + ", found " + size(both.test));
  }
  return both;
}

Dataset load_mnist_test(const std::string& dir) {
  check_folder(dir);
  const HalfPaths paths = find_half(dir, "t10k");
  auto images = start_reading(paths.images, 3);
  auto labels = start_reading(paths.labels, 1);
  return make_half("test", paths, images.get(), labels.get());
}

}  // namespace nnkernels::nn
