#include "cli/output.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <stdexcept>
#include <system_error>

namespace nnkernels::cli {
namespace {

/// 0, or the errno of the write that failed.
int write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

/// All bytes of a character of UTF-8 but the first are 10xxxxxx.
bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

}  // namespace

void print(std::string_view text) {
  if (const int error = write_all(STDOUT_FILENO, text); error != 0) {
    throw std::runtime_error("cannot write to standard output: " +
                             std::generic_category().message(error));
  }
}

void report(std::string_view line) { draw(std::string(line) + '\n'); }

void draw(std::string_view text) { write_all(STDERR_FILENO, text); }

std::string one_line(std::string_view text) {
  std::string result(text);
  std::replace_if(
      result.begin(), result.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, '?');
  return result;
}

std::string shell_word(std::string path) {
  if (path.starts_with("-")) path.insert(0, "./");
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-+,:@%~";
  // '~' stands for a home only in front; the old run is kept as RUN~.
  if (path.find_first_not_of(kPlain) == std::string::npos && !path.starts_with("~")) return path;
  std::string word = "'";
  for (const char c : path) {
    if (c == '\'') word += "'\\'";
    word += c;
  }
  return word + "'";
}

std::string grouped(std::int64_t number) {
  std::string digits = std::to_string(number);
  const std::size_t first = number < 0 ? 1 : 0;
  for (std::size_t i = digits.size(); i > first + 3; i -= 3) digits.insert(i - 3, ",");
  return digits;
}

std::string fixed(double number, int digits) {
  std::array<char, 400> buffer;  // the largest double has 309 digits before the point
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number,
                                 std::chars_format::fixed, digits);
  return {buffer.data(), end.ptr};
}

std::string scientific(double number) {
  std::array<char, 32> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number,
                                 std::chars_format::scientific, 1);
  return {buffer.data(), end.ptr};
}

std::string loss_text(double loss) {
  const bool shows = loss == 0 || (std::abs(loss) >= 1e-3 && std::abs(loss) < 1e4);
  return shows ? fixed(loss, 4) : scientific(loss);
}

std::string percent(double fraction) { return fixed(100 * fraction, 2) + " %"; }

std::string bytes_text(std::int64_t bytes) {
  if (bytes < 1000) return std::to_string(bytes) + " B";
  double value = static_cast<double>(bytes) / 1000;
  std::size_t unit = 0;
  constexpr std::array kUnits = {" kB", " MB", " GB", " TB", " PB", " EB"};
  // 999.95 would be rounded to 1000.0.
  while (value >= 999.95) {
    value /= 1000;
    ++unit;
  }
  return fixed(value, 1) + kUnits[unit];
}

std::string duration(double seconds) {
  if (seconds < 9.95) return fixed(seconds, 1) + " s";
  const auto whole = static_cast<std::int64_t>(std::llround(std::min(seconds, 1e15)));
  if (whole < 60) return std::to_string(whole) + " s";
  const auto two_digits = [](std::int64_t n) { return (n < 10 ? "0" : "") + std::to_string(n); };
  if (whole < 3600) return std::to_string(whole / 60) + " min " + two_digits(whole % 60) + " s";
  return std::to_string(whole / 3600) + " h " + two_digits(whole % 3600 / 60) + " min";
}

std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), begins_character));
}

std::string_view first_of(std::string_view text, std::size_t most) {
  std::size_t end = 0;
  for (; end < text.size(); ++end) {
    if (begins_character(text[end]) && most-- == 0) break;
  }
  return text.substr(0, end);
}

std::string right(std::string_view text, std::size_t width) {
  return std::string(width - std::min(width, width_of(text)), ' ').append(text);
}

std::string left(std::string_view text, std::size_t width) {
  return std::string(text).append(width - std::min(width, width_of(text)), ' ');
}

}  // namespace nnkernels::cli
