#include "nn/data/csv.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "kernels/aligned_buffer.h"
#include "nn/data/byte_source.h"
#include "nn/data/file.h"
#include "nn/file_error.h"

namespace nnkernels::nn {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// The lines of a file, one after the other.
class Lines {
 public:
  explicit Lines(ByteSource& source) : source_(source), buffer_(kFirstBytes) {}

  /// The next line with its LF, which is added to a last line that has none; it stands until the
  /// next call. False at the end.
  bool next(std::string_view& line) {
    for (;;) {
      const std::string_view rest(buffer_.data() + begin_, end_ - begin_);
      const std::size_t length = rest.find('\n');
      if (length != std::string_view::npos) {
        line = rest.substr(0, length + 1);
        begin_ += length + 1;
        ++number_;
        return true;
      }
      if (ended_) return false;
      refill();
    }
  }

  /// Of the line that next() gave last, from 1.
  std::int64_t number() const { return number_; }

  [[noreturn]] void fail(const std::string& problem) const {
    throw FileError(source_.path(), "line " + std::to_string(number_) + ": " + problem);
  }

 private:
  static constexpr std::size_t kFirstBytes = std::size_t{1} << 16;

  /// Moves the begun line to the front and reads on behind it.
  void refill() {
    std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_),
              buffer_.begin() + static_cast<std::ptrdiff_t>(end_), buffer_.begin());
    end_ -= begin_;
    begin_ = 0;
    if (end_ > static_cast<std::size_t>(kMaxCsvLine)) {
      ++number_;
      fail("longer than the limit of " + std::to_string(kMaxCsvLine) + " bytes");
    }
    if (2 * end_ > buffer_.size()) buffer_.resize(2 * buffer_.size());
    const std::size_t room = buffer_.size() - end_ - 1;  // 1: for an LF that the file lacks
    const std::size_t count =
        source_.read({reinterpret_cast<std::uint8_t*>(buffer_.data()) + end_, room});
    end_ += count;
    ended_ = count < room;
    if (ended_ && end_ > 0 && buffer_[end_ - 1] != '\n') buffer_[end_++] = '\n';
  }

  ByteSource& source_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;  // of what next() has not given yet
  std::size_t end_ = 0;
  std::int64_t number_ = 0;
  bool ended_ = false;
};

bool is_blank(std::string_view line) {
  return line.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

/// Without what may stand around it: `characters`, on either side.
std::string_view without(std::string_view text, std::string_view characters) {
  const std::size_t first = text.find_first_not_of(characters);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(characters) - first + 1);
}

/// Also "nan" and "inf", and what is in quotes: rows that a program wrote, if none that can be
/// read.
bool is_number(std::string_view field) {
  const std::string_view digits = without(without(field, "\""), "+ ");
  double value = 0;
  const char* const end = digits.data() + digits.size();
  return std::from_chars(digits.data(), end, value).ptr == end && !digits.empty();
}

/// So many numbers that go up by one are no image.
constexpr std::int64_t kCountedColumns = 3;

/// Whether the first line names the columns; fails if it both does and does not. Numbers name
/// columns where they count these, as pandas does: label, 0, 1, 2, ...
bool is_header(const Lines& lines, std::string_view line) {
  std::string_view name;
  std::string_view number;
  std::int64_t numbers = 0, next = 0;
  bool counting = true;
  for (std::size_t at = 0; at <= line.size();) {
    const std::size_t end = std::min(line.find(',', at), line.size());
    const std::string_view field = without(line.substr(at, end - at), " \t\r\n");
    if (is_number(field)) {
      if (numbers++ == 0 && field == "1") next = 1;
      counting = counting && field == std::to_string(next++);
      number = field;
    } else if (!field.empty()) {
      name = field;
    }
    at = end + 1;
  }
  if (name.empty() || numbers == 0) return numbers == 0 && !name.empty();
  if (counting && numbers >= kCountedColumns) return true;
  lines.fail("expected names of columns or numbers, found both: " + printable(name) + " and " +
             printable(number));
}

std::int64_t count_columns(std::string_view line) {
  return 1 + std::count(line.begin(), line.end(), ',');
}

/// The field of a line that begins at or around `at`, as it may stand in a message.
std::string field_text(std::string_view line, const char* at) {
  const auto middle = static_cast<std::size_t>(at - line.data());
  const std::size_t comma = middle == 0 ? std::string_view::npos : line.rfind(',', middle - 1);
  const std::size_t begin = comma == std::string_view::npos ? 0 : comma + 1;
  const std::size_t end = std::min(line.find_first_of(",\r\n", begin), line.size());
  return begin == end ? "nothing" : printable(line.substr(begin, end - begin));
}

/// Takes a line apart, number by number.
class Row {
 public:
  Row(const Lines& lines, std::string_view line, std::int64_t columns)
      : lines_(lines), line_(line), columns_(columns), at_(line.data()) {}

  /// The next number, of at most `most`, and the comma or the end of the line behind it.
  int number(int most) {
    // Almost always a digit comes at once, and a comma behind at most three of them; all else is
    // for number_with_blanks(). Every loop ends at the line's LF.
    const char* at = at_;
    int value = 0;
    while (is_digit(*at) && value <= most) value = value * 10 + (*at++ - '0');
    const bool last = column_ + 1 == columns_;
    if (at == at_ || value > most || *at != (last ? '\n' : ',')) {
      return number_with_blanks(most, last);
    }
    at_ = at + 1;
    ++column_;
    return value;
  }

 private:
  void skip_blanks() {
    while (*at_ == ' ' || *at_ == '\t' || *at_ == '\r') ++at_;
  }

