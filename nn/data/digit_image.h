// From a picture of a handwritten digit to the form of an MNIST image.
#ifndef NNKERNELS_NN_DATA_DIGIT_IMAGE_H_
#define NNKERNELS_NN_DATA_DIGIT_IMAGE_H_

#include <cstdint>
#include <string>

#include "nn/data/image.h"

namespace nnkernels::nn {

/// MNIST's images are 28 x 28, the digit in them fits 20 x 20.
inline constexpr std::int64_t kDigitSide = 28;
inline constexpr std::int64_t kDigitBox = 20;

/// Brings a picture of one digit, of any size, dark on light or light on dark, into the form that
/// MNIST's images have: 28 x 28, light ink on black.
///
/// 1. The background is the median of the picture's outermost ring of pixels; ink is what lies on
///    that side of it (darker or lighter) which has more contrast. A frame or a card around the
///    digit is peeled off first.
/// 2. The background becomes 0, full ink 255. What is fainter than the noise of the background,
///    or than 4 % of full ink, becomes 0, too.
/// 3. The ink's bounding box is scaled, keeping its aspect ratio, so that its longer side is 20
///    pixels: area averages when shrinking, linear interpolation when enlarging. Lines at its edge
///    with less than 1 % of the ink of the fullest line (speckles) are cut off.
/// 4. Its centre of mass is put at the centre of the 28 x 28 pixels, as far as all of it stays
/// inside.
///
/// An image of the MNIST test set comes out nearly unchanged. Throws std::invalid_argument if the
/// picture is empty or shows no ink (less than 24 grey levels of contrast).
///
/// Source: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-Based Learning Applied to Document
/// Recognition" (1998), section III.A, which describes steps 3 and 4; 1 and 2 are ours, for
/// pictures that are not scans of black on white.
GreyImage to_digit(const GreyImage& picture);

/// to_digit(read_image(path)); a picture without ink is a FileError here.
GreyImage read_digit(const std::string& path);

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_DATA_DIGIT_IMAGE_H_
