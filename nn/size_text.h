// Sizes of two directions as text.
#ifndef NNKERNELS_NN_SIZE_TEXT_H_
#define NNKERNELS_NN_SIZE_TEXT_H_

#include <cstdint>
#include <string>

namespace nnkernels::nn {

/// Height x width: "5x3".
inline std::string size_text(std::int64_t h, std::int64_t w) {
  return std::to_string(h) + "x" + std::to_string(w);
}

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_SIZE_TEXT_H_
