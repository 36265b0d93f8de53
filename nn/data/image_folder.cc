#include "nn/data/image_folder.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <map>
#include <set>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>

#include "kernels/parallel.h"
#include "nn/data/byte_source.h"
#include "nn/data/file.h"
#include "nn/data/image.h"
#include "nn/data/new_folder.h"
#include "nn/file_error.h"

namespace nnkernels::nn {

namespace fs = std::filesystem;

namespace {

/// What reading or writing a small image takes, roughly.
constexpr double kImageMicroseconds = 50;
/// Images that are read before memory for more is taken.
constexpr std::int64_t kBlock = 1024;

/// What is in a folder, hidden names aside, in no order.
std::vector<fs::directory_entry> entries_of(const fs::path& folder) {
  std::vector<fs::directory_entry> entries;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (!it->path().filename().string().starts_with('.')) entries.push_back(*it);
  }
  if (error) throw FileError(folder.string(), error.message());
  return entries;
}

struct File {
  std::string name;
  std::string class_name;
  fs::path path;
};

/// The images of the folders of `half`, ordered; adds their classes to `classes`, empty ones, too.
std::vector<File> list_files(const fs::path& half, std::set<std::string>& classes) {
  std::vector<File> files;
  for (const fs::directory_entry& folder : entries_of(half)) {
    const std::string name = folder.path().filename().string();
    if (!folder.is_directory()) {
      throw FileError(folder.path().string(), "expected folders only, one a class, found a file");
    }
    if (std::any_of(name.begin(), name.end(),
                    [](char c) { return static_cast<unsigned char>(c) < ' '; })) {
      throw FileError(half.string(),
                      "the class name " + printable(name) + " has control characters");
    }
    classes.insert(name);
    for (const fs::directory_entry& file : entries_of(folder.path())) {
      if (!is_image_name(file.path().string())) {
        throw FileError(file.path().string(),
                        "expected images only (.png, .pgm, .ppm), found something else");
      }
      files.push_back({file.path().filename().string(), name, file.path()});
    }
  }
  if (files.empty()) throw FileError(half.string(), "expected CLASS/*.png, found no image");
  std::sort(files.begin(), files.end(), [](const File& a, const File& b) {
    return std::tie(a.name, a.class_name) < std::tie(b.name, b.class_name);
  });
  return files;
}

/// The label that a folder's name is, or -1.
std::int32_t number_of(const std::string& name) {
  std::int32_t number = -1;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  const bool whole = error == std::errc() && end == name.data() + name.size();
  return whole && number < kMaxClasses && name == std::to_string(number) ? number : -1;
}

/// The label of each class; class_names if the names are no labels themselves.
std::map<std::string, std::int32_t> label_classes(const std::string& dir,
                                                  const std::set<std::string>& classes,
                                                  std::vector<std::string>& class_names) {
  if (classes.size() > static_cast<std::size_t>(kMaxClasses)) {
    throw FileError(dir, "expected at most " + std::to_string(kMaxClasses) + " classes, found " +
                             std::to_string(classes.size()) + " folders");
  }
  const bool numbers = std::all_of(classes.begin(), classes.end(),
                                   [](const std::string& name) { return number_of(name) >= 0; });
  std::map<std::string, std::int32_t> labels;
  for (const std::string& name : classes) {
    labels[name] = numbers ? number_of(name) : static_cast<std::int32_t>(labels.size());
  }
  if (!numbers) class_names.assign(classes.begin(), classes.end());
  return labels;
}

std::string size_text(std::int64_t h, std::int64_t w, std::int64_t c) {
  return std::to_string(h) + " x " + std::to_string(w) + (c == 1 ? ", grey" : ", in colour");
}

/// Reads the images, which must be like those of `first`, the data set's first image.
Dataset read_files(const std::string& name, const std::vector<File>& files,
                   const std::map<std::string, std::int32_t>& labels, const fs::path& first_path,
                   const Picture& first) {
  Dataset data{.name = name,
               .n = static_cast<std::int64_t>(files.size()),
               .h = first.h,
               .w = first.w,
               .c = first.c,
               .pixels = {},
               .labels = {}};
  const auto size = static_cast<std::int64_t>(first.pixels.size());
  if (data.n > kMaxDataBytes / size) {
    throw FileError(first_path.string(), std::to_string(data.n) +
                                             " images of this size take more "
                                             "than the limit of " +
                                             std::to_string(kMaxDataBytes) + " bytes");
  }
  data.labels.reserve(files.size());
  for (const File& file : files) data.labels.push_back(labels.at(file.class_name));
  for (std::int64_t begin = 0; begin < data.n; begin += kBlock) {
    const std::int64_t count = std::min(kBlock, data.n - begin);
    data.pixels.resize(static_cast<std::size_t>((begin + count) * size));
    parallel_for(
        count, kImageMicroseconds * static_cast<double>(count), [&](std::int64_t i, int /*slot*/) {
          const std::string path = files[static_cast<std::size_t>(begin + i)].path.string();
          const Picture picture = read_picture(path);
          if (picture.h != first.h || picture.w != first.w || picture.c != first.c) {
            throw FileError(path, "expected an image of " + size_text(first.h, first.w, first.c) +
                                      " like " + first_path.string() + ", found " +
                                      size_text(picture.h, picture.w, picture.c));
          }
          std::copy(picture.pixels.begin(), picture.pixels.end(),
                    data.pixels.begin() + (begin + i) * size);
        });
  }
  return data;
}

std::string file_name(std::int64_t number) {
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), "%05lld.png", static_cast<long long>(number));
  return text.data();
}

