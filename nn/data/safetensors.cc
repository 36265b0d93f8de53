#include "nn/data/safetensors.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <string_view>

#include "nn/data/file.h"
#include "nn/file_error.h"

namespace nnkernels::nn {
namespace {

constexpr std::int64_t kLengthBytes = 8;
constexpr std::string_view kMetadata = "__metadata__";

/// Takes the header apart while it is parsed: a parsed document would have lost duplicate keys, and
/// could be made deep or large.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  HeaderReader(const std::string& path, SafetensorsHeader& header) : path_(path), header_(header) {}

  bool start_object(std::size_t /*size*/) override {
    if (level_ == Level::file) {
      level_ = Level::header;
    } else if (level_ == Level::header && key_ == kMetadata) {
      level_ = Level::metadata;
    } else if (level_ == Level::header) {
      level_ = Level::tensor;
      fields_.clear();
      header_.tensors.push_back({.name = key_, .dtype = {}, .shape = {}});
    } else {
      fail_on("an object");
    }
    return true;
  }
  bool end_object() override {
    if (level_ == Level::tensor) finish_tensor();
    level_ = level_ == Level::header ? Level::file : Level::header;
    return true;
  }
  bool key(string_t& name) override {
    if (level_ == Level::header) {
      if (!names_.insert(name).second) fail(printable(name) + " occurs twice");
      key_ = name;
    } else if (level_ == Level::metadata) {
      if (!header_.metadata.emplace(name, "").second) fail(printable(name) + " occurs twice");
      field_ = name;
    } else {
      if (name != "dtype" && name != "shape" && name != "data_offsets") {
        fail("tensor " + printable(key_) + ": unknown entry " + printable(name));
      }
      if (!fields_.insert(name).second) {
        fail("tensor " + printable(key_) + ": " + name + " occurs twice");
      }
      field_ = name;
    }
    return true;
  }
  bool string(string_t& value) override {
    if (level_ == Level::metadata) {
      header_.metadata[field_] = value;
    } else if (level_ == Level::tensor && field_ == "dtype") {
      header_.tensors.back().dtype = value;
    } else {
      fail_on("a string");
    }
    return true;
  }
  bool start_array(std::size_t /*size*/) override {
    if (level_ != Level::tensor || field_ == "dtype") fail_on("a list");
    level_ = Level::list;
    list_.clear();
    return true;
  }
  bool end_array() override {
    level_ = Level::tensor;
    SafetensorsEntry& tensor = header_.tensors.back();
    if (field_ == "shape") {
      tensor.shape = list_;
    } else if (list_.size() == 2) {
      tensor.begin = list_[0];
      tensor.end = list_[1];
    } else {
      fail("tensor " + printable(key_) + ": expected 2 data_offsets, found " +
           std::to_string(list_.size()));
    }
    return true;
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (level_ != Level::list ||
        value > static_cast<number_unsigned_t>(std::numeric_limits<std::int64_t>::max())) {
      fail_on("the number " + std::to_string(value));
    }
    if (list_.size() == kMaxSafetensorsRank)
      fail("tensor " + printable(key_) + ": more than 8 dimensions");
    list_.push_back(static_cast<std::int64_t>(value));
    return true;
  }
  bool number_integer(number_integer_t value) override {
    fail_on("the number " + std::to_string(value));
  }
  bool number_float(number_float_t /*value*/, const string_t& text) override {
    fail_on("the number " + printable(text));
  }
  bool null() override { fail_on("null"); }
  bool boolean(bool /*value*/) override { fail_on("a truth value"); }
  bool binary(binary_t& /*value*/) override { fail_on("binary data"); }
  bool parse_error(std::size_t position, const std::string& /*token*/,
                   const nlohmann::detail::exception& /*error*/) override {
    throw FileError(path_, kLengthBytes + static_cast<std::int64_t>(position) - 1,
                    "the header is no valid JSON");
  }

 private:
  enum class Level { file, header, metadata, tensor, list };

  [[noreturn]] void fail(const std::string& problem) const {
    throw FileError(path_, kLengthBytes, "header: " + problem);
  }
  /// At a value of a kind that has no place where it is.
  [[noreturn]] void fail_on(const std::string& found) const {
    fail("expected something else than " + found + " in " +
         (level_ == Level::header ? printable(key_) : printable(key_) + " " + printable(field_)));
  }

  void finish_tensor() const {
    if (fields_.size() != 3) {
      fail("tensor " + printable(key_) + ": expected dtype, shape and data_offsets");
    }
    const SafetensorsEntry& tensor = header_.tensors.back();
    std::int64_t bytes = element_bytes(tensor.dtype);
    for (const std::int64_t dim : tensor.shape) {
      if (__builtin_mul_overflow(bytes, dim, &bytes)) {
        fail("tensor " + printable(key_) + ": its size does not fit into 63 bits");
      }
    }
    if (tensor.end < tensor.begin || tensor.end - tensor.begin != bytes) {
      fail("tensor " + printable(key_) + ": dtype and shape give " + std::to_string(bytes) +
           " bytes, data_offsets are " + std::to_string(tensor.begin) + " to " +
           std::to_string(tensor.end));
    }
  }

