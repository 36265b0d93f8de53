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
#include "kernels/pool_windows-inl.h"
#include "kernels/simd-inl.h"

// As in gemm_tile-inl.h: a loop over accumulators that is not unrolled keeps them in memory.
#define NNKERNELS_UNROLL _Pragma("GCC unroll 4")

HWY_BEFORE_NAMESPACE();
namespace nnkernels {
namespace HWY_NAMESPACE {
namespace {

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

/// The largest of a window's pixels, for some channels. With `kCareful` NaN is larger than
/// anything; else NaN wins or loses, but always reaches `any`.
template <class T, bool kWithArgmax, bool kCareful, class Window>
struct MaxPixel {
  const Window& window;
  const T* x;  // the image
  T* y;        // the pixel
  std::int32_t* argmax;
  hn::Vec<hn::ScalableTag<T>>& any;

  template <class Access, int kCount>
  HWY_INLINE void operator()(Access access, Vectors<kCount>, std::int64_t channel) const {
    const hn::ScalableTag<T> d;
    const PositionTag<T> dp;
    using Position = PositionOf<T>;
    const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
    const T* HWY_RESTRICT row = x + window.first + channel;
    std::int64_t position = window.position;
    hn::Vec<decltype(d)> best[kCount];
    hn::Vec<decltype(d)> sum[kCount];
    hn::Vec<decltype(dp)> winner[kCount];
    NNKERNELS_UNROLL
    for (int v = 0; v < kCount; ++v) {
      best[v] = access.Load(d, row + v * lanes);
      winner[v] = hn::Set(dp, static_cast<Position>(position));
      sum[v] = best[v];
    }
    constexpr int kUses = k32Registers ? 2 : 1;  // with 16 registers not all pixels have one
    std::int64_t j = 1;  // the first pixel of the first row is `best` already
    for (std::int64_t i = 0; i < window.rows; ++i, row += window.line, position += window.kw) {
      for (; j < window.cols; ++j) {
        const auto here = hn::Set(dp, static_cast<Position>(position + j));
        NNKERNELS_UNROLL
        for (int v = 0; v < kCount; ++v) {
          const auto value = LoadedOnce<kUses>(access.Load(d, row + j * window.c + v * lanes));
          auto wins = hn::Lt(best[v], value);
          if constexpr (kCareful) {
            // Larger or NaN, unless NaN has won already.
            wins = hn::And(hn::Not(hn::Le(value, best[v])), hn::Eq(best[v], best[v]));
            best[v] = hn::IfThenElse(wins, value, best[v]);
          } else {
            sum[v] = hn::Add(sum[v], value);
            best[v] = GreaterOrSecond(value, best[v]);
          }
          if constexpr (kWithArgmax) {
            winner[v] = hn::IfThenElse(hn::RebindMask(dp, wins), here, winner[v]);
          }
        }
      }
      j = 0;
    }
    NNKERNELS_UNROLL
    for (int v = 0; v < kCount; ++v) {
      any = hn::Add(any, sum[v]);
      access.Store(d, best[v], y + channel + v * lanes);
      if constexpr (kWithArgmax) {
        StorePositions<T>(access, winner[v], argmax + channel + v * lanes);
      }
    }
  }
};

template <class T, bool kWithArgmax, bool kCareful>
struct MaxWindow {
  std::int64_t c;
  const T* x;
  T* y;  // this and argmax: the row
  std::int32_t* argmax;
  hn::Vec<hn::ScalableTag<T>> any = hn::Zero(hn::ScalableTag<T>());