  int number_with_blanks(int most, bool last) {
    const char* const begin = at_;
    skip_blanks();
    const char* const digits = at_;
    int value = 0;
    while (is_digit(*at_) && value <= most) value = value * 10 + (*at_++ - '0');
    const bool good = at_ != digits && value <= most;
    skip_blanks();
    if (good && *at_ == (last ? '\n' : ',')) {
      ++at_;
      ++column_;
      return value;
    }
    // A line of another length shows at its end, or after it, and says more than the number there.
    const std::int64_t found = count_columns(line_);
    if (found != columns_) {
      lines_.fail("expected " + std::to_string(columns_) + " columns as before, found " +
                  std::to_string(found));
    }
    const std::string found_text = field_text(line_, begin);
    const bool decimal = is_digit(*digits) && found_text.find('.') != std::string::npos;
    lines_.fail("column " + std::to_string(column_ + 1) + ": expected a " +
                (most == 255 ? "whole number" : "label") + " from 0 to " + std::to_string(most) +
                ", found " + found_text + (decimal ? " (NPZ files hold decimals)" : ""));
  }

  const Lines& lines_;
  std::string_view line_;
  std::int64_t columns_;
  std::int64_t column_ = 0;  // of the next number
  const char* at_;
};

/// Gets the memory for one more image. Images need room that grows with what has been read.
void grow(std::vector<std::uint8_t>& pixels, std::size_t more) {
  const std::size_t needed = pixels.size() + more;
  if (needed > pixels.capacity()) {
    pixels.reserve(std::max(needed, 2 * pixels.capacity()));
    use_huge_pages(pixels.data(), pixels.capacity());
  }
  pixels.resize(needed);
}

void take_row(const Lines& lines, std::string_view line, LabelColumn where, Dataset& data) {
  const auto numbers = static_cast<std::size_t>(data.h * data.w * data.c);
  Row row(lines, line, static_cast<std::int64_t>(numbers) + 1);
  const std::size_t start = data.pixels.size();
  grow(data.pixels, numbers);
  if (where == LabelColumn::first) data.labels.push_back(row.number(kMaxClasses - 1));
  std::uint8_t* const to = data.pixels.data() + start;
  for (std::size_t i = 0; i < numbers; ++i) to[i] = static_cast<std::uint8_t>(row.number(255));
  if (where == LabelColumn::last) data.labels.push_back(row.number(kMaxClasses - 1));
  ++data.n;
}

/// The shape of the images, from the first line.
ImageShape shape_of(const Lines& lines, std::string_view line, const CsvOptions& options) {
  const std::int64_t columns = count_columns(line);
  if (columns < 2) {
    lines.fail("expected a label and at least one number, separated by commas, found " +
               field_text(line, line.data()));
  }
  const std::optional<ImageShape> shape = shape_of_numbers(columns - 1, options.image);
  if (!shape) {
    lines.fail("expected images of " + std::to_string(options.image->h) + "x" +
               std::to_string(options.image->w) + "x" + std::to_string(options.image->c) +
               ", found " + std::to_string(columns - 1) + " numbers beside the label");
  }
  return *shape;
}

Dataset read(ByteSource& source, const CsvOptions& options) {
  Lines lines(source);
  Dataset data{.name = source.path(), .pixels = {}, .labels = {}};
  std::int64_t header_columns = 0;
  for (std::string_view line; lines.next(line);) {
    if (lines.number() == 1 && line.starts_with(kByteOrderMark)) {
      line.remove_prefix(kByteOrderMark.size());
    }
    if (is_blank(line)) continue;
    if (data.n == 0) {
      if (header_columns == 0 && is_header(lines, line)) {
        header_columns = count_columns(line);
        continue;
      }
      const ImageShape shape = shape_of(lines, line, options);
      if (header_columns != 0 && header_columns != count_columns(line)) {
        lines.fail("expected " + std::to_string(header_columns) + " columns as in the header, " +
                   "found " + std::to_string(count_columns(line)));
      }
      data.h = shape.h;
      data.w = shape.w;
      data.c = shape.c;
    }
    take_row(lines, line, options.label, data);
    if (static_cast<std::int64_t>(data.pixels.size()) > kMaxDataBytes) {
      lines.fail("the images take more than the limit of " + std::to_string(kMaxDataBytes) +
                 " bytes");
    }
  }
  if (data.n == 0) throw FileError(source.path(), "expected lines of numbers, found none");
  settle(data);
  return data;
}

}  // namespace

Dataset read_csv(const std::string& path, const CsvOptions& options) {
  ByteSource source(path);
  return read(source, options);
}

Dataset parse_csv(const std::string& path, std::span<const std::uint8_t> file,
                  const CsvOptions& options) {
  ByteSource source(path, file);
  return read(source, options);
}

std::string csv_text(const Dataset& data) {
  if (!data.values.empty()) {
    throw std::invalid_argument("csv_text: expected a data set of bytes, got one of floats");
  }
  std::array<std::string, 256> numbers;  // each with a comma in front
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = "," + std::to_string(i);
  const auto size = static_cast<std::size_t>(data.h * data.w * data.c);
  std::string text;
  text.reserve(3 * data.pixels.size() + 8 * data.labels.size());
  for (std::size_t i = 0; i < data.labels.size(); ++i) {
    text += std::to_string(data.labels[i]);
    for (std::size_t j = 0; j < size; ++j) text += numbers[data.pixels[i * size + j]];
    text += '\n';
  }
  return text;
}

}  // namespace nnkernels::nn
