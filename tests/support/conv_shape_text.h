// The shape of a convolution in messages of tests.
#ifndef NNKERNELS_TESTS_SUPPORT_CONV_SHAPE_TEXT_H_
#define NNKERNELS_TESTS_SUPPORT_CONV_SHAPE_TEXT_H_

#include <string>

#include "kernels/conv.h"

namespace nnkernels {

inline std::string str(const ConvShape& s) {
  return "n" + std::to_string(s.n) + " i" + std::to_string(s.ih) + "x" + std::to_string(s.iw) +
         "x" + std::to_string(s.ic) + " oc" + std::to_string(s.oc) + " k" + std::to_string(s.kh) +
         "x" + std::to_string(s.kw) + " s" + std::to_string(s.stride_h) + "x" +
         std::to_string(s.stride_w) + " p" + std::to_string(s.pad_h) + "x" +
         std::to_string(s.pad_w) + " d" + std::to_string(s.dilation_h) + "x" +
         std::to_string(s.dilation_w) + " g" + std::to_string(s.groups);
}

}  // namespace nnkernels

#endif  // NNKERNELS_TESTS_SUPPORT_CONV_SHAPE_TEXT_H_
