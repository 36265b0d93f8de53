// PNG and Netpbm.
#include <algorithm>
#include <array>
#include <stdexcept>
#include <vector>

#include "fuzz/targets.h"
#include "nn/data/deflate.h"
#include "nn/data/digit_image.h"
#include "nn/data/image.h"

namespace nnkernels::fuzz {
namespace {

/// Whether `bytes` are an image; checks what is promised of one.
bool check_image(Bytes bytes) {
  nn::Picture picture;
  if (!accepted([&] { picture = nn::parse_picture(kPath, bytes); })) return false;
  const std::int64_t size = picture.w * picture.h * picture.c;
  require(size >= 1 && picture.pixels.size() == static_cast<std::size_t>(size) &&
              (picture.c == 1 || picture.c == 3),
          "as many pixels as w h c");
  // Larger ones take the fuzzer's time and show nothing new.
  if (size > 10'000) return true;
  try {
    const nn::GreyImage digit = nn::to_digit(nn::to_grey(picture));
    require(digit.pixels.size() == nn::kDigitSide * nn::kDigitSide, "a digit of 28 x 28");
  } catch (const std::invalid_argument&) {
    // No ink.
  }
#ifdef NNKERNELS_WITH_PNG
  const nn::Picture again =
      nn::parse_picture(kPath, nn::png_file(picture.h, picture.w, picture.c, picture.pixels));
  require(again.w == picture.w && again.h == picture.h && again.c == picture.c &&
              again.pixels == picture.pixels,
          "PNG reads back");
#endif
  return true;
}

std::size_t big_endian(Bytes bytes) {
  return std::size_t{bytes[0]} << 24 | std::size_t{bytes[1]} << 16 | std::size_t{bytes[2]} << 8 |
         bytes[3];
}

constexpr std::array<std::uint8_t, 8> kSignature = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

/// `png` with the checksum of each chunk as it should be, which a fuzzer could not guess.
std::vector<std::uint8_t> with_checksums(Bytes png) {
  std::vector<std::uint8_t> file(png.begin(), png.end());
  std::copy_n(kSignature.begin(), std::min(kSignature.size(), file.size()), file.begin());
  for (std::size_t at = 8; at + 12 <= file.size();) {
    const std::size_t length = big_endian(Bytes(file).subspan(at));
    if (length > file.size() - at - 12) break;
    const std::uint32_t crc = nn::crc32_of(Bytes(file).subspan(at + 4, length + 4));
    for (std::size_t i = 0; i < 4; ++i) {
      file[at + 8 + length + i] = static_cast<std::uint8_t>(crc >> (24 - 8 * i));
    }
    at += 12 + length;
  }
  return file;
}

}  // namespace

void run_netpbm(Bytes bytes) { check_image(bytes); }

void run_png(Bytes bytes) {
  const std::vector<std::uint8_t> repaired = with_checksums(bytes);
  const bool good = check_image(repaired);
  const bool is_png = bytes.size() >= kSignature.size() &&
                      std::equal(kSignature.begin(), kSignature.end(), bytes.begin());
  if (!is_png || std::ranges::equal(repaired, bytes)) return;
  require(!check_image(bytes) || good, "a wrong checksum makes nothing right");
}

}  // namespace nnkernels::fuzz
