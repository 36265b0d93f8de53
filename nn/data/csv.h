// Data sets as text: one image a line, its label and its numbers separated by commas.
#ifndef NNKERNELS_NN_DATA_CSV_H_
#define NNKERNELS_NN_DATA_CSV_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "nn/data/dataset.h"

namespace nnkernels::nn {

enum class LabelColumn { first, last };

struct CsvOptions {
  LabelColumn label = LabelColumn::first;
  std::optional<ImageShape> image = {};  // empty: see shape_of_numbers()
};

/// The longest line that read_csv() accepts, in bytes: 16 MiB.
inline constexpr std::int64_t kMaxCsvLine = std::int64_t{16} << 20;

/// Reads one set (train or test) from a file such as mnist_train.csv: plain or gzip, whatever its
/// name. Each line holds a label from 0 to kMaxClasses - 1 and the numbers of one image, rows from
/// the top, channels last, all of them whole numbers from 0 to 255.
///
/// Lines end with LF or CRLF, the last one may do without. Accepted and skipped: a UTF-8 byte-order
/// mark, blanks around a number, empty lines, and a header: a first line that holds no number at
/// all (not even in quotes, nor nan), or only numbers that count the columns from 0 or 1, as pandas
/// does. classes and full are those of settle().
///
/// Memory: what the images take (at most kMaxDataBytes) and a line.
///
/// Throws FileError, with the line and, where it is about one of them, the column (both from 1):
/// lines of different lengths, what is no such number, a first line of names and numbers, no image
/// at all, an image that has not the shape asked for, damaged gzip data, the limits.
///
/// Numbers with a decimal point are refused, 7.0 too: such data sets are NPZ, which holds them
/// exactly. The format knows no length: of a file that was cut, read_csv() notices a line that is
/// short of columns, and no more.
Dataset read_csv(const std::string& path, const CsvOptions& options = {});

/// The same of a file's bytes; `path` is for messages.
Dataset parse_csv(const std::string& path, std::span<const std::uint8_t> file,
                  const CsvOptions& options = {});

/// The text that read_csv() with default options reads as `data` again: no header, the label
/// first, LF. Throws std::invalid_argument if the data set holds floats.
std::string csv_text(const Dataset& data);

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_DATA_CSV_H_
