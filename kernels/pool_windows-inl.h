// The windows of a pooling row by row, and the channels of a pixel by vectors. Included as
// simd-inl.h is.
// clang-format off: the toggle guard is Highway's idiom
#if defined(NNKERNELS_KERNELS_POOL_WINDOWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NNKERNELS_KERNELS_POOL_WINDOWS_INL_H_
#undef NNKERNELS_KERNELS_POOL_WINDOWS_INL_H_
#else
#define NNKERNELS_KERNELS_POOL_WINDOWS_INL_H_
#endif
// clang-format on

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "hwy/highway.h"
#include "kernels/pool.h"
#include "kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nnkernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// A window's pixels along one axis that lie inside the image: [first, end) of the image.
/// `skipped` pixels of the window lie before them; `seen` of them, the first ones, lie in the
/// window before as well.
struct WindowSpan {
  std::int64_t first;
  std::int64_t end;
  std::int64_t skipped;
  std::int64_t seen;
};

inline WindowSpan SpanOfWindow(std::int64_t o, std::int64_t stride, std::int64_t pad,
                               std::int64_t k, std::int64_t size) {
  const std::int64_t start = o * stride - pad;
  const std::int64_t first = std::max<std::int64_t>(start, 0);
  const std::int64_t end_before = o == 0 ? 0 : std::min(start - stride + k, size);
  return {first, std::min(start + k, size), first - start,
          std::max<std::int64_t>(end_before - first, 0)};
}

/// As many vectors of channels are worked on together: chains of comparisons that do not wait for
/// each other, and memory in runs of whole lines where a window is far larger than a row of it.
inline constexpr int kTogether = 4;

template <int kCount>
using Vectors = std::integral_constant<int, kCount>;

/// Calls pixel(access, Vectors<>(), channel) for all channels of one pixel. With `kRepeatable`,
/// which says that pixel() may be called again for a channel, the last vector reaches back over
/// channels that are done: whole vectors need no mask.
template <class T, bool kRepeatable, class Pixel>
HWY_INLINE void ForChannels(std::int64_t c, const Pixel& pixel) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(hn::ScalableTag<T>()));
  std::int64_t channel = 0;
  for (; channel + kTogether * lanes <= c; channel += kTogether * lanes) {
    pixel(WholeVector(), Vectors<kTogether>(), channel);
  }
  for (; channel + lanes <= c; channel += lanes) pixel(WholeVector(), Vectors<1>(), channel);
  if (channel == c) return;
  if (kRepeatable && c > lanes) {
    pixel(WholeVector(), Vectors<1>(), c - lanes);
  } else {
    pixel(FirstLanes{static_cast<std::size_t>(c - channel)}, Vectors<1>(), channel);
  }
}

/// The pixels of a window that lie inside the image. How many there are is known to the compiler
/// (std::integral_constant) for usual windows.
template <class Rows, class Cols>
struct Window {
  Rows rows;
  Cols cols;
  std::int64_t first;     // element of the image
  std::int64_t line, c;   // elements from one row to the next, from one pixel to the next
  std::int64_t position;  // of the first in the window, and from one row to the next:
  std::int64_t kw;
  std::int64_t seen_rows, seen_cols;  // as in WindowSpan
};

template <class Rows, class Cols, class... Rest>
Window(Rows, Cols, Rest...) -> Window<Rows, Cols>;  // clang 14 does not deduce it by itself

/// Calls visit(j, window) for the windows of a row of y. The compiler knows the sizes of square
/// windows of 2 to kLargest rows: more speed for more code.
template <int kLargest, class Visit>
HWY_INLINE void ForWindows(const PoolShape& s, WindowSpan h, Visit& visit) {
  static_assert(kLargest <= 3);
  constexpr std::integral_constant<std::int64_t, 2> k2;
  constexpr std::integral_constant<std::int64_t, 3> k3;
  const std::int64_t line = s.iw * s.c;
  const std::int64_t rows = h.end - h.first;
  const std::int64_t ow = s.ow();
  for (std::int64_t j = 0; j < ow; ++j) {
    const WindowSpan w = SpanOfWindow(j, s.stride_w, s.pad_w, s.kw, s.iw);
    const std::int64_t cols = w.end - w.first;
    const std::int64_t first = h.first * line + w.first * s.c;
    const std::int64_t position = h.skipped * s.kw + w.skipped;
    if constexpr (kLargest >= 2) {
      if (rows == 2 && cols == 2) {
        visit(j, Window{k2, k2, first, line, s.c, position, s.kw, h.seen, w.seen});
        continue;
      }
    }
    if constexpr (kLargest >= 3) {
      if (rows == 3 && cols == 3) {
        visit(j, Window{k3, k3, first, line, s.c, position, s.kw, h.seen, w.seen});
        continue;
      }
    }
    visit(j, Window{rows, cols, first, line, s.c, position, s.kw, h.seen, w.seen});
  }
}

/// The divisor of a window. Division is slow; where the divisor is a power of two, multiplying by
/// its inverse gives the same bits.
template <class T>
struct Divisor {
  template <class Window>
  HWY_INLINE Divisor(const PoolShape& s, PoolDivisor divisor, const Window& window)
      : pixels(divisor == PoolDivisor::inside ? window.rows * window.cols : s.kh * s.kw),
        power_of_two((pixels & (pixels - 1)) == 0),
        value(static_cast<T>(pixels)),
        inverse(power_of_two ? 1 / value : T{0}) {}

  template <class V>
  HWY_INLINE V Divide(V sum) const {
    const hn::ScalableTag<T> d;
    if (power_of_two) return hn::Mul(sum, hn::Set(d, inverse));
    return hn::Div(sum, hn::Set(d, value));
  }

  std::int64_t pixels;
  bool power_of_two;
  T value, inverse;
};

}  // namespace HWY_NAMESPACE
}  // namespace nnkernels
HWY_AFTER_NAMESPACE();

#endif  // NNKERNELS_KERNELS_POOL_WINDOWS_INL_H_
