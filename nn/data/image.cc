#include "nn/data/image.h"

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <new>
#include <span>

#ifdef NNKERNELS_WITH_PNG
#include <png.h>
#endif

#include "nn/data/byte_source.h"
#include "nn/data/file.h"
#include "nn/file_error.h"

namespace nnkernels::nn {
namespace {

using Bytes = std::span<const std::uint8_t>;

void check_size(const std::string& path, std::int64_t w, std::int64_t h) {
  if (w < 1 || h < 1 || w > kMaxImageSide || h > kMaxImageSide || w * h > kMaxImagePixels) {
    throw FileError(path, "expected an image of 1 x 1 to " + std::to_string(kMaxImageSide) + " x " +
                              std::to_string(kMaxImageSide) + " and at most " +
                              std::to_string(kMaxImagePixels) + " pixels, found " +
                              std::to_string(w) + " x " + std::to_string(h));
  }
}

/// Of ITU-R BT.601, in the range of its arguments.
int luminance(int red, int green, int blue) {
  return (299 * red + 587 * green + 114 * blue + 500) / 1000;
}

#ifdef NNKERNELS_WITH_PNG
/// A PNG file that libpng reads. Not by its simplified interface: that of 1.6.50 and older writes
/// beyond the buffer for interlaced images of 16 bits (CVE-2025-65018).
///
/// libpng reports an error by longjmp(). It must not jump over C++ objects, so that setjmp() stands
/// in functions that have none, while this class owns everything that is to be freed.
class PngReader {
 public:
  explicit PngReader(Bytes file)
      : file_(file),
        png_(png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, on_warning)) {
    if (png_ == nullptr) throw std::bad_alloc();
    info_ = png_create_info_struct(png_);
    if (info_ == nullptr) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      throw std::bad_alloc();
    }
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  /// Reads up to the pixels; false on an error.
  bool read_header() noexcept {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;  // NOLINT(cert-err52-cpp): see above
    png_set_read_fn(png_, this, on_read);
    // Whatever is wrong is an error; libpng would rather drop damaged transparency with a warning.
    png_set_crc_action(png_, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    png_set_benign_errors(png_, 0);
    // Chunks that are not used are skipped: texts and profiles could each inflate to megabytes.
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
    png_read_info(png_, info_);
    bits_ = std::int64_t{png_get_bit_depth(png_, info_)} * png_get_channels(png_, info_);
    png_set_expand(png_);
    png_set_scale_16(png_);
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    return true;
  }
  /// Reads all pixels, and what follows up to the end of the image; false on an error.
  bool read_pixels(png_bytepp rows) noexcept {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;  // NOLINT(cert-err52-cpp): see above
    png_read_image(png_, rows);
    png_read_end(png_, nullptr);
    return true;
  }

  std::int64_t w() const { return png_get_image_width(png_, info_); }
  std::int64_t h() const { return png_get_image_height(png_, info_); }
  /// Bytes a pixel: grey (1), grey and alpha (2), RGB (3), RGB and alpha (4).
  std::int64_t channels() const { return png_get_channels(png_, info_); }
  /// Bits a pixel in the file.
  std::int64_t bits() const { return bits_; }
  const char* error() const { return error_.data(); }

 private:
  [[noreturn]] static void on_error(png_structp png, png_const_charp message) {
    auto* self = static_cast<PngReader*>(png_get_error_ptr(png));
    std::snprintf(self->error_.data(), self->error_.size(), "%s", message);
    png_longjmp(png, 1);
  }
  static void on_warning(png_structp /*png*/, png_const_charp /*message*/) {}
  static void on_read(png_structp png, png_bytep to, std::size_t count) {
    auto* self = static_cast<PngReader*>(png_get_io_ptr(png));
    if (count > self->file_.size()) png_error(png, "the file is cut");
    std::memcpy(to, self->file_.data(), count);
    self->file_ = self->file_.subspan(count);
  }

  Bytes file_;  // what is left of it
  std::array<char, 128> error_{};
  std::int64_t bits_ = 0;
  png_structp png_;
  png_infop info_ = nullptr;
};

/// A sample that lies on white as far as it is transparent.
std::uint8_t on_white(int sample, int alpha) {
  return static_cast<std::uint8_t>((sample * alpha + 255 * (255 - alpha) + 127) / 255);
}

Picture read_png(const std::string& path, Bytes file) {
  PngReader png(file);
  if (!png.read_header()) throw FileError(path, std::string("damaged PNG: ") + png.error());
  Picture picture{.w = png.w(), .h = png.h(), .c = 0, .pixels = {}};
  check_size(path, picture.w, picture.h);
  const std::int64_t channels = png.channels();
  if (picture.w * picture.h * png.bits() / 8 >
      kMaxInflation * static_cast<std::int64_t>(file.size())) {
    throw FileError(path, "damaged PNG: too short for " + std::to_string(picture.w) + " x " +
                              std::to_string(picture.h) + " pixels");
  }
  picture.c = channels < 3 ? 1 : 3;
  picture.pixels.resize(static_cast<std::size_t>(picture.w * picture.h * channels));
  std::vector<png_bytep> rows;
  rows.reserve(static_cast<std::size_t>(picture.h));
  for (std::int64_t y = 0; y < picture.h; ++y) {
    rows.push_back(picture.pixels.data() + y * picture.w * channels);
  }
  if (!png.read_pixels(rows.data())) {
    throw FileError(path, std::string("damaged PNG: ") + png.error());
  }
  if (channels == picture.c) return picture;
  std::uint8_t* to = picture.pixels.data();  // never ahead of what is still to be read
  for (std::int64_t i = 0; i < picture.w * picture.h; ++i) {
    const std::uint8_t* const from = picture.pixels.data() + i * channels;
    const int alpha = from[channels - 1];
    for (std::int64_t c = 0; c < picture.c; ++c) *to++ = on_white(from[c], alpha);
  }
  picture.pixels.resize(static_cast<std::size_t>(picture.w * picture.h * picture.c));
  return picture;
}
#else
Picture read_png(const std::string& path, Bytes /*file*/) {
  throw FileError(path,
                  "a PNG image, but this program was built without libpng; convert it to PGM");
}
#endif

/// Reads the Netpbm formats P2, P3, P5 and P6.
class NetpbmReader {
 public:
  NetpbmReader(const std::string& path, Bytes file) : path_(path), file_(file) {}