  std::int64_t element_bytes(const std::string& dtype) const {
    static const std::map<std::string_view, std::int64_t> kBytes = {
        {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"U16", 2}, {"I16", 2}, {"F16", 2}, {"BF16", 2},
        {"U32", 4},  {"I32", 4}, {"F32", 4}, {"U64", 8}, {"I64", 8}, {"F64", 8}};
    const auto found = kBytes.find(dtype);
    if (found == kBytes.end()) {
      fail("tensor " + printable(key_) + ": unknown dtype " + printable(dtype));
    }
    return found->second;
  }

  const std::string& path_;
  SafetensorsHeader& header_;
  Level level_ = Level::file;
  std::string key_;               // in the header: a tensor's name or __metadata__
  std::string field_;             // in what key_ names
  std::set<std::string> names_;   // the keys so far
  std::set<std::string> fields_;  // of the tensor so far
  std::vector<std::int64_t> list_;
};

bool is_utf8(const std::string& text) {
  try {
    return !nlohmann::json(text).dump().empty();
  } catch (const nlohmann::json::type_error&) {
    return false;
  }
}

/// What of a header is no UTF-8.
std::string not_utf8(const std::map<std::string, std::string>& metadata,
                     std::span<const SafetensorsEntry> tensors) {
  for (const auto& [key, value] : metadata) {
    if (!is_utf8(key)) return "the metadata key " + printable(key);
    if (!is_utf8(value)) return "the value of the metadata key " + printable(key);
  }
  for (const SafetensorsEntry& tensor : tensors) {
    if (!is_utf8(tensor.name)) return "the tensor name " + printable(tensor.name);
  }
  return "a dtype";
}

/// Throws unless the tensors, by ascending `begin`, lie end to end in `data_bytes` bytes.
void check_tiling(const std::string& path, const SafetensorsHeader& header,
                  std::int64_t data_bytes) {
  std::int64_t end = 0;
  for (const SafetensorsEntry& tensor : header.tensors) {
    if (tensor.begin != end) {
      throw FileError(path, kLengthBytes,
                      "header: expected tensor " + printable(tensor.name) + " to begin at offset " +
                          std::to_string(end) + ", found " + std::to_string(tensor.begin));
    }
    end = tensor.end;
  }
  if (end != data_bytes) {
    throw FileError(path, header.data_start + std::min(end, data_bytes),
                    end > data_bytes ? "the file is cut: expected " + std::to_string(end) +
                                           " bytes of weights, found " + std::to_string(data_bytes)
                                     : "expected the end of the file, found " +
                                           std::to_string(data_bytes - end) + " bytes more");
  }
}

}  // namespace

SafetensorsHeader parse_safetensors(const std::string& path, std::span<const std::uint8_t> file) {
  const auto size = static_cast<std::int64_t>(file.size());
  if (size < kLengthBytes) {
    throw FileError(path, size, "is no model file (safetensors): found the end of the file");
  }
  std::uint64_t length = 0;
  for (int i = kLengthBytes - 1; i >= 0; --i)
    length = length << 8 | file[static_cast<std::size_t>(i)];
  if (length > static_cast<std::uint64_t>(kMaxSafetensorsHeader)) {
    throw FileError(path, 0,
                    "is no model file (safetensors): expected the length of a header, at most " +
                        std::to_string(kMaxSafetensorsHeader) + ", found " +
                        std::to_string(length));
  }
  const auto header_bytes = static_cast<std::int64_t>(length);
  if (header_bytes > size - kLengthBytes) {
    throw FileError(path, size,
                    "the file is cut: expected " + std::to_string(header_bytes) +
                        " bytes of header, found " + std::to_string(size - kLengthBytes));
  }
  const std::string_view text(reinterpret_cast<const char*>(file.data()) + kLengthBytes, length);
  if (!text.starts_with('{')) {
    throw FileError(path, kLengthBytes,
                    "is no model file (safetensors): expected a header that begins with {, found " +
                        printable(text.substr(0, 1)));
  }
  const std::string_view json = text.substr(0, text.find_last_not_of(' ') + 1);

  SafetensorsHeader header;
  header.data_start = kLengthBytes + header_bytes;
  HeaderReader reader(path, header);
  nlohmann::json::sax_parse(json.begin(), json.end(), &reader);
  // Empty tensors share their offset with the one that follows.
  std::sort(header.tensors.begin(), header.tensors.end(),
            [](const SafetensorsEntry& a, const SafetensorsEntry& b) {
              return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
            });
  check_tiling(path, header, size - header.data_start);
  return header;
}

std::string safetensors_header(const std::map<std::string, std::string>& metadata,
                               std::span<const SafetensorsEntry> tensors) {
  nlohmann::ordered_json json = {{kMetadata, metadata}};
  for (const SafetensorsEntry& tensor : tensors) {
    json[tensor.name] = {{"dtype", tensor.dtype},
                         {"shape", tensor.shape},
                         {"data_offsets", {tensor.begin, tensor.end}}};
  }
  std::string text;
  try {
    text = json.dump();
  } catch (const nlohmann::json::type_error&) {
    throw std::invalid_argument("safetensors_header: " + not_utf8(metadata, tensors) +
                                " is no UTF-8");
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');
  if (static_cast<std::int64_t>(text.size()) > kMaxSafetensorsHeader) {
    throw std::invalid_argument("safetensors_header: expected at most " +
                                std::to_string(kMaxSafetensorsHeader) + " bytes, got " +
                                std::to_string(text.size()));
  }
  std::string bytes;
  for (int i = 0; i < kLengthBytes; ++i) {
    bytes += static_cast<char>(text.size() >> (8 * i) & 255);
  }
  return bytes + text;
}

}  // namespace nnkernels::nn
