// Writes JSON (RFC 8259), one value after the other.
#ifndef NNKERNELS_CLI_JSON_WRITER_H_
#define NNKERNELS_CLI_JSON_WRITER_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace nnkernels::cli {

/// How many bytes the UTF-8 character at the beginning of `text` has (RFC 3629: shortest forms, no
/// surrogates, at most U+10FFFF); 0 if there is none.
std::size_t utf8_length(std::string_view text);

/// True if all of `text` is UTF-8.
bool is_utf8(std::string_view text);

/// Builds one JSON text:
///
///     JsonWriter json;
///     json.begin_object().member("model", "cnn").key("epoch_seconds").begin_array();
///     for (double s : seconds) json.value(s);
///     json.end_array().end_object();
///     print(json.str() + "\n");  // {"model": "cnn", "epoch_seconds": [1.25, 1.5]}
///
/// The output is ASCII-safe UTF-8: quotes, backslashes and control characters are escaped, and
/// bytes that are no UTF-8 (a file name may hold any) become U+FFFD. Numbers are the shortest text
/// that reads back as the same value; NaN and infinities, which JSON cannot express, become null.
class JsonWriter {
 public:
  enum class Style { kOneLine, kIndented };
  explicit JsonWriter(Style style = Style::kOneLine) : style_(style) {}

  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }
  JsonWriter& key(std::string_view name);

  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(const std::string& text) { return value(std::string_view(text)); }
  JsonWriter& value(double number);
  JsonWriter& value(float number);
  JsonWriter& value(bool truth);
  template <std::integral Integer>
  requires(!std::same_as<Integer, bool>) JsonWriter& value(Integer number) {
    return raw(std::to_string(number));
  }
  template <class T>
  JsonWriter& value(const std::vector<T>& items) {
    begin_array();
    for (const T& item : items) value(item);
    return end_array();
  }

  template <class T>
  JsonWriter& member(std::string_view name, const T& what) {
    return key(name).value(what);
  }

  /// The text so far; complete once every object and array has been closed.
  const std::string& str() const { return text_; }

 private:
  struct Level {
    bool object;
    bool empty = true;
  };
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  JsonWriter& raw(std::string_view token);
  void separate();
  void new_line();

  Style style_;
  std::string text_;
  std::vector<Level> levels_;
  bool after_key_ = false;
};

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_JSON_WRITER_H_