  Picture read() {
    const std::uint8_t kind = file_[1];
    raw_ = kind == '5' || kind == '6';
    const bool colour = kind == '3' || kind == '6';
    at_ = 2;
    Picture picture;
    picture.w = number("a width");
    picture.h = number("a height");
    picture.c = colour ? 3 : 1;
    check_size(path_, picture.w, picture.h);
    max_ = number("a largest value");
    if (max_ < 1 || max_ > 65535) fail("expected a largest value from 1 to 65535");
    if (raw_) skip_one_space();

    // Before memory for the pixels is taken: each needs a byte of the file at least.
    const std::int64_t count = picture.w * picture.h * picture.c;
    const std::int64_t needed = count * (raw_ && max_ > 255 ? 2 : 1);
    const auto found = static_cast<std::int64_t>(file_.size() - at_);
    if (found < needed) {
      fail("expected at least " + std::to_string(needed) + " more bytes for the pixels, found " +
           std::to_string(found));
    }
    picture.pixels.resize(static_cast<std::size_t>(count));
    for (std::uint8_t& pixel : picture.pixels) pixel = scaled(sample());
    check_end();
    return picture;
  }

 private:
  [[noreturn]] void fail(const std::string& problem) const {
    throw FileError(path_, static_cast<std::int64_t>(at_), problem);
  }

  bool is_space() const {
    const std::uint8_t byte = file_[at_];
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
  }
  bool is_digit() const { return at_ < file_.size() && file_[at_] >= '0' && file_[at_] <= '9'; }

