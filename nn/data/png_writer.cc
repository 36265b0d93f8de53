#include "nn/data/png_writer.h"

#include <zlib.h>

#include <new>
#include <stdexcept>
#include <string_view>

#include "nn/data/image.h"

namespace nnkernels::nn {
namespace {

const Bytef* zlib_bytes(const std::string& text) {
  return reinterpret_cast<const Bytef*>(text.data());
}

std::string big_endian(std::uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift & 0xFF);
  return bytes;
}

std::string chunk(std::string_view type, const std::string& data) {
  const std::string body = std::string(type) + data;
  const uLong crc = crc32(0, zlib_bytes(body), static_cast<uInt>(body.size()));
  return big_endian(static_cast<std::uint32_t>(data.size())) + body +
         big_endian(static_cast<std::uint32_t>(crc));
}

std::string deflated(const std::string& rows) {
  uLongf size = compressBound(static_cast<uLong>(rows.size()));
  std::string result(size, '\0');
  const int status = compress2(reinterpret_cast<Bytef*>(result.data()), &size, zlib_bytes(rows),
                               static_cast<uLong>(rows.size()), Z_BEST_COMPRESSION);
  if (status != Z_OK) throw std::bad_alloc();  // there is room: memory is all it can lack
  result.resize(size);
  return result;
}

}  // namespace

std::string encode_png(std::int64_t w, std::int64_t h, std::int64_t c,
                       std::span<const std::uint8_t> pixels) {
  const bool valid = w >= 1 && h >= 1 && w <= kMaxImageSide && h <= kMaxImageSide &&
                     (c == 1 || c == 3) && static_cast<std::int64_t>(pixels.size()) == w * h * c;
  if (!valid) {
    throw std::invalid_argument("encode_png: expected w and h from 1 to " +
                                std::to_string(kMaxImageSide) +
                                ", c of 1 or 3, and w h c pixels; got w = " + std::to_string(w) +
                                ", h = " + std::to_string(h) + ", c = " + std::to_string(c) +
                                " and " + std::to_string(pixels.size()) + " pixels");
  }
  const auto row = static_cast<std::size_t>(w * c);
  std::string rows;
  rows.reserve(pixels.size() + static_cast<std::size_t>(h));
  for (; !pixels.empty(); pixels = pixels.subspan(row)) {
    rows += '\0';  // no filter
    rows.append(pixels.begin(), pixels.begin() + static_cast<std::ptrdiff_t>(row));
  }
  constexpr char kGrey = 0;
  constexpr char kRgb = 2;
  const std::string header = big_endian(static_cast<std::uint32_t>(w)) +
                             big_endian(static_cast<std::uint32_t>(h)) +
                             std::string{8, c == 1 ? kGrey : kRgb, 0, 0, 0};
  return "\x89PNG\r\n\x1a\n" + chunk("IHDR", header) + chunk("IDAT", deflated(rows)) +
         chunk("IEND", "");
}

}  // namespace nnkernels::nn
