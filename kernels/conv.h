// Two-dimensional convolution (cross-correlation) on NHWC images, forward and both backward passes.
#ifndef NNKERNELS_KERNELS_CONV_H_
#define NNKERNELS_KERNELS_CONV_H_

#include <cstdint>

#include "kernels/activation.h"

namespace nnkernels {

/// The sizes of a convolution. Images x are [n][ih][iw][ic], weights w are [kh][kw][ic/groups][oc],
/// results y are [n][oh][ow][oc], all dense. `pad` zeros surround the image on both sides.
///
/// The channels form `groups` that know nothing of each other: outputs of group g, channels
/// [g * oc/groups, (g+1) * oc/groups), see inputs [g * ic/groups, (g+1) * ic/groups) only. Each
/// sum over ic below then runs over the inputs of the output's group. groups == ic == oc is a
/// depthwise convolution, which has kernels of its own (docs/convolution.md).
struct ConvShape {
  std::int64_t n = 1;           // images
  std::int64_t ih = 1, iw = 1;  // image height and width
  std::int64_t ic = 1, oc = 1;  // channels in and out
  std::int64_t kh = 1, kw = 1;  // kernel height and width
  std::int64_t stride_h = 1, stride_w = 1;
  std::int64_t pad_h = 0, pad_w = 0;
  std::int64_t dilation_h = 1, dilation_w = 1;
  std::int64_t groups = 1;  // divides ic and oc

  /// (ih + 2 pad_h - dilation_h (kh - 1) - 1) / stride_h + 1, rounded down.
  std::int64_t oh() const { return (ih + 2 * pad_h - dilation_h * (kh - 1) - 1) / stride_h + 1; }
  std::int64_t ow() const { return (iw + 2 * pad_w - dilation_w * (kw - 1) - 1) / stride_w + 1; }
  std::int64_t x_size() const { return n * ih * iw * ic; }
  std::int64_t w_size() const { return kh * kw * (ic / groups) * oc; }
  std::int64_t y_size() const { return n * oh() * ow() * oc; }
};

/// Throws std::invalid_argument, naming `function`, unless n >= 0, every other size is at least 1
/// (pads at least 0), groups divides ic and oc, the dilated kernel fits into the padded image, and
/// the padded images, w and y have less than 2^60 elements each.
void check(const ConvShape& shape, const char* function);

/// y[n,oh,ow,oc] = activation(bias[oc] +
///     sum over kh, kw, ic of x[n, oh*stride_h + kh*dilation_h - pad_h, ..., ic] * w[kh,kw,ic,oc])
/// where x is zero outside the image.
///
/// An implicit GEMM: the kernel reads the image where it lies, no column matrix is written
/// (docs/convolution.md). Each element is one chain of fused multiply-adds over (kh, kw, ic)
/// ascending (where the instruction set has no FMA, of multiplications and additions); but matrix
/// products (a 1 x 1 kernel that visits each pixel once, or one as large as the image) are summed
/// as gemm() does, and with one or four channels a group in and out the order may be another one,
/// which the shape decides. The result bits do not depend on the number of threads.
///
/// Whether the zeros of the padding are multiplied is not defined: where the window of an output
/// reaches over the border and w holds an infinity or NaN there, the output is NaN or not, as the
/// instruction set, the shape and the place decide. The same holds for dy and w in
/// conv_backward_data() and for dy in conv_backward_weights().
///
/// x, w and y must not overlap, which is not checked. Parallel over images and output rows where it
/// pays. Allocates only when a thread's scratch memory must grow. Throws std::invalid_argument as
/// check() does, and on null pointers. T is float or double.
template <class T>
void conv_forward(const ConvShape& shape, const T* x, const T* w, T* y,
                  const Epilogue<T>& epilogue = {});

/// dx = the transpose of conv_forward (without bias and activation) applied to dy:
/// dx[n,i,j,ic] = sum over kh, kw, oc of dy[n,oh,ow,oc] * w[kh,kw,ic,oc] for every
/// oh*stride_h + kh*dilation_h - pad_h = i, and likewise ow, kw and j.
/// dx is overwritten. The order of the sums depends on the shape alone. Otherwise as conv_forward.
template <class T>
void conv_backward_data(const ConvShape& shape, const T* dy, const T* w, T* dx);

/// dw[kh,kw,ic,oc] = sum over n, oh, ow of x[n, oh*stride_h + kh*dilation_h - pad_h, ..., ic] *
/// dy[n,oh,ow,oc], and, unless db is null, db[oc] = sum over n, oh, ow of dy[n,oh,ow,oc].
/// dw and db are overwritten. Sums run over fixed pieces of the batch that are then added in order,
/// so the result bits do not depend on the number of threads. Otherwise as conv_forward.
template <class T>
void conv_backward_weights(const ConvShape& shape, const T* x, const T* dy, T* dw, T* db);

}  // namespace nnkernels

#endif  // NNKERNELS_KERNELS_CONV_H_
