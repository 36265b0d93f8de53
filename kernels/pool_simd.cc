#include "kernels/pool_simd.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pool_simd.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "hwy/highway.h"
#include "kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nnkernels {
namespace HWY_NAMESPACE {
namespace {

/// A window's pixels along one axis that lie inside the image: [first, end) of the image, and
/// `skipped` before them that do not.
struct WindowSpan {
  std::int64_t first;
  std::int64_t end;
  std::int64_t skipped;
};

inline WindowSpan SpanOfWindow(std::int64_t o, std::int64_t stride, std::int64_t pad,
                               std::int64_t k, std::int64_t size) {
  const std::int64_t start = o * stride - pad;
  const std::int64_t first = std::max<std::int64_t>(start, 0);
  return {first, std::min(start + k, size), first - start};
}

/// Positions in a window, in as many lanes as values have: int32 beside float; beside double they
/// are doubles, which are exact and as wide.
template <class T>
using PositionOf = std::conditional_t<std::is_same_v<T, float>, std::int32_t, double>;
template <class T>
using PositionTag = hn::Rebind<PositionOf<T>, hn::ScalableTag<T>>;
template <class T>
using Int32Tag = hn::Rebind<std::int32_t, hn::ScalableTag<T>>;

template <class T, class Access>
HWY_INLINE void StorePositions(Access access, hn::Vec<PositionTag<T>> v, std::int32_t* p) {
  const Int32Tag<T> d32;
  if constexpr (std::is_same_v<T, float>) {
    access.Store(d32, v, p);
  } else {
    access.Store(d32, hn::DemoteTo(d32, v), p);
  }
}

template <class T, class Access>
HWY_INLINE hn::Vec<PositionTag<T>> LoadPositions(Access access, const std::int32_t* p) {
  const Int32Tag<T> d32;
  if constexpr (std::is_same_v<T, float>) {
    return access.Load(d32, p);
  } else {
    return hn::PromoteTo(PositionTag<T>(), access.Load(d32, p));
  }
}

/// Calls pixel(access, channel) for the vectors of one pixel. With `kRepeatable`, which says that
/// pixel() may be called again for a channel, the last vector reaches back over channels that are
/// done: whole vectors need no mask.
template <class T, bool kRepeatable, class Pixel>
HWY_INLINE void ForChannels(std::int64_t c, const Pixel& pixel) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(hn::ScalableTag<T>()));
  std::int64_t channel = 0;
  for (; channel + lanes <= c; channel += lanes) pixel(WholeVector(), channel);
  if (channel == c) return;
  if (kRepeatable && c > lanes) {
    pixel(WholeVector(), c - lanes);
  } else {
    pixel(FirstLanes{static_cast<std::size_t>(c - channel)}, channel);
  }
}

/// One output pixel of a max pool. x points to the image, y and argmax to the pixel.
template <class T, bool kWithArgmax>
struct MaxPixel {
  WindowSpan h, w;
  std::int64_t row_stride, c, kw;
  const T* x;
  T* y;
  std::int32_t* argmax;

  template <class Access>
  HWY_INLINE void operator()(Access access, std::int64_t channel) const {
    const hn::ScalableTag<T> d;
    const PositionTag<T> dp;
    using Position = PositionOf<T>;
    const T* HWY_RESTRICT row = x + h.first * row_stride + w.first * c + channel;
    std::int64_t position = h.skipped * kw + w.skipped;
    auto best = access.Load(d, row);
    auto best_position = hn::Set(dp, static_cast<Position>(position));
    std::int64_t j = 1;  // the first pixel of the first row is `best` already
    const std::int64_t width = w.end - w.first;
    for (std::int64_t i = h.first; i < h.end; ++i, row += row_stride, position += kw, j = 0) {
      for (; j < width; ++j) {
        const auto v = access.Load(d, row + j * c);
        // Larger or NaN, unless NaN has won already.
        const auto wins = hn::And(hn::Not(hn::Le(v, best)), hn::Eq(best, best));
        best = hn::IfThenElse(wins, v, best);
        if constexpr (kWithArgmax) {
          best_position =
              hn::IfThenElse(hn::RebindMask(dp, wins),
                             hn::Set(dp, static_cast<Position>(position + j)), best_position);
        }
      }
    }
    access.Store(d, best, y + channel);
    if constexpr (kWithArgmax) StorePositions<T>(access, best_position, argmax + channel);
  }
};

template <class T, bool kWithArgmax>
HWY_INLINE void MaxForwardRows(const PoolShape& s, std::int64_t row, std::int64_t count, const T* x,
                               T* y, std::int32_t* argmax) {
  const std::int64_t oh = s.oh();
  const std::int64_t ow = s.ow();
  for (std::int64_t r = row; r < row + count; ++r) {
    MaxPixel<T, kWithArgmax> pixel;
    pixel.h = SpanOfWindow(r % oh, s.stride_h, s.pad_h, s.kh, s.ih);
    pixel.row_stride = s.iw * s.c;
    pixel.c = s.c;
    pixel.kw = s.kw;
    pixel.x = x + r / oh * s.ih * s.iw * s.c;
    for (std::int64_t j = 0; j < ow; ++j) {
      const std::int64_t out = (r * ow + j) * s.c;
      pixel.w = SpanOfWindow(j, s.stride_w, s.pad_w, s.kw, s.iw);
      pixel.y = y + out;
      pixel.argmax = kWithArgmax ? argmax + out : nullptr;
      ForChannels<T, true>(s.c, pixel);
    }
  }
}

