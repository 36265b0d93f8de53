// Images drawn with characters, for a terminal or a text.
#ifndef NNKERNELS_CLI_CONTACT_SHEET_H_
#define NNKERNELS_CLI_CONTACT_SHEET_H_

#include <string>

#include "nn/data/dataset.h"

namespace nnkernels::cli {

enum class SheetStyle {
  blocks,  // half blocks in UTF-8, coloured by the escape sequences of 256-colour terminals
  ascii    // ten grey levels, " .:-=+*#%@"
};

/// blocks if standard output is a terminal with a UTF-8 locale, neither TERM=dumb nor a non-empty
/// NO_COLOR; otherwise ascii.
SheetStyle sheet_style();

/// The first image of each class, of the first 20 that have one, under the classes' names; five
/// beside each other, at most 79 columns in all. Images are scaled down to 14 x 28 pixels or less,
/// keeping their aspect; a character is one pixel wide and two high. Three channels are red, green
/// and blue, of any other number the mean is drawn. Bytes go from 0 to data.full, floats from the
/// smallest to the largest in the image. Empty if the samples are vectors (h or w is 1).
std::string contact_sheet(const nn::Dataset& data, SheetStyle style);

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_CONTACT_SHEET_H_
