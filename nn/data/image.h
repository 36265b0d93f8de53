// Reader of images: PNG and the Netpbm formats.
#ifndef NNKERNELS_NN_DATA_IMAGE_H_
#define NNKERNELS_NN_DATA_IMAGE_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace nnkernels::nn {

/// h rows of w pixels, 0 black to 255 white.
struct GreyImage {
  std::int64_t w = 0;
  std::int64_t h = 0;
  std::vector<std::uint8_t> pixels;  // [h][w]
};

/// h rows of w pixels, grey (c = 1) or red, green and blue (c = 3), each from 0 to 255.
struct Picture {
  std::int64_t w = 0;
  std::int64_t h = 0;
  std::int64_t c = 0;
  std::vector<std::uint8_t> pixels;  // [h][w][c]
};

/// What read_image() accepts at most: 16384 x 16384 pixels, of them 64 Mi in all, in a file of 256
/// MiB.
inline constexpr std::int64_t kMaxImageSide = 16384;
inline constexpr std::int64_t kMaxImagePixels = std::int64_t{64} << 20;
inline constexpr std::int64_t kMaxImageFile = std::int64_t{256} << 20;

/// Reads an image as it is, grey or in colour. The content decides the format, not the name:
///
/// - PNG of any colour type, depth and interlacing. Depths are scaled to 8 bits, transparent parts
///   lie on white; gamma and colour profiles are not applied. Images with a palette are in colour.
///   Needs a build with libpng (CMake finds it by itself).
/// - PGM and PPM, plain (P2, P3) and raw (P5, P6), maxval up to 65535, scaled to 255. Only the
///   first image of a file is read; what follows it must be another one.
///
/// Throws FileError for anything else, for damage (of a PNG, whatever its checksums or libpng
/// notice) and beyond the limits, before it allocates more than those allow, or anything for more
/// pixels than a file of that size can hold. A plain PGM or PPM that was cut in its last number is
/// not noticed.
Picture read_picture(const std::string& path);

/// The same of a file's bytes; `path` is for messages.
Picture parse_picture(const std::string& path, std::span<const std::uint8_t> file);

/// 0.299 R + 0.587 G + 0.114 B of colours (ITU-R BT.601), rounded.
GreyImage to_grey(const Picture& picture);

/// The same grey levels thrice.
Picture to_colour(const GreyImage& image);

/// to_grey(read_picture(path)).
GreyImage read_image(const std::string& path);

/// The bytes of a PNG file: 8 bits a sample, grey (c = 1) or RGB (c = 3). `pixels` is [h][w][c].
/// Throws std::invalid_argument for another c, a side that is not in [1, 2^31), or if `pixels` are
/// not as many as that.
std::vector<std::uint8_t> png_file(std::int64_t h, std::int64_t w, std::int64_t c,
                                   std::span<const std::uint8_t> pixels);

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_DATA_IMAGE_H_