  /// A decimal number after white space and comments ("# ..." to the end of the line).
  int number(const char* what) {
    while (at_ < file_.size() && (is_space() || file_[at_] == '#')) {
      if (file_[at_] == '#') {
        while (at_ < file_.size() && file_[at_] != '\n') ++at_;
      } else {
        ++at_;
      }
    }
    if (!is_digit()) {
      fail(std::string("expected ") + what + ", found " +
           (at_ < file_.size() ? printable({reinterpret_cast<const char*>(&file_[at_]), 1})
                               : "the end of the file"));
    }
    int value = 0;
    for (; is_digit(); ++at_) {
      value = value * 10 + (file_[at_] - '0');
      if (value > 100'000'000) fail(std::string("expected ") + what + ", found a huge number");
    }
    return value;
  }

  /// What follows may be another image. Anything else means that the sizes are wrong.
  void check_end() {
    while (!raw_ && at_ < file_.size() && is_space()) ++at_;
    const bool another = file_.size() - at_ >= 2 && file_[at_] == 'P' && file_[1] == file_[at_ + 1];
    if (at_ < file_.size() && !another) fail("expected the end of the file or another image");
  }

  void skip_one_space() {
    if (at_ >= file_.size() || !is_space()) fail("expected white space before the pixels");
    ++at_;
  }

  int sample() {
    int value;
    if (!raw_) {
      value = number("a pixel");
    } else if (max_ < 256) {
      value = file_[at_++];
    } else {
      value = file_[at_] * 256 + file_[at_ + 1];
      at_ += 2;
    }
    if (value > max_) {
      fail("expected a pixel of at most " + std::to_string(max_) + ", found " +
           std::to_string(value));
    }
    return value;
  }

  std::uint8_t scaled(int value) const {
    return static_cast<std::uint8_t>((value * 255 + max_ / 2) / max_);
  }

  const std::string& path_;
  Bytes file_;
  std::size_t at_ = 0;
  bool raw_ = false;
  int max_ = 0;
};

bool is_png(Bytes file) {
  constexpr std::array<std::uint8_t, 8> kSignature = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  return file.size() >= kSignature.size() &&
         std::equal(kSignature.begin(), kSignature.end(), file.begin());
}

bool is_netpbm(Bytes file) {
  return file.size() >= 2 && file[0] == 'P' &&
         (file[1] == '2' || file[1] == '3' || file[1] == '5' || file[1] == '6');
}

}  // namespace

Picture read_picture(const std::string& path) {
  return parse_picture(path, read_file(path, kMaxImageFile));
}

Picture parse_picture(const std::string& path, Bytes file) {
  if (is_png(file)) return read_png(path, file);
  if (is_netpbm(file)) return NetpbmReader(path, file).read();
  const std::string_view start(reinterpret_cast<const char*>(file.data()),
                               std::min<std::size_t>(file.size(), 8));
  throw FileError(
      path, 0,
      "expected a PNG, PGM or PPM image, found " +
          (file.empty() ? "an empty file" : "a file that begins with " + printable(start)));
}

GreyImage to_grey(const Picture& picture) {
  GreyImage image{picture.w, picture.h, picture.pixels};
  if (picture.c == 1) return image;
  image.pixels.resize(picture.pixels.size() / 3);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    const std::uint8_t* const pixel = &picture.pixels[3 * i];
    image.pixels[i] = static_cast<std::uint8_t>(luminance(pixel[0], pixel[1], pixel[2]));
  }
  return image;
}

Picture to_colour(const GreyImage& image) {
  Picture picture{.w = image.w, .h = image.h, .c = 3, .pixels = {}};
  picture.pixels.reserve(3 * image.pixels.size());
  for (const std::uint8_t pixel : image.pixels)
    picture.pixels.insert(picture.pixels.end(), 3, pixel);
  return picture;
}

GreyImage read_image(const std::string& path) { return to_grey(read_picture(path)); }

}  // namespace nnkernels::nn
