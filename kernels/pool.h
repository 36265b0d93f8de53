// Max and average pooling on NHWC images, forward and backward.
#ifndef NNKERNELS_KERNELS_POOL_H_
#define NNKERNELS_KERNELS_POOL_H_

#include <cstdint>

namespace nnkernels {

/// Images x are [n][ih][iw][c], results y are [n][oh][ow][c], dense. A window covers kh x kw pixels
/// from (oh*stride_h - pad_h, ow*stride_w - pad_w); pixels outside the image do not exist for it.
struct PoolShape {
  std::int64_t n = 1;
  std::int64_t ih = 1, iw = 1, c = 1;
  std::int64_t kh = 1, kw = 1;
  std::int64_t stride_h = 1, stride_w = 1;
  std::int64_t pad_h = 0, pad_w = 0;

  std::int64_t oh() const { return (ih + 2 * pad_h - kh) / stride_h + 1; }
  std::int64_t ow() const { return (iw + 2 * pad_w - kw) / stride_w + 1; }
  std::int64_t x_size() const { return n * ih * iw * c; }
  std::int64_t y_size() const { return n * oh() * ow() * c; }
};

/// Throws std::invalid_argument, naming `function`, unless n >= 0, sizes and strides are at least
/// 1, 0 <= 2 pad <= kernel (so that no window is empty), kh * kw < 2^31, the kernel fits into the
/// padded image, and x and y have less than 2^60 elements each.
void check(const PoolShape& shape, const char* function);

/// y[n,oh,ow,c] = the largest x in the window; argmax[n,oh,ow,c] = where in the window it was,
/// kh_index * kw + kw_index. The first position in that order wins a tie; NaN counts as larger than
/// everything (it propagates), and the first NaN wins. `argmax` may be null when no backward pass
/// follows. x and y must not overlap. Parallel over images and rows where it pays; allocates
/// nothing; result bits do not depend on the number of threads. T is float or double.
/// Throws std::invalid_argument as check() does, and on null pointers.
template <class T>
void max_pool_forward(const PoolShape& shape, const T* x, T* y, std::int32_t* argmax);

/// dx = 0, then dx[the winner's pixel] += dy for every window, windows in ascending order. `argmax`
/// must be what max_pool_forward() left for this shape: other values are not refused, and write
/// anywhere.
template <class T>
void max_pool_backward(const PoolShape& shape, const T* dy, const std::int32_t* argmax, T* dx);

/// Which number an average divides by.
enum class PoolDivisor {
  inside,  // the pixels of the window that lie inside the image (Keras, ONNX's default)
  window   // kh * kw always (PyTorch's default)
};

/// y[n,oh,ow,c] = sum of x in the window, in (kh, kw) order, divided as `divisor` says.
template <class T>
void average_pool_forward(const PoolShape& shape, PoolDivisor divisor, const T* x, T* y);

/// dx = 0, then dx[p] += dy / divisor for every pixel p of every window, windows in ascending
/// order.
template <class T>
void average_pool_backward(const PoolShape& shape, PoolDivisor divisor, const T* dy, T* dx);

}  // namespace nnkernels

#endif  // NNKERNELS_KERNELS_POOL_H_
