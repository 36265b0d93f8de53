// Numbers and words of the command line and of configuration files.
#ifndef NNKERNELS_CLI_NUMBERS_H_
#define NNKERNELS_CLI_NUMBERS_H_

#include <charconv>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

namespace nnkernels::cli {

/// The number that `text` is, all of it; nothing otherwise, or if it does not fit. "010" is ten,
/// and
/// "-0" is zero without a sign, as it would come back from TOML, where it is a whole number.
template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number + Number{};
}

/// The shortest digits that read back as the same number.
std::string number_text(double number);

/// Throws UsageError: "NAME: expected EXPECTED, got "TEXT"".
[[noreturn]] void reject_value(const std::string& name, const std::string& expected,
                               const std::string& text);

std::string joined(std::span<const std::string> words, const std::string& separator);

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_NUMBERS_H_