template <class T>
void MaxForward(const PoolShape& shape, std::int64_t row, std::int64_t count, const T* x, T* y,
                std::int32_t* argmax) {
  if (argmax != nullptr) {
    MaxForwardRows<T, true>(shape, row, count, x, y, argmax);
  } else {
    MaxForwardRows<T, false>(shape, row, count, x, y, nullptr);
  }
}

/// One output pixel of an average pool.
template <class T>
struct AveragePixel {
  WindowSpan h, w;
  std::int64_t row_stride, c;
  T divisor;
  const T* x;
  T* y;

  template <class Access>
  HWY_INLINE void operator()(Access access, std::int64_t channel) const {
    const hn::ScalableTag<T> d;
    const T* HWY_RESTRICT row = x + h.first * row_stride + w.first * c + channel;
    auto sum = hn::Zero(d);
    for (std::int64_t i = h.first; i < h.end; ++i, row += row_stride) {
      for (std::int64_t j = 0; j < w.end - w.first; ++j) {
        sum = hn::Add(sum, access.Load(d, row + j * c));
      }
    }
    access.Store(d, hn::Div(sum, hn::Set(d, divisor)), y + channel);
  }
};

template <class T>
HWY_INLINE T DivisorOf(const PoolShape& s, PoolDivisor divisor, WindowSpan h, WindowSpan w) {
  const std::int64_t inside = (h.end - h.first) * (w.end - w.first);
  return static_cast<T>(divisor == PoolDivisor::inside ? inside : s.kh * s.kw);
}

template <class T>
void AverageForward(const PoolShape& s, PoolDivisor divisor, std::int64_t row, std::int64_t count,
                    const T* x, T* y) {
  const std::int64_t oh = s.oh();
  const std::int64_t ow = s.ow();
  for (std::int64_t r = row; r < row + count; ++r) {
    AveragePixel<T> pixel;
    pixel.h = SpanOfWindow(r % oh, s.stride_h, s.pad_h, s.kh, s.ih);
    pixel.row_stride = s.iw * s.c;
    pixel.c = s.c;
    pixel.x = x + r / oh * s.ih * s.iw * s.c;
    for (std::int64_t j = 0; j < ow; ++j) {
      pixel.w = SpanOfWindow(j, s.stride_w, s.pad_w, s.kw, s.iw);
      pixel.divisor = DivisorOf<T>(s, divisor, pixel.h, pixel.w);
      pixel.y = y + (r * ow + j) * s.c;
      ForChannels<T, true>(s.c, pixel);
    }
  }
}

// What one output pixel sends back to the positions of its window: Load() reads it for a vector of
// channels, At() gives the part of one position.

template <class T>
struct MaxGradient {
  using D = hn::ScalableTag<T>;
  struct Vectors {
    hn::Vec<PositionTag<T>> winner;
    hn::Vec<D> dy;

    HWY_INLINE hn::Vec<D> At(std::int64_t position) const {
      const D d;
      const PositionTag<T> dp;
      const auto wins = hn::Eq(winner, hn::Set(dp, static_cast<PositionOf<T>>(position)));
      return hn::IfThenElseZero(hn::RebindMask(d, wins), dy);
    }
  };

  const std::int32_t* argmax;
  const T* dy;

  template <class Access>
  HWY_INLINE Vectors Load(Access access, std::int64_t i, WindowSpan, WindowSpan) const {
    const D d;
    return {LoadPositions<T>(access, argmax + i), access.Load(d, dy + i)};
  }
};

template <class T>
struct AverageGradient {
  using D = hn::ScalableTag<T>;
  struct Vectors {
    hn::Vec<D> share;

    HWY_INLINE hn::Vec<D> At(std::int64_t) const { return share; }
  };

  const PoolShape& shape;
  PoolDivisor divisor;
  const T* dy;

  template <class Access>
  HWY_INLINE Vectors Load(Access access, std::int64_t i, WindowSpan h, WindowSpan w) const {
    const D d;
    return {hn::Div(access.Load(d, dy + i), hn::Set(d, DivisorOf<T>(shape, divisor, h, w)))};
  }
};

/// Sends the gradient of one output pixel to its window: dx (of the image) += or = the parts.
template <class T, bool kAdd, class Gradient>
struct ScatterPixel {
  const Gradient& gradient;
  WindowSpan h, w;
  std::int64_t row_stride, c, kw;
  std::int64_t out;  // the pixel's place in dy
  T* dx;

