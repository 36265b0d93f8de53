#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>

#include "nn/data/deflate.h"
#include "nn/data/image.h"

namespace nnkernels::nn {
namespace {

using Bytes = std::vector<std::uint8_t>;

void put_big_endian(Bytes& bytes, std::uint32_t value) {
  for (const int shift : {24, 16, 8, 0}) {
    bytes.push_back(static_cast<std::uint8_t>(value >> shift & 0xff));
  }
}

/// Adds a chunk: length, type, data, and the CRC-32 of the latter two.
void put_chunk(Bytes& file, std::string_view type, std::span<const std::uint8_t> data) {
  put_big_endian(file, static_cast<std::uint32_t>(data.size()));
  const std::size_t begin = file.size();
  file.insert(file.end(), type.begin(), type.end());
  file.insert(file.end(), data.begin(), data.end());
  put_big_endian(file, crc32_of(std::span(file).subspan(begin)));
}

}  // namespace

Bytes png_file(std::int64_t h, std::int64_t w, std::int64_t c,
               std::span<const std::uint8_t> pixels) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
  const auto count = static_cast<std::int64_t>(pixels.size());
  const bool fits = (c == 1 || c == 3) && h >= 1 && w >= 1 && h <= kMost && w <= kMost &&
                    count % h == 0 && count / h == w * c;
  if (!fits) {
    throw std::invalid_argument("png_file: expected h x w x 1 or 3 bytes, got " +
                                std::to_string(h) + " x " + std::to_string(w) + " x " +
                                std::to_string(c) + " and " + std::to_string(count) + " bytes");
  }
  Bytes file = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  Bytes header;
  put_big_endian(header, static_cast<std::uint32_t>(w));
  put_big_endian(header, static_cast<std::uint32_t>(h));
  // 8 bits a sample, grey or RGB, deflate, the five filters, not interlaced.
  header.insert(header.end(), {8, static_cast<std::uint8_t>(c == 1 ? 0 : 2), 0, 0, 0});
  put_chunk(file, "IHDR", header);
  Bytes rows;
  rows.reserve(static_cast<std::size_t>(count + h));
  const auto row = static_cast<std::size_t>(w * c);
  for (std::size_t at = 0; at < pixels.size(); at += row) {
    rows.push_back(0);  // this row is not filtered
    rows.insert(rows.end(), pixels.begin() + static_cast<std::ptrdiff_t>(at),
                pixels.begin() + static_cast<std::ptrdiff_t>(at + row));
  }
  put_chunk(file, "IDAT", deflated(rows, Wrapping::zlib));
  put_chunk(file, "IEND", {});
  return file;
}

}  // namespace nnkernels::nn
