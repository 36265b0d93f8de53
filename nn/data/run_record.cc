#include "nn/data/run_record.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string_view>

#include "nn/data/file.h"
#include "nn/file_error.h"

namespace nnkernels::nn {
namespace {

using Json = nlohmann::ordered_json;

struct Field {
  const char* name;
  std::optional<double> EpochRecord::*figure;
};

constexpr std::array kFields = {Field{"train_loss", &EpochRecord::train_loss},
                                Field{"train_seconds", &EpochRecord::train_seconds},
                                Field{"images_per_second", &EpochRecord::images_per_second},
                                Field{"learning_rate", &EpochRecord::learning_rate},
                                Field{"val_accuracy", &EpochRecord::val_accuracy},
                                Field{"val_loss", &EpochRecord::val_loss},
                                Field{"test_accuracy", &EpochRecord::test_accuracy},
                                Field{"test_loss", &EpochRecord::test_loss}};

/// The whole file as text.
std::string read_text(const std::string& path) {
  const std::vector<std::uint8_t> bytes = read_file(path, kMaxRecordFile);
  return {bytes.begin(), bytes.end()};
}

/// An object, or a discarded value: without exceptions, whose texts are many lines long. What is
/// deep would take much memory for little text, and is written out again by recursion.
Json parse_object(std::string_view text) {
  bool deep = false;
  const auto look = [&deep](int depth, Json::parse_event_t event, Json& /*value*/) {
    const bool opens =
        event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start;
    deep |= opens && depth >= kMaxRecordDepth;  // the outermost one is at 0
    return !deep;
  };
  Json value = Json::parse(text.begin(), text.end(), look, false);
  return !deep && value.is_object() ? value : Json(Json::value_t::discarded);
}

EpochRecord record_of(const std::string& path, std::int64_t line, std::string_view text) {
  const auto fail = [&](const std::string& problem) {
    throw FileError(path, "line " + std::to_string(line) + ": " + problem);
  };
  const Json object = parse_object(text);
  if (object.is_discarded()) fail("expected a JSON object, found " + printable(text));
  const auto epoch = object.find("epoch");
  const bool whole = epoch != object.end() && epoch->is_number_integer();
  if (!whole || epoch->get<std::int64_t>() < 0) {  // beyond 2^63 - 1 it would be negative
    fail("expected a whole number \"epoch\" in " + printable(text));
  }
  EpochRecord record;
  record.epoch = epoch->get<std::int64_t>();
  for (const Field& field : kFields) {
    const auto found = object.find(field.name);
    if (found == object.end() || found->is_null()) continue;
    if (!found->is_number()) {
      fail("\"" + std::string(field.name) + "\": expected a number, found a " + found->type_name());
    }
    record.*field.figure = found->get<double>();
  }
  return record;
}

std::string text_of(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  const bool words =
      value.is_array() && !value.empty() &&
      std::all_of(value.begin(), value.end(), [](const Json& each) { return each.is_string(); });
  if (!words) return value.dump();
  std::string text;
  for (const Json& word : value) text += (text.empty() ? "" : " ") + word.get<std::string>();
  return text;
}

}  // namespace

std::vector<EpochRecord> read_metrics(const std::string& path) {
  return parse_metrics(path, read_text(path));
}

std::vector<EpochRecord> parse_metrics(const std::string& path, std::string_view text) {
  std::vector<EpochRecord> records;
  std::string_view rest = text;
  for (std::int64_t line = 1; !rest.empty(); ++line) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view one = rest.substr(0, end);
    if (one.find_first_not_of(" \t\r") != std::string_view::npos) {
      records.push_back(record_of(path, line, one));
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return records;
}

std::vector<std::pair<std::string, std::string>> read_config(const std::string& path) {
  return parse_config(path, read_text(path));
}

std::vector<std::pair<std::string, std::string>> parse_config(const std::string& path,
                                                              std::string_view text) {
  const Json object = parse_object(text);
  if (object.is_discarded()) {
    throw FileError(path, "expected a JSON object, found " + printable(text));
  }
  std::vector<std::pair<std::string, std::string>> entries;
  entries.reserve(object.size());
  for (const auto& [name, value] : object.items()) entries.emplace_back(name, text_of(value));
  return entries;
}

}  // namespace nnkernels::nn
