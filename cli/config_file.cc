#include "cli/config_file.h"

#include <toml++/toml.h>

#include <cstdint>
#include <string_view>

#include "cli/exit_code.h"
#include "cli/numbers.h"
#include "cli/output.h"
#include "cli/suggest.h"
#include "nn/data/file.h"
#include "nn/file_error.h"

namespace nnkernels::cli {
namespace {

std::string place(const toml::source_region& source) {
  return "line " + std::to_string(source.begin.line);
}

std::vector<std::string> known_keys() {
  std::vector<std::string> keys = {"recipe"};
  for (const Setting& setting : settings()) keys.push_back(setting.key);
  return keys;
}

std::string value_text(const toml::node& node, const std::string& name) {
  if (const auto* const text = node.as_string()) return text->get();
  if (const auto* const whole = node.as_integer()) return std::to_string(whole->get());
  if (const auto* const real = node.as_floating_point()) return number_text(real->get());
  throw UsageError(name + ": expected a text or a number");
}

toml::table parse(const std::string& path, std::string_view text) {
  try {
    return toml::parse(text, path);
  } catch (const toml::parse_error& error) {
    throw nn::FileError(path, place(error.source()) + ", column " +
                                  std::to_string(error.source().begin.column) + ": " +
                                  one_line(error.description()));
  }
}

/// A basic string of TOML.
std::string quoted(std::string_view text) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string result = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      result += {'\\', 'u', '0', '0', kDigits[byte >> 4], kDigits[byte & 15]};
      continue;
    }
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + "\"";
}

}  // namespace

std::vector<Asked> read_config_file(const std::string& path) {
  const std::vector<std::uint8_t> bytes = nn::read_file(path, kMaxConfigFile);
  return parse_config(path, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

std::vector<Asked> parse_config(const std::string& path, std::string_view text) {
  const toml::table table = parse(path, text);
  const std::vector<std::string> known = known_keys();
  std::vector<Asked> asked;
  asked.reserve(table.size());
  for (const auto& [toml_key, node] : table) {
    const std::string key(toml_key.str());
    const std::string name = one_line(path + ", " + place(toml_key.source()) + ": " + key);
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      const std::string hint = did_you_mean(key, known);
      throw UsageError(
          name + " is no setting" +
          (hint.empty() ? "; `nncli train --model cnn --print-config` shows them all" : hint));
    }
    asked.push_back({.key = key, .value = value_text(node, name), .name = name});
  }
  return asked;
}

std::string to_toml(const TrainConfig& config) {
  std::string toml = "recipe = " + quoted(config.recipe) + "\n";
  for (const Setting& setting : settings()) {
    if (!setting.matters(config)) continue;
    std::string value = setting.get(config);
    // TOML's whole numbers end at 2^63 - 1; seeds and reals do not.
    const bool whole = parse_number<std::int64_t>(value).has_value();
    const bool digits = value.find_first_not_of("-0123456789") == std::string::npos;
    if (setting.kind == Setting::Kind::real && digits && !whole) value += ".0";
    const bool plain =
        setting.kind == Setting::Kind::real || (setting.kind == Setting::Kind::whole && whole);
    toml += setting.key + " = " + (plain ? value : quoted(value)) + "\n";
  }
  return toml;
}

}  // namespace nnkernels::cli
