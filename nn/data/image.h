// Reader of greyscale images: PNG and the Netpbm formats.
#ifndef NNKERNELS_NN_DATA_IMAGE_H_
#define NNKERNELS_NN_DATA_IMAGE_H_

#include <cstdint>
#include <string>
#include <vector>

namespace nnkernels::nn {

/// h rows of w pixels, 0 black to 255 white.
struct GreyImage {
  std::int64_t w = 0;
  std::int64_t h = 0;
  std::vector<std::uint8_t> pixels;  // [h][w]
};

/// What read_image() accepts at most: 16384 x 16384 pixels, of them 64 Mi in all, in a file of 256
/// MiB.
inline constexpr std::int64_t kMaxImageSide = 16384;
inline constexpr std::int64_t kMaxImagePixels = std::int64_t{64} << 20;
inline constexpr std::int64_t kMaxImageFile = std::int64_t{256} << 20;

/// Reads an image as grey levels. The content decides the format, not the name:
///
/// - PNG of any colour type, depth and interlacing. Depths are scaled to 8 bits, colours become
/// grey
///   as below, transparent parts lie on white; gamma and colour profiles are not applied. Needs a
///   build with libpng (CMake finds it by itself).
/// - PGM and PPM, plain (P2, P3) and raw (P5, P6), maxval up to 65535, scaled to 255. Colours
/// become
///   0.299 R + 0.587 G + 0.114 B. Only the first image of a file is read.
///
/// Throws FileError for anything else, for damage and beyond the limits, before it allocates more
/// than those allow.
GreyImage read_image(const std::string& path);

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_DATA_IMAGE_H_
