// Standard output and standard error, and numbers as people read them.
#ifndef NNKERNELS_CLI_OUTPUT_H_
#define NNKERNELS_CLI_OUTPUT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace nnkernels::cli {

/// Writes all of `text` to standard output, at once and unbuffered, so that a full disk or a reader
/// that has gone is noticed here: throws std::runtime_error naming the cause.
void print(std::string_view text);

/// Writes `line` and a line break to standard error: progress, remarks, errors. If that fails there
/// is nobody left to tell, and work goes on.
void report(std::string_view line);

/// Writes `text` to standard error as it is: for a line that will be drawn again.
void draw(std::string_view text);

/// `text` with control characters, which a file name may hold, replaced by '?': one line stays one
/// line, and no terminal is reprogrammed.
std::string one_line(std::string_view text);

/// `path` as one word of a command for a shell: in quotes where it needs some.
std::string shell_word(std::string path);

/// 1234567 -> "1,234,567".
std::string grouped(std::int64_t number);

/// With that many digits after the decimal point: fixed(2.5, 2) -> "2.50".
std::string fixed(double number, int digits);

/// 1.2e-09.
std::string scientific(double number);

/// A loss: four digits after the point, or scientific where that would show nothing.
std::string loss_text(double loss);

/// 0.98914 -> "98.91 %".
std::string percent(double fraction);

/// 69120 -> "69.1 kB"; powers of 1000.
std::string bytes_text(std::int64_t bytes);

/// 75 -> "1 min 15 s"; two units at most.
std::string duration(double seconds);

/// How many characters of UTF-8 `text` has: its width, where none is wide or combines with another.
std::size_t width_of(std::string_view text);

/// The first characters of `text`, at most `most`.
std::string_view first_of(std::string_view text, std::size_t most);

/// `text` filled up with blanks to `width` characters: in front, so that it ends at the right edge,
/// or behind.
std::string right(std::string_view text, std::size_t width);
std::string left(std::string_view text, std::size_t width);

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_OUTPUT_H_
