#include "cli/numbers.h"

#include <array>

#include "cli/exit_code.h"

namespace nnkernels::cli {

std::string number_text(double number) {
  std::array<char, 32> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number);
  return {buffer.data(), end.ptr};
}

void reject_value(const std::string& name, const std::string& expected, const std::string& text) {
  throw UsageError(name + ": expected " + expected + ", got \"" + text + "\"");
}

std::string joined(std::span<const std::string> words, const std::string& separator) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : separator) + word;
  return text;
}

}  // namespace nnkernels::cli
