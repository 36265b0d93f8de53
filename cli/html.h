// Writes HTML that is also well-formed XML: every tag is closed, every text is escaped.
#ifndef NNKERNELS_CLI_HTML_H_
#define NNKERNELS_CLI_HTML_H_

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace nnkernels::cli {

/// `text` as it may stand in an element or in a quoted attribute. Bytes that are no UTF-8 and
/// control characters, which XML forbids, become U+FFFD; line breaks and tabs become blanks.
std::string escaped(std::string_view text);

struct Attribute {
  std::string_view name;
  std::string value;
};

/// Builds a document or a part of one:
///
///     HtmlWriter html;
///     html.open("p", {{"class", "note"}}).text("5 < 7").close();  // <p class="note">5 &lt; 7</p>
///
/// Names of tags and attributes are written as they are; texts and values may be anything.
class HtmlWriter {
 public:
  using Attributes = std::initializer_list<Attribute>;

  HtmlWriter& open(std::string_view tag, Attributes attributes = {});
  /// Closes the element that was opened last.
  HtmlWriter& close();
  HtmlWriter& text(std::string_view text);
  /// An element that holds a text only.
  HtmlWriter& element(std::string_view tag, std::string_view text, Attributes attributes = {});
  /// An element without content: <img .../>.
  HtmlWriter& empty(std::string_view tag, Attributes attributes);

  /// The text so far; complete once every element has been closed.
  const std::string& str() const { return text_; }

 private:
  void begin(std::string_view tag, Attributes attributes);

  std::string text_;
  std::vector<std::string> open_;
};

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_HTML_H_
