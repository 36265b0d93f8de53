// The container format of model files: named tensors and a map of strings.
#ifndef NNKERNELS_NN_DATA_SAFETENSORS_H_
#define NNKERNELS_NN_DATA_SAFETENSORS_H_

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace nnkernels::nn {

/// Where a tensor's values are: bytes [begin, end) of the data, row-major, little-endian.
struct SafetensorsEntry {
  std::string name;
  std::string dtype;  // "F32", "F64", "I64"...
  std::vector<std::int64_t> shape;
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

struct SafetensorsHeader {
  std::map<std::string, std::string> metadata;
  std::vector<SafetensorsEntry> tensors;  // by ascending `begin`
  /// Where the data begins in the file: after the 8 bytes of the length, and the JSON.
  std::int64_t data_start = 0;
};

/// The largest header that parse_safetensors() accepts: 16 MiB.
inline constexpr std::int64_t kMaxSafetensorsHeader = std::int64_t{16} << 20;

/// The most dimensions that a tensor may have.
inline constexpr std::size_t kMaxSafetensorsRank = 8;

/// Reads the header of a whole safetensors file; `path` is for messages. Throws FileError unless
///
/// - the header's length is at most kMaxSafetensorsHeader and within the file, the header begins
/// with
///   "{" and is JSON in UTF-8, with nothing but spaces after it;
/// - no key occurs twice, "__metadata__" maps strings to strings, every other entry has a "dtype",
/// a
///   "shape" of up to 8 dimensions and "data_offsets", and nothing else or deeper;
/// - the values take just the bytes that dtype and shape give (computed without overflow), and all
///   tensors together tile the data: no gap, no overlap, none beyond or short of the file's end.
///
/// Source: Hugging Face, safetensors, README section "Format".
SafetensorsHeader parse_safetensors(const std::string& path, std::span<const std::uint8_t> file);

/// The file's bytes up to data_start: the length, and the JSON padded with spaces to a multiple
/// of 8. Throws std::invalid_argument, naming it, if a string is no UTF-8.
std::string safetensors_header(const std::map<std::string, std::string>& metadata,
                               std::span<const SafetensorsEntry> tensors);

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_DATA_SAFETENSORS_H_
