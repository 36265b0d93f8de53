// Reader of IDX, the format of MNIST's files.
#ifndef NNKERNELS_NN_DATA_IDX_H_
#define NNKERNELS_NN_DATA_IDX_H_

#include <cstdint>
#include <string>
#include <vector>

namespace nnkernels::nn {

/// The content of one IDX file of bytes: a dense row-major array.
struct Idx {
  std::vector<std::int64_t> dims;  // 1 or 3 of them, outermost first, each >= 1
  std::vector<std::uint8_t> values;
  /// True if the file was gzip. Value i is at byte 4 + 4 * dims.size() + i of the file, or else of
  /// what it inflates to.
  bool gzip = false;
};

/// The largest array that read_idx() accepts, in bytes: 4 GiB.
inline constexpr std::int64_t kMaxIdxBytes = std::int64_t{1} << 32;

/// Reads an IDX file of unsigned bytes with `rank` dimensions: 1 (labels, magic number 0x00000801)
/// or 3 (images, 0x00000803). The file is plain or gzip-compressed (RFC 1952, any number of
/// members); its content decides which, not its name.
///
/// The layout: two zero bytes, the type (0x08, unsigned byte), the rank, `rank` dimensions as
/// big-endian 32-bit numbers, the values. The file must have exactly the length that this gives:
/// neither cut nor with bytes to spare. For gzip its checksum and length must hold, too.
///
/// Memory: at most 64 MiB ahead of, or twice, what the file has really delivered, whatever its
/// header says; never more than the header says.
///
/// Throws FileError (with the offset) for everything else, dimensions of 0 or above 2^31 - 1 and
/// arrays above kMaxIdxBytes included; std::invalid_argument for another rank.
///
/// Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits", section
/// "File formats".
Idx read_idx(const std::string& path, int rank);

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_DATA_IDX_H_
