// Reader of IDX, the format of MNIST's files.
#ifndef NNKERNELS_NN_DATA_IDX_H_
#define NNKERNELS_NN_DATA_IDX_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace nnkernels::nn {

/// The content of one IDX file of bytes: a dense row-major array.
struct Idx {
  std::vector<std::int64_t> dims;  // 1, 3 or 4 of them, outermost first, each >= 1
  std::vector<std::uint8_t> values;
  /// True if the file was gzip. Value i is at byte 4 + 4 * dims.size() + i of the file, or else of
  /// what it inflates to.
  bool gzip = false;
};

/// Reads an IDX file of unsigned bytes with `rank` dimensions: 1 (labels, magic number
/// 0x00000801), 3 (images, 0x00000803) or 4 (images with channels last, 0x00000804). The file is
/// plain or gzip-compressed (RFC 1952, any number of members); its content decides which, not its
/// name.
///
/// The layout: two zero bytes, the type (0x08, unsigned byte), the rank, `rank` dimensions as
/// big-endian 32-bit numbers, the values. The file must have exactly the length that this gives:
/// neither cut nor with bytes to spare. For gzip its checksum and length must hold, too.
///
/// Memory: at most 64 MiB ahead of, or twice, what the file has really delivered, whatever its
/// header says; never more than the header says. For a gzip file of at most 64 MiB, up to its size
/// more while it is read.
///
/// Throws FileError (with the offset) for everything else, dimensions of 0 or above 2^31 - 1 and
/// arrays above kMaxDataBytes (nn/data/byte_source.h) included; std::invalid_argument for another
/// rank.
///
/// Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits", section
/// "File formats".
Idx read_idx(const std::string& path, int rank);

/// The same of a file's bytes; `path` is for messages.
Idx parse_idx(const std::string& path, std::span<const std::uint8_t> file, int rank);

/// The bytes of an IDX file with these dimensions (1, 3 or 4 of them) and values, in its plain
/// form. Throws std::invalid_argument for another rank, a
/// dimension that is not in [1, 2^31), or if `values` are not as many as the dimensions say.
std::vector<std::uint8_t> idx_file(const std::vector<std::int64_t>& dims,
                                   std::span<const std::uint8_t> values);

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_DATA_IDX_H_
