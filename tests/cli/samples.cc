#include "tests/cli/samples.h"

#include <zlib.h>

#include <algorithm>
#include <cstdlib>

#include "tests/cli/process.h"

namespace nnkernels::cli::test {

namespace fs = std::filesystem;

namespace {

constexpr int kSide = 28;
constexpr int kBox = 20;

/// Whether the shape of a class has ink at (x, y), counted from its centre in half pixels: odd
/// numbers from -19 to 19.
bool has_ink(int label, int x, int y) {
  const int ax = std::abs(x);
  const int ay = std::abs(y);
  switch (label) {
    case 0:
      return std::max(ax, ay) > 13;  // frame
    case 1:
      return ax < 4;  // upright bar
    case 2:
      return ay < 4;  // level bar
    case 3:
      return ax < 4 || ay < 4;  // plus
    case 4:
      return std::abs(ax - ay) < 5;  // cross
    case 5:
      return ax + ay < 21;  // diamond
    case 6:
      return ax > 9 && ay > 9;  // four squares
    case 7:
      return ax > 13;  // two upright bars
    case 8:
      return ay > 13;  // two level bars
    default:
      return ax > 13 || ay < 4;  // H
  }
}

std::string big_endian(std::uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift & 0xFF);
  return bytes;
}

std::string text_of(const std::vector<std::uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

const Bytef* bytes_of(const std::string& text) {
  return reinterpret_cast<const Bytef*>(text.data());
}

std::string png_chunk(const std::string& type, const std::string& data) {
  const std::string body = type + data;
  const uLong crc = crc32(0, bytes_of(body), static_cast<uInt>(body.size()));
  return big_endian(static_cast<std::uint32_t>(data.size())) + body +
         big_endian(static_cast<std::uint32_t>(crc));
}

void write_half(const fs::path& folder, const std::string& stem, int count, bool compress_images) {
  std::vector<std::uint8_t> pixels;
  std::vector<std::uint8_t> labels;
  for (int i = 0; i < count; ++i) {
    const std::vector<std::uint8_t> image =
        shape_image(i % 10, static_cast<std::uint8_t>(255 - i % 64));
    pixels.insert(pixels.end(), image.begin(), image.end());
    labels.push_back(static_cast<std::uint8_t>(i % 10));
  }
  const auto n = static_cast<std::uint32_t>(count);
  const std::string images = idx({n, kSide, kSide}, pixels);
  if (compress_images) {
    write_file(folder / (stem + "-images-idx3-ubyte.gz"), gzip(images));
  } else {
    write_file(folder / (stem + "-images-idx3-ubyte"), images);
  }
  write_file(folder / (stem + "-labels-idx1-ubyte"), idx({n}, labels));
}

}  // namespace

std::string gzip(std::string_view bytes) {
  z_stream stream = {};
  constexpr int kGzip = 15 + 16;  // zlib's way of asking for a gzip header
  deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzip, 8, Z_DEFAULT_STRATEGY);
  std::string in(bytes);
  std::string out(deflateBound(&stream, static_cast<uLong>(in.size())), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string idx(const std::vector<std::uint32_t>& dims, const std::vector<std::uint8_t>& values) {
  std::string bytes = {0, 0, 8, static_cast<char>(dims.size())};
  for (const std::uint32_t dim : dims) bytes += big_endian(dim);
  return bytes + text_of(values);
}

std::vector<std::uint8_t> shape_image(int label, std::uint8_t ink) {
  std::vector<std::uint8_t> pixels(kSide * kSide, 0);
  constexpr int kMargin = (kSide - kBox) / 2;
  for (int y = 0; y < kBox; ++y) {
    for (int x = 0; x < kBox; ++x) {
      if (!has_ink(label, 2 * x + 1 - kBox, 2 * y + 1 - kBox)) continue;
      pixels[static_cast<std::size_t>((y + kMargin) * kSide + x + kMargin)] = ink;
    }
  }
  return pixels;
}

void write_shapes(const fs::path& folder) {
  fs::create_directories(folder);
  write_half(folder, "train", 200, true);
  write_half(folder, "t10k", 50, false);
}

std::vector<std::string> train_shapes(const fs::path& data, const fs::path& out,
                                      const std::vector<std::string>& arguments) {
  std::vector<std::string> all = {"train", "--model",     "mlp",      "--data", data.string(),
                                  "--out", out.string(),  "--epochs", "8",      "--batch-size",
                                  "20",    "--optimizer", "adam",     "--lr",   "0.002"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return all;
}

std::string pgm(int w, int h, const std::vector<std::uint8_t>& pixels) {
  return "P5\n" + std::to_string(w) + " " + std::to_string(h) + "\n255\n" + text_of(pixels);
}

std::string png(int w, int h, const std::vector<std::uint8_t>& pixels) {
  std::string rows;
  for (int y = 0; y < h; ++y) {
    rows += '\0';  // no filter
    rows += text_of({pixels.begin() + y * w, pixels.begin() + (y + 1) * w});
  }
  uLongf size = compressBound(static_cast<uLong>(rows.size()));
  std::string compressed(size, '\0');
  compress(reinterpret_cast<Bytef*>(compressed.data()), &size, bytes_of(rows),
           static_cast<uLong>(rows.size()));
  compressed.resize(size);
  const std::string header = big_endian(static_cast<std::uint32_t>(w)) +
                             big_endian(static_cast<std::uint32_t>(h)) +
                             std::string{8, 0, 0, 0, 0};  // 8 bits of grey
  return "\x89PNG\r\n\x1a\n" + png_chunk("IHDR", header) + png_chunk("IDAT", compressed) +
         png_chunk("IEND", "");
}

}  // namespace nnkernels::cli::test
