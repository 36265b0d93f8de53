#include "nn/data/image.h"

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

#include "tests/nn/file_fixtures.h"

namespace nnkernels::nn {
namespace {

Bytes netpbm(const std::string& header, const Bytes& pixels = {}) {
  Bytes bytes = bytes_of_text(header);
  bytes.insert(bytes.end(), pixels.begin(), pixels.end());
  return bytes;
}

std::string read_error(const TempFolder& folder, const Bytes& bytes) {
  const std::string path = folder.put("image", bytes);
  return file_error(path, [&] { read_image(path); });
}

TEST(ReadImage, ReadsNetpbm) {
  const TempFolder folder;
  struct Case {
    Bytes file;
    Bytes pixels;
  };
  const Case cases[] = {
      {netpbm("P5\n3 2\n255\n", {0, 1, 2, 253, 254, 255}), {0, 1, 2, 253, 254, 255}},
      {netpbm("P5 # a comment\n3 # w\n 2\n3\n", {0, 1, 2, 3, 0, 1}), {0, 85, 170, 255, 0, 85}},
      {netpbm("P5 3 2 65535 ", {0, 0, 255, 255, 128, 0, 0, 1, 1, 1, 127, 127}),
       {0, 255, 128, 0, 1, 127}},
      {netpbm("P5 3 2 256 ", {0, 0, 1, 0, 0, 128, 0, 255, 0, 1, 0, 2}), {0, 255, 128, 254, 1, 2}},
      {netpbm("P2\n3 2\n10\n0 5 10\n10 0 1"), {0, 128, 255, 255, 0, 26}},
      {netpbm("P6 3 2 255\n",
              {255, 255, 255, 0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 10, 10}),
       {255, 0, 76, 150, 29, 10}},
      {netpbm("P3 3 2 1\n1 1 1 0 0 0 1 0 0 0 1 0 0 0 1 1 1 1\n"), {255, 0, 76, 150, 29, 255}}};
  for (const Case& c : cases) {
    SCOPED_TRACE(std::string(c.file.begin(), c.file.begin() + 2));
    const GreyImage image = read_image(folder.put("any name", c.file));
    EXPECT_EQ(image.w, 3);
    EXPECT_EQ(image.h, 2);
    EXPECT_EQ(image.pixels, c.pixels);
  }
}

TEST(ReadImage, RefusesDamagedNetpbm) {
  const TempFolder folder;
  const Bytes good = netpbm("P5\n3 2\n255\n", {0, 1, 2, 3, 4, 5});
  for (std::size_t length = 0; length < good.size(); ++length) {
    SCOPED_TRACE(length);
    read_error(folder, {good.begin(), good.begin() + static_cast<std::ptrdiff_t>(length)});
  }
  EXPECT_TRUE(contains(read_error(folder, netpbm("P5 3 2 0\n")), "from 1 to 65535"));
  EXPECT_TRUE(contains(read_error(folder, netpbm("P5 3 2 70000\n")), "from 1 to 65535"));
  EXPECT_TRUE(contains(read_error(folder, netpbm("P5 0 2 255\n")), "found 0 x 2"));
  EXPECT_TRUE(contains(read_error(folder, netpbm("P5 99999999999 2 255\n")), "a huge number"));
  EXPECT_TRUE(contains(read_error(folder, netpbm("P5 16384 16384 255\n")), "16384 x 16384"));
  EXPECT_TRUE(contains(read_error(folder, netpbm("P5 8192 8192 255\n")), "67108864 more bytes"));
  EXPECT_TRUE(contains(read_error(folder, netpbm("P5 -3 2 255\n")), "a width, found \"-\""));
  EXPECT_TRUE(contains(read_error(folder, netpbm("P2 2 1 9\n1 10")), "at most 9, found 10"));
  EXPECT_TRUE(contains(read_error(folder, netpbm("P2 2 1 9\n11  ")), "at most 9, found 11"));
  EXPECT_TRUE(contains(read_error(folder, netpbm("P2 2 1 9\n1   ")), "found the end of the file"));
}

// A wrong width or height would otherwise give another picture of what is there.
TEST(ReadImage, WhatFollowsANetpbmImageIsAnotherOne) {
  const TempFolder folder;
  const Bytes pixels = {0, 1, 2, 3, 4, 5};
  EXPECT_TRUE(contains(read_error(folder, netpbm("P5\n2 2\n255\n", pixels)),
                       "at byte 15: expected the end of the file or another image"));
  EXPECT_TRUE(contains(read_error(folder, netpbm("P2 2 1 9 1 2 3")), "at byte 13"));
  const Bytes twice = netpbm("P5 3 2 255 ", netpbm("\1\2\3\4\5\6P5 1 1 255 ", {7}));
  EXPECT_EQ(read_image(folder.put("two", twice)).pixels, Bytes({1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(read_image(folder.put("plain", netpbm("P2 2 1 9 9 0\n\n"))).pixels, Bytes({255, 0}));
}

TEST(ReadImage, RefusesOtherFiles) {
  const TempFolder folder;
  EXPECT_TRUE(contains(read_error(folder, {}), "found an empty file"));
  EXPECT_TRUE(contains(read_error(folder, bytes_of_text("GIF89a....")), "\"GIF89a..\""));
  EXPECT_TRUE(contains(read_error(folder, bytes_of_text("P4 1 1 ")), "PNG, PGM or PPM"));
  EXPECT_TRUE(
      contains(file_error(folder.path(), [&] { read_image(folder.path()); }), "found a folder"));
}

#if NNKERNELS_HAVE_PNG

/// PNG files, written here by the specification so that every colour type, depth and interlacing
/// can be had, damage included.
struct PngWriter {
  std::uint32_t w = 0;
  std::uint32_t h = 0;
  std::uint8_t depth = 8;
  std::uint8_t colour = 0;  // 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGB and alpha
  bool interlaced = false;
  Bytes palette;       // of colour type 3
  Bytes transparency;  // the content of tRNS
  /// The samples of pixel (x, y).
  std::function<std::vector<std::uint32_t>(std::uint32_t x, std::uint32_t y)> pixel;

  static void add_chunk(Bytes& file, const std::string& type, const Bytes& data) {
    put_big_endian(file, static_cast<std::uint32_t>(data.size()));
    Bytes body = bytes_of_text(type);
    body.insert(body.end(), data.begin(), data.end());
    file.insert(file.end(), body.begin(), body.end());
    put_big_endian(
        file, static_cast<std::uint32_t>(crc32(0, body.data(), static_cast<uInt>(body.size()))));
  }

  /// One filter byte (none) and the packed samples of every step-th pixel of a row.
  void add_row(Bytes& raw, std::uint32_t y, std::uint32_t first, std::uint32_t step) const {
    raw.push_back(0);
    unsigned bits = 0;
    unsigned filled = 0;
    for (std::uint32_t x = first; x < w; x += step) {
      for (const std::uint32_t sample : pixel(x, y)) {
        if (depth == 16) raw.push_back(static_cast<std::uint8_t>(sample >> 8));
        if (depth >= 8) {
          raw.push_back(static_cast<std::uint8_t>(sample & 255));
          continue;
        }
        bits = bits << depth | sample;
        filled += depth;
        if (filled == 8) {
          raw.push_back(static_cast<std::uint8_t>(bits & 255));
          filled = 0;
        }
      }
    }
    if (filled > 0) raw.push_back(static_cast<std::uint8_t>(bits << (8 - filled) & 255));
  }

  Bytes file() const {
    Bytes raw;
    if (interlaced) {
      struct Pass {
        std::uint32_t x, y, step_x, step_y;
      };
      for (const Pass& pass :
           {Pass{0, 0, 8, 8}, Pass{4, 0, 8, 8}, Pass{0, 4, 4, 8}, Pass{2, 0, 4, 4},
            Pass{0, 2, 2, 4}, Pass{1, 0, 2, 2}, Pass{0, 1, 1, 2}}) {
        if (pass.x >= w) continue;
        for (std::uint32_t y = pass.y; y < h; y += pass.step_y) {
          add_row(raw, y, pass.x, pass.step_x);
        }
      }
    } else {
      for (std::uint32_t y = 0; y < h; ++y) add_row(raw, y, 0, 1);
    }
    uLongf packed_size = compressBound(raw.size());
    Bytes packed(packed_size);
    compress(packed.data(), &packed_size, raw.data(), raw.size());
    packed.resize(packed_size);

    Bytes file = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    Bytes header;
    put_big_endian(header, w);
    put_big_endian(header, h);
    header.insert(header.end(), {depth, colour, 0, 0, static_cast<std::uint8_t>(interlaced)});
    add_chunk(file, "IHDR", header);
    if (!palette.empty()) add_chunk(file, "PLTE", palette);
    if (!transparency.empty()) add_chunk(file, "tRNS", transparency);
    add_chunk(file, "IDAT", packed);
    add_chunk(file, "IEND", {});
    return file;
  }
};

/// A pattern of all levels of `depth` bits, 13 x 11.
PngWriter grey_png(std::uint8_t depth) {
  PngWriter png;
  png.w = 13;
  png.h = 11;
  png.depth = depth;
  png.pixel = [depth](std::uint32_t x, std::uint32_t y) {
    return std::vector<std::uint32_t>{(y * 13 + x) * 2654435761u >> (32 - depth)};
  };
  return png;
}

GreyImage read_png(const TempFolder& folder, const PngWriter& png) {
  return read_image(folder.put("any name", png.file()));
}

TEST(ReadImage, ReadsGreyPngExactly) {
  const TempFolder folder;
  for (const std::uint8_t depth : {1, 2, 4, 8, 16}) {
    for (const bool interlaced : {false, true}) {
      SCOPED_TRACE(std::to_string(depth) + (interlaced ? " bits, interlaced" : " bits"));
      PngWriter png = grey_png(depth);
      png.interlaced = interlaced;
      const GreyImage image = read_png(folder, png);
      ASSERT_EQ(image.w, 13);
      ASSERT_EQ(image.h, 11);
      const double max = std::exp2(depth) - 1;
      for (std::uint32_t i = 0; i < 13 * 11; ++i) {
        const double expected = png.pixel(i % 13, i / 13)[0] * 255.0 / max;
        ASSERT_NEAR(image.pixels[i], expected, depth == 16 ? 0.51 : 0.0) << i;
      }
    }
  }
}

TEST(ReadImage, PutsTransparencyOnWhite) {
  const TempFolder folder;
  PngWriter png;
  png.w = 4;
  png.h = 1;
  png.colour = 4;
  png.pixel = [](std::uint32_t x, std::uint32_t) {
    return std::vector<std::uint32_t>{x < 2 ? 0u : 100u, x % 2 == 0 ? 255u : 0u};
  };
  EXPECT_EQ(read_png(folder, png).pixels, Bytes({0, 255, 100, 255}));

  png.colour = 6;
  png.pixel = [](std::uint32_t x, std::uint32_t) {
    return std::vector<std::uint32_t>{0, 0, 0, x * 85};
  };
  EXPECT_EQ(read_png(folder, png).pixels, Bytes({255, 170, 85, 0}));

  png.colour = 0;
  png.transparency = {0, 7};  // grey level 7 is transparent
  png.pixel = [](std::uint32_t x, std::uint32_t) { return std::vector<std::uint32_t>{6 + x}; };
  EXPECT_EQ(read_png(folder, png).pixels, Bytes({6, 255, 8, 9}));
}

TEST(ReadImage, ReadsColourAndPalettePng) {
  const TempFolder folder;
  PngWriter png;
  png.w = 4;
  png.h = 2;
  png.colour = 2;
  png.pixel = [](std::uint32_t x, std::uint32_t y) {
    if (y == 1) return std::vector<std::uint32_t>(3, 60 * x);  // greys stay what they are
    std::vector<std::uint32_t> rgb = {0, 0, 0};
    if (x < 3) rgb[x] = 255;
    return rgb;
  };
  EXPECT_EQ(read_png(folder, png).pixels, Bytes({76, 150, 29, 0, 0, 60, 120, 180}));

  png.colour = 3;
  png.depth = 2;
  png.palette = {0, 0, 0, 50, 50, 50, 200, 200, 200, 255, 255, 255};
  png.pixel = [](std::uint32_t x, std::uint32_t y) {
    return std::vector<std::uint32_t>{(x + y) % 4};
  };
  EXPECT_EQ(read_png(folder, png).pixels, Bytes({0, 50, 200, 255, 50, 200, 255, 0}));
}

TEST(ReadImage, RefusesTruncatedPng) {
  const TempFolder folder;
  for (const bool interlaced : {false, true}) {
    PngWriter png = grey_png(8);
    png.interlaced = interlaced;
    const Bytes good = png.file();
    for (std::size_t length = 0; length < good.size(); ++length) {
      SCOPED_TRACE(length);
      read_error(folder, {good.begin(), good.begin() + static_cast<std::ptrdiff_t>(length)});
    }
  }
}

TEST(ReadImage, SurvivesEveryBitFlipInPng) {
  const TempFolder folder;
  for (const std::uint8_t colour : {0, 3, 6}) {
    PngWriter png = grey_png(8);
    png.colour = colour;
    if (colour == 3) {
      png.palette = Bytes(256 * 3, 9);
      png.transparency = Bytes(256, 100);
    }
    if (colour == 6) {
      png.pixel = [](std::uint32_t x, std::uint32_t y) {
        return std::vector<std::uint32_t>{x, y, x + y, 128};
      };
    }
    const Bytes good = png.file();
    for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
      Bytes flipped = good;
      flipped[bit / 8] = static_cast<std::uint8_t>(flipped[bit / 8] ^ (1u << bit % 8));
      try {
        read_image(folder.put("image", flipped));
      } catch (const FileError&) {
        continue;  // damage_test looks at what is accepted
      }
    }
  }
}

TEST(ReadImage, RefusesHugePngBeforeReadingIt) {
  const TempFolder folder;
  PngWriter png = grey_png(8);
  Bytes good = png.file();
  for (const std::uint32_t side : {16385u, 1u << 20, 0x7fffffffu}) {
    Bytes file = {good.begin(), good.begin() + 8};
    Bytes header;
    put_big_endian(header, side);
    put_big_endian(header, side);
    header.insert(header.end(), {8, 0, 0, 0, 0});
    PngWriter::add_chunk(file, "IHDR", header);
    file.insert(file.end(), good.begin() + 33, good.end());
    read_error(folder, file);
  }
}

TEST(ReadImage, DamagedTransparencyIsNotDropped) {
  const TempFolder folder;
  PngWriter png = grey_png(8);
  png.transparency = {0, 7};
  Bytes file = png.file();
  file[33 + 8 + 1] ^= 1;
  EXPECT_TRUE(contains(read_error(folder, file), "CRC"));
}

TEST(ReadImage, APngTooShortForItsPixelsTakesNoMemory) {
  const TempFolder folder;
  PngWriter png = grey_png(8);
  const Bytes good = png.file();
  Bytes file = {good.begin(), good.begin() + 8};
  Bytes header;
  put_big_endian(header, 8192);
  put_big_endian(header, 8192);
  header.insert(header.end(), {8, 0, 0, 0, 0});
  PngWriter::add_chunk(file, "IHDR", header);
  file.insert(file.end(), good.begin() + 33, good.end());
  EXPECT_TRUE(contains(read_error(folder, file), "too short for 8192 x 8192 pixels"));
}

// Each text could inflate to 8 MB, and a file can hold thousands.
TEST(ReadImage, TextsInAPngTakeNoMemory) {
  const TempFolder folder;
  const Bytes zeros(7'000'000);
  uLongf packed_size = compressBound(zeros.size());
  Bytes packed(packed_size);
  compress(packed.data(), &packed_size, zeros.data(), zeros.size());
  Bytes text = {'a', 0, 0};
  text.insert(text.end(), packed.begin(),
              packed.begin() + static_cast<std::ptrdiff_t>(packed_size));
  const Bytes good = grey_png(8).file();
  Bytes file = {good.begin(), good.begin() + 33};
  for (int i = 0; i < 100; ++i) PngWriter::add_chunk(file, "zTXt", text);
  file.insert(file.end(), good.begin() + 33, good.end());
  const std::string path = folder.put("image", file);
  rusage before;
  ::getrusage(RUSAGE_SELF, &before);
  EXPECT_EQ(read_image(path).w, 13);
  rusage after;
  ::getrusage(RUSAGE_SELF, &after);
  EXPECT_LE(after.ru_maxrss - before.ru_maxrss, 50 * 1024);  // in KiB
}

#else

TEST(ReadImage, SaysThatPngNeedsLibpng) {
  const TempFolder folder;
  EXPECT_TRUE(contains(read_error(folder, {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'}),
                       "without libpng"));
}

#endif

}  // namespace
}  // namespace nnkernels::nn
