#include "nn/data/npz.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "kernels/aligned_buffer.h"
#include "nn/data/byte_source.h"
#include "nn/data/bytes.h"
#include "nn/data/file.h"
#include "nn/data/npy.h"
#include "nn/data/zip.h"
#include "nn/file_error.h"

namespace nnkernels::nn {

namespace fs = std::filesystem;

namespace {

/// An array of an archive and its name there.
struct Named {
  std::string path;
  std::string name;
  NpyArray array;

  [[noreturn]] void fail(const std::string& problem) const {
    throw FileError(path, name + ": " + problem);
  }
};

/// Where arrays are: the files NAME.npy of an archive or of a folder.
class Arrays {
 public:
  virtual ~Arrays() = default;
  virtual const std::string& path() const = 0;
  virtual bool has(const std::string& name) const = 0;
  /// The array of a name that is there.
  virtual NpyArray read(const std::string& name) const = 0;
  /// The names of all files, for messages.
  virtual std::vector<std::string> files() const = 0;
};

class ArchiveArrays final : public Arrays {
 public:
  explicit ArchiveArrays(const ZipArchive& archive) : archive_(archive) {}

  const std::string& path() const override { return archive_.path(); }
  bool has(const std::string& name) const override {
    return archive_.find(name + ".npy") != nullptr;
  }
  NpyArray read(const std::string& name) const override {
    return read_npy(archive_, *archive_.find(name + ".npy"));
  }
  std::vector<std::string> files() const override {
    std::vector<std::string> names;
    for (const ZipEntry& entry : archive_.entries()) names.push_back(entry.name);
    return names;
  }

 private:
  const ZipArchive& archive_;
};

class FolderArrays final : public Arrays {
 public:
  explicit FolderArrays(std::string dir) : dir_(std::move(dir)) {}

  const std::string& path() const override { return dir_; }
  bool has(const std::string& name) const override {
    std::error_code error;
    return fs::exists(file(name), error);
  }
  NpyArray read(const std::string& name) const override { return read_npy(file(name)); }
  std::vector<std::string> files() const override {
    std::vector<std::string> names;
    std::error_code error;
    for (fs::directory_iterator it(dir_, error), end; !error && it != end; it.increment(error)) {
      const std::string name = it->path().filename().string();
      if (name.ends_with(".npy")) names.push_back(name);
    }
    std::sort(names.begin(), names.end());
    return names;
  }

 private:
  std::string file(const std::string& name) const {
    return (fs::path(dir_) / (name + ".npy")).string();
  }

