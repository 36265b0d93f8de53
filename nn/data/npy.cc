#include "nn/data/npy.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>

#include "nn/data/byte_source.h"
#include "nn/data/file.h"
#include "nn/file_error.h"

namespace nnkernels::nn {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

/// Where an array comes from: a file of its own, or an entry of an archive.
struct Input {
  std::function<std::size_t(std::span<std::uint8_t>)> read;
  std::function<void(const std::string&)> fail;  // throws
  std::int64_t size;                             // in all, or -1 if that is not known
};

/// The header's Python dictionary: {'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }
class Header {
 public:
  std::string type;
  bool fortran = false;
  std::vector<std::int64_t> shape;

  /// Empty, or what is wrong.
  std::string parse(std::string_view text) {
    rest_ = text;
    if (!take('{')) return "expected a dictionary";
    unsigned seen = 0;
    while (!take('}')) {
      const std::optional<std::string_view> key = quoted();
      if (!key || !take(':')) return "expected a key and a value";
      std::string problem;
      unsigned bit = 0;
      if (*key == "descr") {
        problem = parse_type();
        bit = 1U;
      } else if (*key == "fortran_order") {
        problem = parse_order();
        bit = 2U;
      } else if (*key == "shape") {
        problem = parse_shape();
        bit = 4U;
      } else {
        problem = "unknown key " + printable(*key);
      }
      if (!problem.empty()) return problem;
      if ((seen & bit) != 0) return printable(*key) + " occurs twice";
      seen |= bit;
      if (!take(',') && !peek('}')) return "expected a comma or a brace";
    }
    skip_blanks();
    if (!rest_.empty()) return "expected the end of the header, found " + printable(rest_);
    return seen == 7U ? "" : "expected the keys descr, fortran_order and shape";
  }

