// Numbers as text.
#ifndef NNKERNELS_NN_NUMBER_TEXT_H_
#define NNKERNELS_NN_NUMBER_TEXT_H_

#include <charconv>
#include <string>

namespace nnkernels::nn {

/// In the shortest form that reads back as the same number, whatever the locale.
inline std::string number_text(double value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_NUMBER_TEXT_H_