  std::string dir_;
};

Named read_array(const Arrays& arrays, const std::string& name) {
  if (arrays.has(name)) return {arrays.path(), name, arrays.read(name)};
  std::string found;
  for (const std::string& file : arrays.files()) {
    found += (found.empty() ? "" : ", ") + printable(file);
  }
  throw FileError(arrays.path(), "no array " + name +
                                     "; expected x_train, y_train, x_test and y_test, or x and y, "
                                     "found " +
                                     (found.empty() ? "nothing" : found));
}

Named read_numbers(const Arrays& arrays, const std::string& name) {
  Named result = read_array(arrays, name);
  if (result.array.kind == 'S') result.fail("expected numbers, found text");
  return result;
}

std::string shape_text(const ImageShape& shape) {
  return std::to_string(shape.h) + "x" + std::to_string(shape.w) + "x" + std::to_string(shape.c);
}

/// n and the shape of an image, of an array of images.
void set_shape(const Named& x, const std::optional<ImageShape>& asked, Dataset& data) {
  const std::vector<std::int64_t>& dims = x.array.shape;
  if (dims.size() < 2 || dims.size() > 4 || x.array.size() == 0) {
    x.fail("expected images of shape (n, numbers), (n, h, w) or (n, h, w, c), found " +
           x.array.shape_text());
  }
  const std::int64_t numbers = x.array.size() / dims[0];
  ImageShape shape{
      .h = dims[1], .w = dims.size() > 2 ? dims[2] : 1, .c = dims.size() > 3 ? dims[3] : 1};
  if (asked || dims.size() == 2) {
    const std::optional<ImageShape> fitting = shape_of_numbers(numbers, asked);
    if (!fitting) {
      x.fail("expected images of " + shape_text(*asked) + ", found " + x.array.shape_text());
    }
    shape = *fitting;
  }
  data.n = dims[0];
  data.h = shape.h;
  data.w = shape.w;
  data.c = shape.c;
}

/// Whether bytes can hold all numbers of an array: as they are, or multiplied by 255.
struct Fit {
  bool whole = true;
  bool unit = true;
};

Fit fit_of(const Named& x) {
  if (x.array.kind == 'b' || (x.array.kind == 'u' && x.array.item == 1)) return {.unit = false};
  // Twice the rounding error of a float32, relative to it: nothing but 0 counts as 0.
  constexpr double kRounding = 255 * 0x1p-23;
  return visit_numbers(x.array, [&x](auto at) {
    Fit fit;
    for (std::int64_t i = 0; i < x.array.size(); ++i) {
      const auto v = static_cast<double>(at(i));
      // Also what is finite as a double, but not as the float that it would become.
      if (!(std::abs(v) <= std::numeric_limits<float>::max())) {
        x.fail("element " + std::to_string(i) + " is no finite number, or too large for float32");
      }
      fit.whole &= v >= 0 && v <= 255 && v == std::floor(v);
      fit.unit &=
          v >= 0 && v <= 1 && std::abs(v * 255 - std::floor(v * 255 + 0.5)) <= kRounding * v;
    }
    return fit;
  });
}

void take_numbers(Named& x, const Fit& fit, Dataset& data) {
  const auto size = static_cast<std::size_t>(x.array.size());
  if (x.array.item == 1 && fit.whole) {
    data.pixels = std::move(x.array.bytes);
    return;
  }
  const auto fill = [&x](auto& to, std::size_t count, auto convert) {
    to.reserve(count);
    use_huge_pages(to.data(), count * sizeof(to[0]));
    visit_numbers(x.array, [&](auto at) {
      for (std::size_t i = 0; i < count; ++i) {
        to.push_back(convert(static_cast<double>(at(static_cast<std::int64_t>(i)))));
      }
    });
  };
  if (fit.whole) {
    fill(data.pixels, size, [](double v) { return static_cast<std::uint8_t>(v); });
  } else if (fit.unit) {
    fill(data.pixels, size,
         [](double v) { return static_cast<std::uint8_t>(std::lround(v * 255)); });
  } else {
    fill(data.values, size, [](double v) { return static_cast<float>(v); });
    data.full = 1;
  }
  x.array.bytes = {};
}

/// The class of row i of an array of one-hot rows; fails if it is none.
std::int32_t hot(const Named& y, std::int64_t i, std::int64_t classes, auto at) {
  std::int32_t label = -1;
  for (std::int64_t j = 0; j < classes; ++j) {
    const auto v = static_cast<double>(at(i * classes + j));
    if (v == 0) continue;
    if (v != 1 || label >= 0) label = kMaxClasses;
    if (label < 0) label = static_cast<std::int32_t>(j);
  }
  if (label < 0 || label >= kMaxClasses) {
    y.fail("row " + std::to_string(i) + ": expected a single one among zeros (one-hot)");
  }
  return label;
}

std::int32_t checked_label(const Named& y, std::int64_t i, double v) {
  if (v >= 0 && v < kMaxClasses && v == std::floor(v)) return static_cast<std::int32_t>(v);
  y.fail("element " + std::to_string(i) + ": expected a label, a whole number from 0 to " +
         std::to_string(kMaxClasses - 1));
}

void take_labels(const Named& y, const Named& x, Dataset& data) {
  const std::vector<std::int64_t>& dims = y.array.shape;
  if (dims.empty() || dims.size() > 2 || y.array.size() == 0 || dims[0] != data.n) {
    y.fail("expected " + std::to_string(data.n) + " labels, one for each image in " + x.name +
           ", found an array of shape " + y.array.shape_text());
  }
  const std::int64_t columns = y.array.size() / dims[0];
  data.labels.reserve(static_cast<std::size_t>(data.n));
  visit_numbers(y.array, [&](auto at) {
    for (std::int64_t i = 0; i < data.n; ++i) {
      data.labels.push_back(columns > 1 ? hot(y, i, columns, at)
                                        : checked_label(y, i, static_cast<double>(at(i))));
    }
  });
}

Dataset with_labels(const Arrays& arrays, const std::string& labels, const Named& x,
                    const std::string& name, const std::optional<ImageShape>& image) {
  Dataset data{.name = name, .pixels = {}, .labels = {}};
  set_shape(x, image, data);
  take_labels(read_numbers(arrays, labels), x, data);
  return data;
}

std::vector<std::string> read_class_names(const Arrays& arrays) {
  std::vector<std::string> names;
  if (!arrays.has("class_names")) return names;
  const Named text = read_array(arrays, "class_names");
  if (text.array.kind != 'S' || text.array.shape.size() != 1 || text.array.size() > kMaxClasses) {
    text.fail("expected at most " + std::to_string(kMaxClasses) + " byte strings");
  }
  names.reserve(static_cast<std::size_t>(text.array.size()));
  for (std::int64_t i = 0; i < text.array.size(); ++i) {
    const auto* const begin =
        reinterpret_cast<const char*>(text.array.bytes.data()) + i * text.array.item;
    // NumPy fills up with zero bytes.
    names.emplace_back(begin, std::find(begin, begin + text.array.item, '\0'));
  }
  return names;
}

/// What read_npz() makes of the arrays.
TrainMaybeTest data_set(const Arrays& arrays, const std::optional<ImageShape>& image) {
  const bool plain = !arrays.has("x_train") && arrays.has("x");
  Named x = read_numbers(arrays, plain ? "x" : "x_train");
  TrainMaybeTest both{.train = with_labels(arrays, plain ? "y" : "y_train", x, "train", image),
                      .test = {}};
  Fit fit = fit_of(x);
  std::optional<Named> x_test;
  if (!plain && (arrays.has("x_test") || arrays.has("y_test"))) {
    x_test = read_numbers(arrays, "x_test");
    both.test = with_labels(arrays, "y_test", *x_test, "test", image);
    const Dataset& test = *both.test;
    if (test.h != both.train.h || test.w != both.train.w || test.c != both.train.c) {
      x_test->fail("expected images of " + x.array.shape_text() + " as in " + x.name + ", found " +
                   x_test->array.shape_text());
    }
    // One network reads both, so both are of one kind.
    const Fit fit_test = fit_of(*x_test);
    fit = {.whole = fit.whole && fit_test.whole, .unit = fit.unit && fit_test.unit};
    take_numbers(*x_test, fit, *both.test);
  }
  take_numbers(x, fit, both.train);
  both.train.class_names = read_class_names(arrays);
  if (both.test) both.test->class_names = both.train.class_names;
  settle(both);
  const std::size_t names = both.train.class_names.size();
  if (names != 0 && names != static_cast<std::size_t>(both.train.classes)) {
    throw FileError(arrays.path(), "class_names: expected a name for each of the " +
                                       std::to_string(both.train.classes) + " classes, found " +
                                       std::to_string(names));
  }
  return both;
}

/// The array of byte strings that read_class_names() reads.
NpyArray text_array(const std::vector<std::string>& texts) {
  std::size_t longest = 1;
  for (const std::string& text : texts) longest = std::max(longest, text.size());
  NpyArray array{.kind = 'S',
                 .item = static_cast<std::int64_t>(longest),
                 .shape = {static_cast<std::int64_t>(texts.size())},
                 .bytes = std::vector<std::uint8_t>(longest * texts.size())};
  auto to = array.bytes.begin();
  for (const std::string& text : texts) {
    std::copy(text.begin(), text.end(), to);
    to += static_cast<std::ptrdiff_t>(longest);
  }
  return array;
}

void add_set(ZipWriter& zip, const Dataset& data, const std::string& name,
             const std::function<void()>& pause) {
  NpyArray x{.shape = {data.n, data.h, data.w}, .bytes = data.pixels};
  if (data.c != 1) x.shape.push_back(data.c);
  if (!data.values.empty()) {
    x.kind = 'f';
    x.item = sizeof(float);
    x.bytes = copied_bytes(data.values);
  }
  zip.add("x_" + name + ".npy", npy_file(x), pause);
  NpyArray y{.shape = {data.n}, .bytes = {}};
  if (data.classes <= 256) {
    y.bytes.assign(data.labels.begin(), data.labels.end());
  } else {
    y.kind = 'i';
    y.item = 8;
    y.bytes = copied_bytes(std::vector<std::int64_t>(data.labels.begin(), data.labels.end()));
  }
  zip.add("y_" + name + ".npy", npy_file(y), pause);
}

}  // namespace

TrainMaybeTest read_npz(const std::string& path, const std::optional<ImageShape>& image) {
  // What is stored is about as large as what is read from it; what is deflated is smaller.
  return parse_npz(path, read_file(path, 2 * kMaxDataBytes), image);
}

TrainMaybeTest parse_npz(const std::string& path, std::span<const std::uint8_t> file,
                         const std::optional<ImageShape>& image) {
  const ZipArchive archive(path, file);
  return data_set(ArchiveArrays(archive), image);
}

bool is_npy_folder(const std::string& dir) {
  const FolderArrays arrays(dir);
  return arrays.has("x_train") || arrays.has("x");
}

TrainMaybeTest read_npy_folder(const std::string& dir, const std::optional<ImageShape>& image) {
  return data_set(FolderArrays(dir), image);
}

std::vector<std::uint8_t> npz_file(const TrainTest& sets, const std::function<void()>& pause) {
  ZipWriter zip;
  add_set(zip, sets.train, "train", pause);
  add_set(zip, sets.test, "test", pause);
  if (!sets.train.class_names.empty()) {
    zip.add("class_names.npy", npy_file(text_array(sets.train.class_names)));
  }
  return zip.finish();
}

}  // namespace nnkernels::nn