 private:
  void skip_blanks() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\n"), rest_.size()));
  }
  bool peek(char c) {
    skip_blanks();
    return rest_.starts_with(c);
  }
  bool take(char c) {
    if (!peek(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool take_word(std::string_view word) {
    skip_blanks();
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  std::optional<std::string_view> quoted() {
    const char quote = peek('"') ? '"' : '\'';
    if (!take(quote)) return std::nullopt;
    const std::size_t end = rest_.find(quote);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view text = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return text;
  }

  std::string parse_type() {
    const std::optional<std::string_view> text = quoted();
    if (!text) return "expected numbers of one type, found a structure";
    type = *text;
    return "";
  }
  std::string parse_order() {
    fortran = take_word("True");
    return fortran || take_word("False") ? "" : "expected True or False for fortran_order";
  }
  std::string parse_shape() {
    if (!take('(')) return "expected a tuple for the shape";
    while (!take(')')) {
      skip_blanks();
      std::int64_t dim = 0;
      const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), dim);
      if (error != std::errc() || dim < 0) return "expected whole numbers in the shape";
      // Of an empty array the product is 0 whatever the others are.
      if (dim > kMaxDataBytes) return "a dimension above " + std::to_string(kMaxDataBytes);
      rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
      shape.push_back(dim);
      if (shape.size() > kMaxNpyRank) {
        return "expected at most " + std::to_string(kMaxNpyRank) + " dimensions";
      }
      if (!take(',') && !peek(')')) return "expected a comma in the shape";
    }
    return "";
  }

  std::string_view rest_;
};

void read_all(const Input& input, std::span<std::uint8_t> to) {
  if (input.read(to) < to.size()) input.fail("expected an NPY array, the data ends in its header");
}

std::string_view text_of(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Reads up to the values; returns the header and where it ends.
std::pair<Header, std::int64_t> read_header(const Input& input) {
  std::array<std::uint8_t, 8> start;  // the magic word and the version
  read_all(input, start);
  if (!text_of(start).starts_with(kMagic)) {
    input.fail("expected an NPY array, found " + printable(text_of(start).substr(0, 6)));
  }
  const int version = start[6];
  if (version < 1 || version > 3 || start[7] != 0) {
    input.fail("expected version 1.0, 2.0 or 3.0 of NPY, found " + std::to_string(version) + "." +
               std::to_string(start[7]));
  }
  std::array<std::uint8_t, 4> length{};
  const std::size_t length_bytes = version == 1 ? 2 : 4;
  read_all(input, std::span(length).first(length_bytes));
  const std::int64_t size = length[0] | std::int64_t{length[1]} << 8 |
                            std::int64_t{length[2]} << 16 | std::int64_t{length[3]} << 24;
  if (size > kMaxNpyHeader) {
    input.fail("the NPY header has " + std::to_string(size) + " bytes, above the limit of " +
               std::to_string(kMaxNpyHeader));
  }
  std::vector<std::uint8_t> text(static_cast<std::size_t>(size));
  read_all(input, text);
  Header header;
  const std::string problem = header.parse(text_of(text));
  if (!problem.empty()) input.fail("damaged NPY header: " + problem);
  return {header, static_cast<std::int64_t>(start.size() + length_bytes) + size};
}

/// Kind and item size of NumPy's type `text`, such as "<f4"; throws by `fail` if it is none that
/// can be read.
NpyArray with_type(const std::string& text, const Input& input) {
  if (text.find('O') != std::string::npos) {
    input.fail(
        "holds Python objects; these are never read, for unpickling them could run any code: save "
        "plain numbers");
  }
  NpyArray array;
  const char* const end = text.data() + text.size();
  if (text.size() >= 3 && std::string_view("<>|=").find(text[0]) != std::string_view::npos) {
    array.kind = text[1];
    const auto [stop, error] = std::from_chars(text.data() + 2, end, array.item);
    const std::int64_t item = array.item;
    if (error == std::errc() && stop == end) {
      const bool whole = item == 1 || item == 2 || item == 4 || item == 8;
      if (array.kind == 'b' && item == 1) return array;
      if ((array.kind == 'u' || array.kind == 'i') && whole) return array;
      if (array.kind == 'f' && (item == 4 || item == 8)) return array;
      if (array.kind == 'S' && item >= 1 && item <= kMaxNpyHeader) return array;
    }
  }
  input.fail("expected numbers (bool, integers, float32 or float64), found the type " +
             printable(text));
  return array;  // not reached
}

/// The bytes that the values take; throws by `fail` if that is too much, or not what there is.
std::int64_t checked_bytes(const NpyArray& array, std::int64_t header_end, const Input& input) {
  std::int64_t bytes = array.item;
  const bool empty = std::find(array.shape.begin(), array.shape.end(), 0) != array.shape.end();
  for (const std::int64_t dim : array.shape) {
    if (!empty && dim > kMaxDataBytes / bytes) {
      input.fail("an array of shape " + array.shape_text() + " takes more than the limit of " +
                 std::to_string(kMaxDataBytes) + " bytes");
    }
    bytes = empty ? 0 : bytes * dim;
  }
  if (input.size >= 0 && input.size - header_end != bytes) {
    input.fail("an array of shape " + array.shape_text() + " takes " + std::to_string(bytes) +
               " bytes, found " + std::to_string(input.size - header_end));
  }
  return bytes;
}

/// From Fortran's order, in which the first index runs fastest, to C's.
std::vector<std::uint8_t> turned_round(const NpyArray& array) {
  std::vector<std::uint8_t> to(array.bytes.size());
  const std::size_t rank = array.shape.size();
  std::vector<std::int64_t> index(rank);
  std::vector<std::int64_t> stride(rank, 1);  // in the Fortran array, in elements
  for (std::size_t d = 1; d < rank; ++d) stride[d] = stride[d - 1] * array.shape[d - 1];
  const auto item = static_cast<std::size_t>(array.item);
  std::int64_t from = 0;
  for (std::size_t at = 0; at < to.size(); at += item) {
    std::copy_n(array.bytes.data() + from * array.item, item, to.data() + at);
    for (std::size_t d = rank; d-- > 0;) {
      from += stride[d];
      if (++index[d] < array.shape[d]) break;
      from -= stride[d] * array.shape[d];
      index[d] = 0;
    }
  }
  return to;
}

void swap_bytes(NpyArray& array) {
  for (std::int64_t at = 0; at < static_cast<std::int64_t>(array.bytes.size()); at += array.item) {
    std::reverse(array.bytes.begin() + at, array.bytes.begin() + at + array.item);
  }
}

NpyArray read(const Input& input) {
  auto [header, header_end] = read_header(input);
  NpyArray array = with_type(header.type, input);
  array.shape = std::move(header.shape);
  const std::int64_t bytes = checked_bytes(array, header_end, input);
  if (!read_in_steps(input.read, bytes, array.bytes)) {
    input.fail("expected " + std::to_string(bytes) + " bytes of values, the data ends in them");
  }
  if (header.type[0] == '>' && array.kind != 'S') swap_bytes(array);
  if (array.kind == 'b' && std::any_of(array.bytes.begin(), array.bytes.end(),
                                       [](std::uint8_t byte) { return byte > 1; })) {
    input.fail("expected bytes of 0 and 1 for bool, found another one");
  }
  // The strides of an empty array may overflow.
  const bool turn = header.fortran && array.shape.size() > 1 && bytes > 0;
  if (turn) array.bytes = turned_round(array);
  return array;
}

NpyArray read(InputFile& file) {
  return read(
      Input{.read = [&file](std::span<std::uint8_t> to) { return file.read(to); },
            .fail = [&file](const std::string& problem) { throw FileError(file.path(), problem); },
            .size = file.size()});
}

}  // namespace

std::int64_t NpyArray::size() const { return static_cast<std::int64_t>(bytes.size()) / item; }

std::string NpyArray::shape_text() const {
  std::string text = "(";
  for (const std::int64_t dim : shape) text += std::to_string(dim) + ", ";
  if (shape.size() > 1) text.resize(text.size() - 2);
  if (shape.size() == 1) text.pop_back();
  return text + ")";
}

NpyArray read_npy(const std::string& path) {
  InputFile file(path);
  return read(file);
}

NpyArray parse_npy(const std::string& path, std::span<const std::uint8_t> file) {
  InputFile input(path, file);
  return read(input);
}

NpyArray read_npy(const ZipArchive& archive, const ZipEntry& entry) {
  ZipReader reader(archive, entry);
  if (entry.size > kFreeInflation && entry.size / kMaxNpyInflation > entry.packed_size) {
    reader.fail("inflates from " + std::to_string(entry.packed_size) + " to " +
                std::to_string(entry.size) + " bytes, by more than the limit of " +
                std::to_string(kMaxNpyInflation) + " times (a zip bomb?)");
  }
  return read(Input{.read = [&reader](std::span<std::uint8_t> to) { return reader.read(to); },
                    .fail = [&reader](const std::string& problem) { reader.fail(problem); },
                    .size = entry.size});
}

std::vector<std::uint8_t> npy_file(const NpyArray& array) {
  std::string header = "{'descr': '";
  header += array.item == 1 || array.kind == 'S' ? '|' : '<';
  header += array.kind + std::to_string(array.item) +
            "', 'fortran_order': False, 'shape': " + array.shape_text() + ", }";
  // The values begin at a multiple of 64; the header ends with a line break.
  constexpr std::size_t kAlign = 64;
  const std::size_t start = kMagic.size() + 4;
  header.resize((start + header.size() + 1 + kAlign - 1) / kAlign * kAlign - start - 1, ' ');
  header += '\n';
  std::string text(kMagic);
  text +=
      {'\1', '\0', static_cast<char>(header.size() & 0xff), static_cast<char>(header.size() >> 8)};
  text += header;
  std::vector<std::uint8_t> file(text.size() + array.bytes.size());
  std::copy(array.bytes.begin(), array.bytes.end(),
            std::copy(text.begin(), text.end(), file.begin()));
  return file;
}

}  // namespace nnkernels::nn
