// im2col and col2im: a convolution's input as a matrix, one row for each output pixel, and back.
#ifndef NNKERNELS_KERNELS_IM2COL_H_
#define NNKERNELS_KERNELS_IM2COL_H_

#include "kernels/conv.h"

namespace nnkernels {

/// col[(n*OH + oh)*OW + ow][(kh*KW + kw)*IC + ic] =
///     x[n, oh*stride_h + kh*dilation_h - pad_h, ow*stride_w + kw*dilation_w - pad_w, ic]
/// and 0 where that lies outside the image: a dense matrix of n*oh*ow rows and kh*kw*ic columns.
/// Then y = col * w is the convolution, with w seen as a (kh*kw*ic) x oc matrix.
///
/// The numpy tutorials define the same rows (n*oh*ow) on NCHW images and order the columns
/// (ic, kh, kw); here they are ordered (kh, kw, ic), as NHWC and w lie in memory.
/// tests/kernels/im2col_test.cc shows the equality, element by element.
///
/// The convolutions of this library do not need it (conv.h); it is here for those who do.
/// `shape.oc` is not used. x and col must not overlap. Parallel over output rows where it pays;
/// allocates nothing. Throws std::invalid_argument as check() does, and on null pointers.
template <class T>
void im2col(const ConvShape& shape, const T* x, T* col);

/// The transpose of im2col: x[n,i,j,ic] = the sum of all elements of col that im2col copies from
/// there, added in ascending order of (oh, ow); x is overwritten (0 where no window reaches).
/// Each image is summed by one thread, so the result bits do not depend on their number.
template <class T>
void col2im(const ConvShape& shape, const T* col, T* x);

}  // namespace nnkernels

#endif  // NNKERNELS_KERNELS_IM2COL_H_
