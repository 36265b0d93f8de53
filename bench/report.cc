#include "bench/report.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <utility>

namespace nnkernels::bench {
namespace {

std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(c));
      result += escape;
    } else {
      result += c;
    }
  }
  return result + '"';
}

/// `value` divided by the largest unit that leaves at least 1, with three digits that count.
template <std::size_t kUnits>
std::string scaled(double value, const std::array<std::pair<double, const char*>, kUnits>& units) {
  std::size_t unit = 0;
  while (unit + 1 < kUnits && value < 0.9995 * units[unit].first) ++unit;
  const double shown = value / units[unit].first;
  const int digits = shown < 9.995 ? 2 : shown < 99.95 ? 1 : 0;
  return fixed(shown, digits) + ' ' + units[unit].second;
}

}  // namespace

Json& Json::add_raw(std::string_view key, std::string_view value) {
  if (!members_.empty()) members_ += ',';
  members_ += quoted(key) + ':';
  members_ += value;
  return *this;
}

Json& Json::add(std::string_view key, double value) {
  if (!std::isfinite(value)) return add_raw(key, "null");
  char buffer[32];
  return add_raw(key, {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr});
}

Json& Json::add(std::string_view key, std::string_view value) {
  return add_raw(key, quoted(value));
}

Json& Json::add(std::string_view key, const Json& value) { return add_raw(key, value.text()); }

Json& Json::add(std::string_view key, const std::vector<Json>& values) {
  std::string list;
  for (const Json& value : values) {
    if (!list.empty()) list += ',';
    list += value.text();
  }
  return add_raw(key, '[' + list + ']');
}

std::string fixed(double value, int digits) {
  if (!std::isfinite(value)) return "-";
  std::array<char, 400> buffer;  // the largest double has 309 digits
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                    std::chars_format::fixed, digits);
  return {buffer.data(), result.ptr};
}

std::string duration(double seconds) {
  return scaled(seconds, std::array<std::pair<double, const char*>, 4>{
                             {{1.0, "s"}, {1e-3, "ms"}, {1e-6, "us"}, {1e-9, "ns"}}});
}

std::string byte_size(double bytes) {
  return scaled(bytes, std::array<std::pair<double, const char*>, 4>{
                           {{0x1p30, "GB"}, {0x1p20, "MB"}, {0x1p10, "KB"}, {1.0, "B"}}});
}

Table::Table(std::vector<Column> columns, bool silent)
    : columns_(std::move(columns)), silent_(silent) {
  std::vector<std::string> titles;
  for (Column& column : columns_) {
    column.width = std::max(column.width, column.title.size());
    titles.push_back(column.title);
  }
  row(titles);
}

void Table::row(const std::vector<std::string>& cells) const {
  if (silent_) return;
  std::string line;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const std::string gap(columns_[i].width - std::min(columns_[i].width, cells[i].size()), ' ');
    line += i == 0 ? cells[i] + gap : "  " + gap + cells[i];
  }
  line.erase(line.find_last_not_of(' ') + 1);
  std::cout << line << std::endl;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

double spread(const std::vector<double>& values) {
  const auto [smallest, largest] = std::minmax_element(values.begin(), values.end());
  return (*largest - *smallest) / median(values);
}

double geometric_mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += std::log(value);
  return std::exp(sum / static_cast<double>(values.size()));
}

}  // namespace nnkernels::bench
