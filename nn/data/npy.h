// NumPy's file format for one array.
#ifndef NNKERNELS_NN_DATA_NPY_H_
#define NNKERNELS_NN_DATA_NPY_H_

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "nn/data/zip.h"

namespace nnkernels::nn {

/// A dense array, row-major and little-endian whatever the file was.
struct NpyArray {
  char kind = 'u';        // b bool, u unsigned, i signed, f float, S bytes (text)
  std::int64_t item = 1;  // bytes an element: 1, 2, 4 or 8; 4 or 8 for f; any for S
  std::vector<std::int64_t> shape;
  std::vector<std::uint8_t> bytes;

  /// The number of elements.
  std::int64_t size() const;
  /// "(60000, 28, 28)", as Python writes it.
  std::string shape_text() const;
};

/// Calls f(at) with a function at(i) that gives element i in its own type, for numbers (not S).
template <class F>
decltype(auto) visit_numbers(const NpyArray& array, F&& f) {
  const auto with = [&](auto of_this_type) -> decltype(auto) {
    using T = decltype(of_this_type);
    return f([bytes = array.bytes.data()](std::int64_t i) {
      T value;
      std::memcpy(&value, bytes + i * static_cast<std::int64_t>(sizeof(T)), sizeof(T));
      return value;
    });
  };
  if (array.kind == 'f') return array.item == 8 ? with(double{}) : with(float{});
  if (array.kind == 'i') {
    if (array.item == 8) return with(std::int64_t{});
    if (array.item == 4) return with(std::int32_t{});
    return array.item == 2 ? with(std::int16_t{}) : with(std::int8_t{});
  }
  if (array.item == 8) return with(std::uint64_t{});
  if (array.item == 4) return with(std::uint32_t{});
  return array.item == 2 ? with(std::uint16_t{}) : with(std::uint8_t{});
}

/// The longest header that is accepted, as in NumPy itself: 10,000 bytes.
inline constexpr std::int64_t kMaxNpyHeader = 10000;

/// The most dimensions that an array may have.
inline constexpr std::size_t kMaxNpyRank = 8;

/// What inflates to more than kFreeInflation bytes is refused if it inflates by more than
/// kMaxNpyInflation times. Real arrays stay below: MNIST as float64, four fifths of it zeros, comes
/// to 30.
inline constexpr std::int64_t kFreeInflation = std::int64_t{64} << 20;
inline constexpr std::int64_t kMaxNpyInflation = 200;

/// Reads a .npy file of version 1, 2 or 3: bool, integers of 1 to 8 bytes and floats of 4 and 8 in
/// either byte order, byte strings, in C or Fortran order. The header must be what NumPy writes: a
/// dictionary of these three keys, each once, up to kMaxNpyRank dimensions, and bytes of a bool are
/// 0 or 1. The file must end where its header says.
///
/// Objects are refused, for they are pickled, and unpickling runs code; so are structures.
/// Memory: never more than the values take (at most kMaxDataBytes), nor than 64 MiB ahead of, or
/// twice, what the file has delivered (twice that where a Fortran order is turned round). Throws
/// FileError for everything else.
///
/// Source: NumPy documentation, "numpy.lib.format".
NpyArray read_npy(const std::string& path);

/// The same of a file's bytes; `path` is for messages.
NpyArray parse_npy(const std::string& path, std::span<const std::uint8_t> file);

/// The same from an entry of an archive. An entry that inflates beyond the limits above is refused,
/// too: a zip bomb.
NpyArray read_npy(const ZipArchive& archive, const ZipEntry& entry);

/// The bytes of a .npy file (version 1.0, C order) of such an array.
std::vector<std::uint8_t> npy_file(const NpyArray& array);

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_DATA_NPY_H_