  template <class Access>
  HWY_INLINE void operator()(Access access, std::int64_t channel) const {
    const hn::ScalableTag<T> d;
    const auto vectors = gradient.Load(access, out + channel, h, w);
    T* HWY_RESTRICT row = dx + h.first * row_stride + w.first * c + channel;
    std::int64_t position = h.skipped * kw + w.skipped;
    for (std::int64_t i = h.first; i < h.end; ++i, row += row_stride, position += kw) {
      for (std::int64_t j = 0; j < w.end - w.first; ++j) {
        auto part = vectors.At(position + j);
        if constexpr (kAdd) part = hn::Add(access.Load(d, row + j * c), part);
        access.Store(d, part, row + j * c);
      }
    }
  }
};

/// Disjoint windows: each element of dx is written once, the gaps between windows included. A row
/// of y owns the rows of dx from its windows' first to the next windows' first.
template <class T, class Gradient>
HWY_INLINE void ScatterDisjoint(const PoolShape& s, std::int64_t row, std::int64_t count,
                                const Gradient& gradient, T* dx) {
  const std::int64_t oh = s.oh();
  const std::int64_t ow = s.ow();
  const std::int64_t row_stride = s.iw * s.c;
  for (std::int64_t r = row; r < row + count; ++r) {
    const std::int64_t o = r % oh;
    T* image = dx + r / oh * s.ih * row_stride;
    const WindowSpan h = SpanOfWindow(o, s.stride_h, s.pad_h, s.kh, s.ih);
    const std::int64_t next_row = o + 1 == oh ? s.ih : (o + 1) * s.stride_h - s.pad_h;
    for (std::int64_t j = 0; j < ow; ++j) {
      const WindowSpan w = SpanOfWindow(j, s.stride_w, s.pad_w, s.kw, s.iw);
      ForChannels<T, true>(s.c, ScatterPixel<T, false, Gradient>{gradient, h, w, row_stride, s.c,
                                                                 s.kw, (r * ow + j) * s.c, image});
      const std::int64_t next = j + 1 == ow ? s.iw : (j + 1) * s.stride_w - s.pad_w;
      if (next == w.end) continue;
      for (std::int64_t i = h.first; i < h.end; ++i) {
        std::fill_n(image + i * row_stride + w.end * s.c, (next - w.end) * s.c, T{0});
      }
    }
    std::fill_n(image + h.end * row_stride, (next_row - h.end) * row_stride, T{0});
  }
}

/// Windows that overlap: `count` rows of y, all those of one image, are added up in order.
template <class T, class Gradient>
HWY_INLINE void ScatterOverlapping(const PoolShape& s, std::int64_t row, std::int64_t count,
                                   const Gradient& gradient, T* dx) {
  const std::int64_t ow = s.ow();
  const std::int64_t row_stride = s.iw * s.c;
  T* image = dx + row / count * s.ih * row_stride;
  std::fill_n(image, s.ih * row_stride, T{0});
  for (std::int64_t o = 0; o < count; ++o) {
    const WindowSpan h = SpanOfWindow(o, s.stride_h, s.pad_h, s.kh, s.ih);
    for (std::int64_t j = 0; j < ow; ++j) {
      const WindowSpan w = SpanOfWindow(j, s.stride_w, s.pad_w, s.kw, s.iw);
      const std::int64_t out = ((row + o) * ow + j) * s.c;
      ForChannels<T, false>(
          s.c, ScatterPixel<T, true, Gradient>{gradient, h, w, row_stride, s.c, s.kw, out, image});
    }
  }
}

template <class T, class Gradient>
HWY_INLINE void Scatter(const PoolShape& s, std::int64_t row, std::int64_t count,
                        const Gradient& gradient, T* dx) {
  if (detail::disjoint(s)) {
    ScatterDisjoint(s, row, count, gradient, dx);
  } else {
    ScatterOverlapping(s, row, count, gradient, dx);
  }
}

template <class T>
void MaxBackward(const PoolShape& s, std::int64_t row, std::int64_t count, const T* dy,
                 const std::int32_t* argmax, T* dx) {
  Scatter(s, row, count, MaxGradient<T>{argmax, dy}, dx);
}

template <class T>
void AverageBackward(const PoolShape& s, PoolDivisor divisor, std::int64_t row, std::int64_t count,
                     const T* dy, T* dx) {
  Scatter(s, row, count, AverageGradient<T>{s, divisor, dy}, dx);
}

template <class T>
detail::PoolKernels<T> Kernels() {
  return {MaxForward<T>, MaxBackward<T>, AverageForward<T>, AverageBackward<T>};
}
detail::PoolKernels<float> FloatKernels() { return Kernels<float>(); }
detail::PoolKernels<double> DoubleKernels() { return Kernels<double>(); }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace nnkernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace nnkernels::detail {

HWY_EXPORT(FloatKernels);
HWY_EXPORT(DoubleKernels);

template <>
PoolKernels<float> pool_kernels<float>() {
  return HWY_DYNAMIC_DISPATCH(FloatKernels)();
}
template <>
PoolKernels<double> pool_kernels<double>() {
  return HWY_DYNAMIC_DISPATCH(DoubleKernels)();
}

}  // namespace nnkernels::detail
#endif  // HWY_ONCE