  template <class Window>
  HWY_INLINE void operator()(std::int64_t j, const Window& window) {
    std::int32_t* const winner = kWithArgmax ? argmax + j * c : nullptr;
    ForChannels<T, true>(
        c, MaxPixel<T, kWithArgmax, kCareful, Window>{window, x, y + j * c, winner, any});
  }
};

template <class T, bool kWithArgmax>
HWY_INLINE void MaxForwardRows(const PoolShape& s, std::int64_t row, std::int64_t count, const T* x,
                               T* y, std::int32_t* argmax) {
  const std::int64_t oh = s.oh();
  const std::int64_t y_row = s.ow() * s.c;
  for (std::int64_t r = row; r < row + count; ++r) {
    const WindowSpan h = SpanOfWindow(r % oh, s.stride_h, s.pad_h, s.kh, s.ih);
    const T* image = x + r / oh * s.ih * s.iw * s.c;
    std::int32_t* const winners = kWithArgmax ? argmax + r * y_row : nullptr;
    MaxWindow<T, kWithArgmax, false> fast{s.c, image, y + r * y_row, winners};
    ForWindows<3>(s, h, fast);
    // NaN, or infinities that cancel: rare, so the row is done again.
    if (hn::AllTrue(hn::ScalableTag<T>(), hn::Eq(fast.any, fast.any))) continue;
    MaxWindow<T, kWithArgmax, true> careful{s.c, image, y + r * y_row, winners};
    ForWindows<0>(s, h, careful);
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

template <class T, class Window>
struct AveragePixel {
  const Window& window;
  Divisor<T> divisor;
  const T* x;  // the image
  T* y;        // the pixel

  template <class Access, int kCount>
  HWY_INLINE void operator()(Access access, Vectors<kCount>, std::int64_t channel) const {
    const hn::ScalableTag<T> d;
    const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
    const T* HWY_RESTRICT row = x + window.first + channel;
    hn::Vec<decltype(d)> sum[kCount];
    NNKERNELS_UNROLL
    for (int v = 0; v < kCount; ++v) sum[v] = hn::Zero(d);
    for (std::int64_t i = 0; i < window.rows; ++i, row += window.line) {
      for (std::int64_t j = 0; j < window.cols; ++j) {
        NNKERNELS_UNROLL
        for (int v = 0; v < kCount; ++v) {
          sum[v] = hn::Add(sum[v], access.Load(d, row + j * window.c + v * lanes));
        }
      }
    }
    NNKERNELS_UNROLL
    for (int v = 0; v < kCount; ++v) {
      access.Store(d, divisor.Divide(sum[v]), y + channel + v * lanes);
    }
  }
};

template <class T>
struct AverageWindow {
  const PoolShape& s;
  PoolDivisor divisor;
  const T* x;
  T* y;  // the row

  template <class Window>
  HWY_INLINE void operator()(std::int64_t j, const Window& window) const {
    const Divisor<T> of_window(s, divisor, window);
    ForChannels<T, true>(s.c, AveragePixel<T, Window>{window, of_window, x, y + j * s.c});
  }
};

template <class T>
void AverageForward(const PoolShape& s, PoolDivisor divisor, std::int64_t row, std::int64_t count,
                    const T* x, T* y) {
  const std::int64_t oh = s.oh();
  for (std::int64_t r = row; r < row + count; ++r) {
    const WindowSpan h = SpanOfWindow(r % oh, s.stride_h, s.pad_h, s.kh, s.ih);
    const T* image = x + r / oh * s.ih * s.iw * s.c;
    const AverageWindow<T> average{s, divisor, image, y + r * s.ow() * s.c};
    ForWindows<3>(s, h, average);
  }
}

// What the pixels of y send back: OfWindow() knows how for one window; of that, Load() reads it for
// a vector of channels, and At() gives the part of one position.

template <class T>
struct MaxGradient {
  using D = hn::ScalableTag<T>;
  struct Parts {
    // Declared, here and below: g++ gives no target attributes to a constructor that is implicit,
    // and cannot inline those of NEON's vectors there.
    Parts() = default;
    HWY_INLINE Parts(hn::Vec<PositionTag<T>> winner_in, hn::Vec<D> dy_in)
        : winner(winner_in), dy(dy_in) {}

    hn::Vec<PositionTag<T>> winner;
    hn::Vec<D> dy;

    HWY_INLINE hn::Vec<D> At(std::int64_t position) const {
      const D d;
      const PositionTag<T> dp;
      const auto wins = hn::Eq(winner, hn::Set(dp, static_cast<PositionOf<T>>(position)));
      return hn::IfThenElseZero(hn::RebindMask(d, wins), dy);
    }
  };

  template <class Window>
  HWY_INLINE MaxGradient OfWindow(const Window&) const {
    return *this;
  }
  template <class Access>
  HWY_INLINE Parts Load(Access access, std::int64_t i) const {
    const D d;
    return {LoadPositions<T>(access, argmax + i), access.Load(d, dy + i)};
  }

  const std::int32_t* argmax;
  const T* dy;
};

template <class T>
struct AverageGradient {
  struct Share {
    using D = hn::ScalableTag<T>;
    struct Parts {
      Parts() = default;
      HWY_INLINE explicit Parts(hn::Vec<D> share_in) : share(share_in) {}

      hn::Vec<D> share;

      HWY_INLINE hn::Vec<D> At(std::int64_t) const { return share; }
    };

    template <class Access>
    HWY_INLINE Parts Load(Access access, std::int64_t i) const {
      const D d;
      return Parts(divisor.Divide(access.Load(d, dy + i)));
    }

    Divisor<T> divisor;
    const T* dy;
  };

  template <class Window>
  HWY_INLINE Share OfWindow(const Window& window) const {
    return {Divisor<T>(shape, divisor, window), dy};
  }

  const PoolShape& shape;
  PoolDivisor divisor;
  const T* dy;
};

/// Sends the gradient of one pixel of y to its window: dx (the image) = the parts where no
/// window has been before, += the parts elsewhere.
template <class T, bool kDisjoint, class Gradient, class Window>
struct ScatterPixel {
  const Gradient& gradient;
  const Window& window;
  std::int64_t out;  // the pixel's place in dy
  T* dx;

  template <class Access, int kCount>
  HWY_INLINE void operator()(Access access, Vectors<kCount>, std::int64_t channel) const {
    const hn::ScalableTag<T> d;
    const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
    typename Gradient::Parts parts[kCount];
    NNKERNELS_UNROLL
    for (int v = 0; v < kCount; ++v) {
      parts[v] = gradient.Load(access, out + channel + v * lanes);
    }
    T* HWY_RESTRICT row = dx + window.first + channel;
    std::int64_t position = window.position;
    for (std::int64_t i = 0; i < window.rows; ++i, row += window.line, position += window.kw) {
      for (std::int64_t j = 0; j < window.cols; ++j) {
        const bool first = kDisjoint || (i >= window.seen_rows && j >= window.seen_cols);
        NNKERNELS_UNROLL
        for (int v = 0; v < kCount; ++v) {
          T* const to = row + j * window.c + v * lanes;
          const auto part = parts[v].At(position + j);
          access.Store(d, first ? part : hn::Add(access.Load(d, to), part), to);
        }
      }
    }
  }
};

template <class T, bool kDisjoint, class Gradient>
struct ScatterWindow {
  const Gradient& gradient;
  std::int64_t c;
  std::int64_t out;  // the row's place in dy
  T* dx;             // the image

  template <class Window>
  HWY_INLINE void operator()(std::int64_t j, const Window& window) const {
    const auto of_window = gradient.OfWindow(window);
    using OfWindow = std::remove_const_t<decltype(of_window)>;
    ForChannels<T, kDisjoint>(
        c, ScatterPixel<T, kDisjoint, OfWindow, Window>{of_window, window, out + j * c, dx});
  }
};

/// A row of y owns the rows of dx from behind the windows of the row before to the end of its own:
/// so each row of dx has one owner, which sets to zero what lies in no window.
template <class T, bool kDisjoint, class Gradient>
HWY_INLINE void ScatterRows(const PoolShape& s, std::int64_t row, std::int64_t count,
                            const Gradient& gradient, T* dx) {
  const std::int64_t oh = s.oh();
  const std::int64_t line = s.iw * s.c;
  const bool covering = detail::covering(s);
  for (std::int64_t r = row; r < row + count; ++r) {
    const std::int64_t o = r % oh;
    T* const image = dx + r / oh * s.ih * line;
    const WindowSpan h = SpanOfWindow(o, s.stride_h, s.pad_h, s.kh, s.ih);
    if (!covering) {
      const std::int64_t from =
          o == 0 ? 0 : SpanOfWindow(o - 1, s.stride_h, s.pad_h, s.kh, s.ih).end;
      const std::int64_t to = o + 1 == oh ? s.ih : h.end;
      std::fill_n(image + from * line, (to - from) * line, T{0});
    }
    const ScatterWindow<T, kDisjoint, Gradient> scatter{gradient, s.c, r * s.ow() * s.c, image};
    ForWindows<2>(s, h, scatter);
  }
}

template <class T, class Gradient>
HWY_INLINE void Scatter(const PoolShape& s, std::int64_t row, std::int64_t count,
                        const Gradient& gradient, T* dx) {
  if (detail::disjoint(s)) {
    ScatterRows<T, true>(s, row, count, gradient, dx);
  } else {
    ScatterRows<T, false>(s, row, count, gradient, dx);
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
