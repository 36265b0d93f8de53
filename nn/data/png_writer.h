// Writer of PNG images. Needs no libpng.
#ifndef NNKERNELS_NN_DATA_PNG_WRITER_H_
#define NNKERNELS_NN_DATA_PNG_WRITER_H_

#include <cstdint>
#include <span>
#include <string>

namespace nnkernels::nn {

/// The bytes of a PNG file (ISO/IEC 15948) of h rows of w pixels, each of 8 bits a channel: grey
/// for c = 1, red, green and blue for c = 3. `pixels` is [h][w][c]. The same pixels give the same
/// bytes with one version of zlib. Meant for small images: rows are not filtered.
///
/// Throws std::invalid_argument unless w and h are 1 to 16384, c is 1 or 3, and there are w h c
/// pixels.
std::string encode_png(std::int64_t w, std::int64_t h, std::int64_t c,
                       std::span<const std::uint8_t> pixels);

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_DATA_PNG_WRITER_H_
