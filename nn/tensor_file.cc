#include "nn/tensor_file.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "nn/data/bytes.h"
#include "nn/data/file.h"
#include "nn/data/sha256.h"
#include "nn/file_error.h"
#include "nn/model_keys.h"
#include "nn/shape_text.h"

namespace nnkernels::nn {
namespace {

// Highway supports no other; weights go to and from files as they lie in memory.
static_assert(std::endian::native == std::endian::little);

constexpr std::string_view kFormat = "nnkernels.format";
constexpr std::size_t kChecksumDigits = 64;

/// What to do with a file of a format that is not `expected`.
std::string advice_on(std::string_view found, std::string_view expected) {
  const auto kind = [](std::string_view format) { return format.substr(0, format.find(' ')); };
  if (kind(found) == kind(expected)) return "; a newer version of nnkernels may have written it";
  if (kind(found) == "model") {
    return ": this is a model; load_model() reads it, `nncli eval` tests it";
  }
  if (kind(found) == "checkpoint") {
    return ": this is a checkpoint; Checkpoint reads it, `nncli train --resume RUN` goes on from "
           "it";
  }
  return ": what wrote it must read it";
}

/// As Shape::str() writes it, but of any rank: "[2, 3]".
std::string dims_text(const std::vector<std::int64_t>& dims) {
  std::string text;
  for (const std::int64_t dim : dims) text += (text.empty() ? "" : ", ") + std::to_string(dim);
  return "[" + text + "]";
}

/// The place of the checksum's digits in a file. The key with its quotes and colon can occur
/// nowhere else: within a string the quotes would be escaped, and the key is known to occur once.
std::size_t checksum_place(std::string_view file) {
  const std::string start = '"' + std::string(kChecksum) + "\":\"";
  const std::size_t place = file.find(start);
  return place == std::string_view::npos ? place : place + start.size();
}

/// Of `file`, with zeros in the place of its checksum.
std::string checksum_of(std::span<const std::uint8_t> file, std::size_t place) {
  const std::string zeros(kChecksumDigits, '0');
  Sha256 hash;
  hash.update(file.first(place));
  hash.update(bytes_of(zeros));
  hash.update(file.subspan(place + kChecksumDigits));
  return hash.hex();
}

}  // namespace

std::int64_t first_not_finite(const Tensor<float>& tensor) {
  const auto* const found =
      std::find_if(tensor.begin(), tensor.end(), [](float value) { return !std::isfinite(value); });
  return found == tensor.end() ? -1 : found - tensor.begin();
}

std::string tensor_sha256(const Tensor<float>& tensor) { return sha256(bytes_of(tensor)); }

void save_tensors(const std::string& path, std::string_view format,
                  std::map<std::string, std::string> metadata,
                  std::span<const NamedTensor<float>> tensors, const std::string& kept) {
  metadata.emplace(kFormat, format);
  metadata.emplace(kChecksum, std::string(kChecksumDigits, '0'));
  std::vector<SafetensorsEntry> entries;
  entries.reserve(tensors.size());
  std::int64_t end = 0;
  for (const auto& [name, value] : tensors) {
    const std::int64_t begin = end;
    end += static_cast<std::int64_t>(bytes_of(*value).size());
    entries.push_back({name, "F32", value->shape().dims(), begin, end});
  }
  std::string header = safetensors_header(metadata, entries);
  std::vector<std::span<const std::uint8_t>> pieces;
  pieces.reserve(1 + tensors.size());
  pieces.push_back(bytes_of(header));
  for (const auto& [name, value] : tensors) pieces.push_back(bytes_of(*value));
  Sha256 hash;
  for (const auto& piece : pieces) hash.update(piece);
  header.replace(checksum_place(header), kChecksumDigits, hash.hex());
  write_file_atomically(path, pieces, kept);
}

TensorFile::TensorFile(std::string path, std::span<const std::uint8_t> file,
                       std::string_view format)
    : path_(std::move(path)),
      kind_(format.substr(0, format.find(' '))),
      file_(file),
      header_(parse_safetensors(path_, file)) {
  if (metadata(kFormat) != format) {
    fail("expected the format " + printable(format) + ", found " + printable(metadata(kFormat)) +
         advice_on(metadata(kFormat), format));
  }
  check_checksum();
}

void TensorFile::fail(const std::string& problem) const { throw FileError(path_, 8, problem); }

void TensorFile::fail_number(std::string_view key) const {
  fail(std::string(key) + ": expected a number, found " + printable(metadata(key)));
}

const std::string& TensorFile::metadata(std::string_view key) const {
  const auto found = header_.metadata.find(std::string(key));
  if (found == header_.metadata.end()) {
    fail("the header has no " + printable(key) + ": not a " + kind_ +
         " that nnkernels saved, or damaged");
  }
  return found->second;
}

void TensorFile::check_checksum() const {
  const std::string& expected = metadata(kChecksum);
  const std::string_view text(reinterpret_cast<const char*>(file_.data()),
                              static_cast<std::size_t>(header_.data_start));
  const std::size_t place = checksum_place(text);
  if (expected.size() != kChecksumDigits || place == std::string_view::npos ||
      text.substr(place, kChecksumDigits) != expected) {
    fail(std::string(kChecksum) + ": expected 64 hexadecimal digits, found " + printable(expected));
  }
  if (checksum_of(file_, place) != expected) {
    throw FileError(path_,
                    "the file is damaged: its content does not have the checksum in its header");
  }
}

Shape TensorFile::input_shape(std::string_view key) const {
  const std::string& text = metadata(key);
  const std::optional<Shape> shape = parse_shape(text);
  if (!shape) {
    fail(std::string(key) + ": expected a shape such as 28x28x1, found " + printable(text));
  }
  return *shape;
}

bool TensorFile::any_begins(std::string_view start) const {
  return std::any_of(
      header_.tensors.begin(), header_.tensors.end(),
      [start](const SafetensorsEntry& entry) { return entry.name.starts_with(start); });
}

std::int64_t TensorFile::size() const {
  return (static_cast<std::int64_t>(file_.size()) - header_.data_start) /
         static_cast<std::int64_t>(sizeof(float));
}

void TensorFile::check_fit(std::span<const NamedTensor<float>> tensors) const {
  if (tensors.size() != header_.tensors.size()) {
    fail("expected " + std::to_string(tensors.size()) +
         " tensors, as the architecture has, found " + std::to_string(header_.tensors.size()));
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const SafetensorsEntry& entry = header_.tensors[i];
    const auto& [name, value] = tensors[i];
    if (entry.name != name || entry.dtype != "F32" || entry.shape != value->shape().dims()) {
      fail("expected tensor " + printable(name) + " of F32 and shape " + value->shape().str() +
           ", found " + printable(entry.name) + " of " + entry.dtype + " and shape " +
           dims_text(entry.shape));
    }
  }
}

std::string TensorFile::sha256_of(std::size_t index) const {
  const SafetensorsEntry& entry = header_.tensors[index];
  return sha256(file_.subspan(static_cast<std::size_t>(header_.data_start + entry.begin),
                              static_cast<std::size_t>(entry.end - entry.begin)));
}

void TensorFile::read(std::span<const NamedTensor<float>> tensors) const {
  check_fit(tensors);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const SafetensorsEntry& entry = header_.tensors[i];
    std::memcpy(tensors[i].value->data(), file_.data() + header_.data_start + entry.begin,
                static_cast<std::size_t>(entry.end - entry.begin));
  }
}

void TensorFile::check_finite(std::size_t index, const Tensor<float>& value) const {
  const std::int64_t place = first_not_finite(value);
  if (place < 0) return;
  const SafetensorsEntry& entry = header_.tensors[index];
  throw FileError(
      path_, header_.data_start + entry.begin + place * static_cast<std::int64_t>(sizeof(float)),
      "expected a finite weight, found " + std::to_string(value[place]) + " in tensor " +
          entry.name);
}

}  // namespace nnkernels::nn