void check_names(const Dataset& data) {
  for (std::int32_t label = 0; label < data.classes; ++label) {
    const std::string name = class_name(data, label);
    if (name.empty() || name.starts_with('.') || name.find('/') != std::string::npos ||
        name.find('\0') != std::string::npos) {
      throw std::invalid_argument("write_image_folder: a folder cannot be named after the class " +
                                  printable(name));
    }
  }
}

void check_writable(const Dataset& data) {
  if (!data.values.empty()) {
    throw std::invalid_argument(
        "write_image_folder: PNG holds bytes, and the data set is of floats");
  }
  if (data.c != 1 && data.c != 3) {
    throw std::invalid_argument("write_image_folder: expected 1 or 3 channels, got " +
                                std::to_string(data.c));
  }
  check_names(data);
}

void write_files(const Dataset& data, const fs::path& half, const std::function<bool()>& stop) {
  for (std::int32_t label = 0; label < data.classes; ++label) {
    fs::create_directories(half / class_name(data, label));
  }
  std::array<std::uint8_t, 256> level;
  for (std::size_t i = 0; i < level.size(); ++i) {
    const double scaled = std::min(255.0, 255 * static_cast<double>(i) / data.full);
    level[i] = static_cast<std::uint8_t>(std::lround(scaled));
  }
  const std::int64_t size = data.h * data.w * data.c;
  parallel_for(data.n, kImageMicroseconds * static_cast<double>(data.n), [&](std::int64_t i, int) {
    if (stop && stop()) return;
    const auto begin = data.pixels.begin() + i * size;
    std::vector<std::uint8_t> pixels(static_cast<std::size_t>(size));
    std::transform(begin, begin + size, pixels.begin(), [&](std::uint8_t v) { return level[v]; });
    const std::int32_t label = data.labels[static_cast<std::size_t>(i)];
    write_new_file((half / class_name(data, label) / file_name(i)).string(),
                   png_file(data.h, data.w, data.c, pixels));
  });
}

}  // namespace

TrainMaybeTest read_image_folder(const std::string& dir) {
  const fs::path path(dir);
  std::error_code error;
  const bool halves = fs::is_directory(path / "train", error);
  const bool has_test = halves && fs::is_directory(path / "test", error);
  std::set<std::string> classes;
  const std::vector<File> train = list_files(halves ? path / "train" : path, classes);
  std::vector<File> test;
  if (has_test) test = list_files(path / "test", classes);
  std::vector<std::string> class_names;
  const std::map<std::string, std::int32_t> labels = label_classes(dir, classes, class_names);

  const fs::path& first_path = train.front().path;
  const Picture first = read_picture(first_path.string());
  TrainMaybeTest sets{.train = read_files("train", train, labels, first_path, first), .test = {}};
  sets.train.class_names = class_names;
  if (has_test) {
    sets.test = read_files("test", test, labels, first_path, first);
    sets.test->class_names = class_names;
  }
  settle(sets);
  return sets;
}

bool is_image_name(const std::string& path) {
  std::string end = fs::path(path).extension().string();
  std::transform(end.begin(), end.end(), end.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return end == ".png" || end == ".pgm" || end == ".ppm";
}

bool is_image_folder(const std::string& dir) {
  std::error_code error;
  for (fs::directory_iterator it(dir, error), end; !error && it != end; it.increment(error)) {
    if (!it->is_directory(error)) continue;
    const std::string name = it->path().filename().string();
    std::error_code ignored;
    for (const fs::directory_entry& entry : fs::directory_iterator(it->path(), ignored)) {
      const bool half = name == "train" || name == "test";
      if (half ? entry.is_directory(ignored) : is_image_name(entry.path().string())) return true;
    }
  }
  return false;
}

bool write_image_folder(const TrainTest& sets, const std::string& dir,
                        const std::function<bool()>& stop) {
  check_writable(sets.train);
  if (sets.test.n != 0) check_writable(sets.test);
  struct Stopped {};
  try {
    write_new_folder(dir, [&](const fs::path& half) {
      write_files(sets.train, half / "train", stop);
      if (sets.test.n != 0) write_files(sets.test, half / "test", stop);
      if (stop && stop()) throw Stopped{};
    });
    return true;
  } catch (const Stopped&) {
    return false;
  }
}

}  // namespace nnkernels::nn
