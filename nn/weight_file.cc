#include "nn/weight_file.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <set>
#include <span>
#include <stdexcept>
#include <string_view>

#include "nn/data/bytes.h"
#include "nn/data/file.h"
#include "nn/data/npy.h"
#include "nn/data/safetensors.h"
#include "nn/data/zip.h"
#include "nn/file_error.h"
#include "nn/model_file.h"
#include "nn/model_keys.h"
#include "nn/number_text.h"

namespace nnkernels::nn {
namespace {

constexpr std::string_view kNpySuffix = ".npy";
/// PyTorch's BatchNorm counts batches for a momentum of None, which is not ours.
constexpr std::string_view kCounter = "num_batches_tracked";

/// Of an array in a file, for messages.
class Place {
 public:
  Place(const std::string& path, const std::string& name) : path_(path), name_(name) {}
  [[noreturn]] void fail(const std::string& problem) const {
    throw FileError(path_, "array " + printable(name_) + ": " + problem);
  }

 private:
  const std::string& path_;
  const std::string& name_;
};

/// `at(i)` gives element i.
std::vector<float> finite_floats(const Place& place, std::int64_t count, auto at) {
  std::vector<float> values;
  values.reserve(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    const auto value = static_cast<double>(at(i));
    // A float64 beyond float32's range becomes infinite here.
    values.push_back(static_cast<float>(value));
    if (!std::isfinite(values.back())) {
      place.fail("element " + std::to_string(i) + ": expected a finite float32, found " +
                 number_text(value));
    }
  }
  return values;
}

template <class T>
auto elements_at(const std::uint8_t* bytes) {
  return [bytes](std::int64_t i) {
    T value;
    std::memcpy(&value, bytes + i * static_cast<std::int64_t>(sizeof(T)), sizeof(T));
    return value;
  };
}

WeightFile read_safetensors_weights(const std::string& path, std::span<const std::uint8_t> bytes) {
  SafetensorsHeader header = parse_safetensors(path, bytes);
  WeightFile file;
  file.texts = std::move(header.metadata);
  file.arrays.reserve(header.tensors.size());
  for (const SafetensorsEntry& entry : header.tensors) {
    if (entry.name.ends_with(kCounter)) continue;
    const Place place(path, entry.name);
    const std::uint8_t* const data = bytes.data() + header.data_start + entry.begin;
    const std::int64_t size = entry.end - entry.begin;
    if (entry.dtype == "F32") {
      file.arrays.push_back(
          {entry.name, entry.shape, finite_floats(place, size / 4, elements_at<float>(data))});
    } else if (entry.dtype == "F64") {
      file.arrays.push_back(
          {entry.name, entry.shape, finite_floats(place, size / 8, elements_at<double>(data))});
    } else {
      place.fail("expected weights of type F32 or F64, found " + entry.dtype);
    }
  }
  return file;
}

/// The name of an array in an archive: without ".npy".
std::string array_name(const ZipEntry& entry) {
  const bool npy = entry.name.ends_with(kNpySuffix);
  return entry.name.substr(0, entry.name.size() - (npy ? kNpySuffix.size() : 0));
}

/// A single text or number as text.
std::string scalar_text(const NpyArray& array) {
  if (array.kind == 'S') {
    const auto* const begin = reinterpret_cast<const char*>(array.bytes.data());
    // NumPy fills up with zero bytes.
    return {begin, std::find(begin, begin + array.bytes.size(), '\0')};
  }
  return visit_numbers(array, [](auto at) {
    const auto value = at(0);
    if constexpr (std::is_floating_point_v<decltype(at(0))>) {
      return number_text(static_cast<double>(value));
    } else {
      return std::to_string(value);
    }
  });
}

WeightFile read_npz_weights(const std::string& path, std::span<const std::uint8_t> bytes) {
  const ZipArchive archive(path, bytes);
  WeightFile file;
  file.arrays.reserve(archive.entries().size());
  for (const ZipEntry& entry : archive.entries()) {
    if (entry.name.ends_with(".pkl")) {
      throw FileError(path,
                      "holds a pickle (torch.save makes such files); these are never read, for "
                      "unpickling them could run any code: save with numpy.savez or safetensors");
    }
    const std::string name = array_name(entry);
    if (name.ends_with(kCounter)) continue;
    const NpyArray array = read_npy(archive, entry);
    const Place place(path, name);
    if (array.shape.empty() && (array.kind == 'S' || name.starts_with(kReservedKeys))) {
      file.texts[name] = scalar_text(array);
    } else if (array.kind == 'f') {
      file.arrays.push_back({name, array.shape, visit_numbers(array, [&](auto at) {
                               return finite_floats(place, array.size(), at);
                             })});
    } else {
      place.fail("expected weights of type float32 or float64, found " +
                 std::string(array.kind == 'S' ? "text" : "whole numbers"));
    }
  }
  return file;
}

void refuse_counter(const std::string& name) {
  if (!name.ends_with(kCounter)) return;
  throw std::invalid_argument("write_weight_file: " + printable(name) +
                              " is the name of a counter of PyTorch's, which is not read");
}

/// Throws unless every name occurs once, none is one that is not read, and all values are finite.
void check(const WeightFile& file) {
  std::set<std::string_view> names;
  for (const auto& [name, text] : file.texts) names.insert(name);
  for (const WeightArray& array : file.arrays) {
    if (!names.insert(array.name).second) {
      throw std::invalid_argument("write_weight_file: two arrays or texts have the name " +
                                  printable(array.name));
    }
    refuse_counter(array.name);
    if (!std::all_of(array.values.begin(), array.values.end(),
                     [](float value) { return std::isfinite(value); })) {
      throw std::invalid_argument("write_weight_file: the array " + printable(array.name) +
                                  " has a value that is not finite");
    }
  }
}

template <class Number>
bool is_number(const std::string& text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

NpyArray text_array(const std::string& name, const std::string& text) {
  refuse_counter(name);
  if (text.find('\0') != std::string::npos) {
    throw std::invalid_argument("write_weight_file: the text " + printable(name) +
                                " holds a zero byte, which ends a text in NPZ");
  }
  if (name.starts_with(kReservedKeys)) {
    if (std::int64_t whole = 0; is_number(text, whole)) {
      return {.kind = 'i', .item = 8, .shape = {}, .bytes = copied_bytes(std::array{whole})};
    }
    if (double real = 0; is_number(text, real)) {
      return {.kind = 'f', .item = 8, .shape = {}, .bytes = copied_bytes(std::array{real})};
    }
  }
  if (static_cast<std::int64_t>(text.size()) > kMaxNpyHeader) {
    throw std::invalid_argument("write_weight_file: the text " + printable(name) + " has " +
                                std::to_string(text.size()) + " bytes, above the limit of " +
                                std::to_string(kMaxNpyHeader));
  }
  NpyArray array{.kind = 'S',
                 .item = std::max<std::int64_t>(1, static_cast<std::int64_t>(text.size())),
                 .shape = {},
                 .bytes = {text.begin(), text.end()}};
  array.bytes.resize(static_cast<std::size_t>(array.item));
  return array;
}

std::vector<std::uint8_t> npz_bytes(const WeightFile& file) {
  ZipWriter zip;
  for (const WeightArray& array : file.arrays) {
    zip.add(
        array.name + std::string(kNpySuffix),
        npy_file(
            {.kind = 'f', .item = 4, .shape = array.shape, .bytes = copied_bytes(array.values)}));
  }
  for (const auto& [name, text] : file.texts) {
    zip.add(name + std::string(kNpySuffix), npy_file(text_array(name, text)));
  }
  std::vector<std::uint8_t> bytes = zip.finish();
  try {
    const ZipArchive archive("", bytes);  // names, and how many
  } catch (const FileError& error) {
    throw std::invalid_argument("write_weight_file: the archive could not be read" +
                                std::string(error.what()));
  }
  return bytes;
}

std::vector<std::uint8_t> safetensors_bytes(const WeightFile& file) {
  std::vector<SafetensorsEntry> entries;
  entries.reserve(file.arrays.size());
  std::int64_t end = 0;
  for (const WeightArray& array : file.arrays) {
    const std::int64_t begin = end;
    end += static_cast<std::int64_t>(array.values.size() * sizeof(float));
    entries.push_back({array.name, "F32", array.shape, begin, end});
  }
  const std::string header = safetensors_header(file.texts, entries);
  std::vector<std::uint8_t> bytes(header.begin(), header.end());
  bytes.reserve(header.size() + static_cast<std::size_t>(end));
  for (const WeightArray& array : file.arrays) {
    const std::span<const std::uint8_t> values = bytes_of(array.values);
    bytes.insert(bytes.end(), values.begin(), values.end());
  }
  return bytes;
}

}  // namespace

std::string dims_text(const std::vector<std::int64_t>& dims) {
  std::string text;
  for (const std::int64_t dim : dims) text += (text.empty() ? "" : ", ") + std::to_string(dim);
  return "[" + text + "]";
}

WeightFile read_weight_file(const std::string& path) {
  const std::vector<std::uint8_t> bytes = read_file(path, kMaxModelFile);
  const std::string_view start(reinterpret_cast<const char*>(bytes.data()),
                               std::min<std::size_t>(bytes.size(), 2));
  return start == "PK" ? read_npz_weights(path, bytes) : read_safetensors_weights(path, bytes);
}

void write_weight_file(const std::string& path, const WeightFile& file) {
  check(file);
  if (path.ends_with(".npz")) {
    write_file_atomically(path, npz_bytes(file));
  } else if (path.ends_with(".safetensors")) {
    write_file_atomically(path, safetensors_bytes(file));
  } else {
    throw std::invalid_argument(
        "write_weight_file: path: expected a name ending in .safetensors or .npz, got " +
        printable(path));
  }
}

}  // namespace nnkernels::nn
