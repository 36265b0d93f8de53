#include "nn/data/png_writer.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#if NNKERNELS_HAVE_PNG
#include "nn/data/image.h"
#include "tests/nn/file_fixtures.h"
#endif

namespace nnkernels::nn {
namespace {

std::uint32_t number_at(const std::string& bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    value = value << 8 | static_cast<unsigned char>(bytes.at(at + i));
  }
  return value;
}

/// The data of the chunk at `at`, whose checksum must be right; `at` becomes the next one's place.
std::string take_chunk(const std::string& png, std::size_t& at, const std::string& type) {
  const std::uint32_t size = number_at(png, at);
  EXPECT_EQ(png.substr(at + 4, 4), type);
  const std::string body = png.substr(at + 4, 4 + size);
  EXPECT_EQ(crc32(0, reinterpret_cast<const Bytef*>(body.data()), size + 4),
            number_at(png, at + 8 + size));
  at += 12 + size;
  return body.substr(4);
}

TEST(PngWriter, WritesRowsOfColours) {
  const std::vector<std::uint8_t> pixels = {255, 0, 0, 0, 255, 0, 0, 0, 255, 1, 2, 3};
  const std::string png = encode_png(2, 2, 3, pixels);
  EXPECT_EQ(png.substr(0, 8), "\x89PNG\r\n\x1a\n");
  std::size_t at = 8;
  const std::string header = take_chunk(png, at, "IHDR");
  EXPECT_EQ(number_at(header, 0), 2u);
  EXPECT_EQ(number_at(header, 4), 2u);
  EXPECT_EQ(header.substr(8), std::string("\x08\x02\0\0\0", 5));
  const std::string data = take_chunk(png, at, "IDAT");
  std::string rows(14, '?');
  uLongf size = rows.size();
  ASSERT_EQ(uncompress(reinterpret_cast<Bytef*>(rows.data()), &size,
                       reinterpret_cast<const Bytef*>(data.data()), data.size()),
            Z_OK);
  EXPECT_EQ(size, 14u);
  EXPECT_EQ(rows, std::string("\0\xff\0\0\0\xff\0\0\0\0\xff\x01\x02\x03", 14));
  EXPECT_EQ(take_chunk(png, at, "IEND"), "");
  EXPECT_EQ(at, png.size());
}

#if NNKERNELS_HAVE_PNG
TEST(PngWriter, WritesWhatLibpngReads) {
  const TempFolder folder;
  std::vector<std::uint8_t> pixels;
  pixels.reserve(35);
  for (int i = 0; i < 35; ++i) pixels.push_back(static_cast<std::uint8_t>(7 * i));
  const std::string png = encode_png(7, 5, 1, pixels);
  const GreyImage image = read_image(folder.put("grey.png", bytes_of_text(png)));
  EXPECT_EQ(image.w, 7);
  EXPECT_EQ(image.h, 5);
  EXPECT_EQ(image.pixels, pixels);
}
#endif

TEST(PngWriter, RefusesWhatIsNoImage) {
  const std::vector<std::uint8_t> six(6);
  EXPECT_THROW(encode_png(2, 2, 1, six), std::invalid_argument);
  EXPECT_THROW(encode_png(3, 1, 2, six), std::invalid_argument);
  EXPECT_THROW(encode_png(0, 1, 1, {}), std::invalid_argument);
  EXPECT_THROW(encode_png(-2, -3, 1, six), std::invalid_argument);
  EXPECT_THROW(encode_png(16385, 1, 1, std::vector<std::uint8_t>(16385)), std::invalid_argument);
}

}  // namespace
}  // namespace nnkernels::nn
