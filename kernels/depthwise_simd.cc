#include "kernels/depthwise_simd.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/depthwise_simd.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "hwy/highway.h"
#include "kernels/simd-inl.h"

// As in gemm_tile.cc: a loop over accumulators that is not unrolled keeps them in memory.
#define NNKERNELS_UNROLL _Pragma("GCC unroll 32")

HWY_BEFORE_NAMESPACE();
namespace nnkernels {
namespace HWY_NAMESPACE {
namespace {

using detail::DepthwiseGradient;
using detail::DepthwisePixels;

/// Pixels that share each load of a weight. Enough sums to hide the latency of the multiply-add.
inline constexpr int kPixels = 8;
/// Taps that share each load of a gradient.
inline constexpr int kTaps = 4;

/// kCount pixels from `first` on, for the channels from c on that `part` stands for.
template <int kCount, class T, class Part>
HWY_INLINE void SomePixels(const DepthwisePixels<T>& s, std::int64_t first, std::int64_t c,
                           Part part) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  V sum[kCount];
  const V start = s.bias == nullptr ? hn::Zero(d) : part.Load(d, s.bias + c);
  NNKERNELS_UNROLL
  for (int p = 0; p < kCount; ++p) sum[p] = start;
  for (std::int64_t i = 0; i < s.kh; ++i) {
    const T* x = s.x + first * s.x_step + i * s.x_row + c;
    const T* w = s.w + i * s.w_row + c;
    for (std::int64_t j = 0; j < s.kw; ++j, x += s.x_col, w += s.w_col) {
      const V weight = part.Load(d, w);
      NNKERNELS_UNROLL
      for (int p = 0; p < kCount; ++p) {
        sum[p] = hn::MulAdd(part.Load(d, x + p * s.x_step), weight, sum[p]);
      }
    }
  }
  if (s.relu) {
    // Not Max: NaN must stay NaN on every instruction set.
    NNKERNELS_UNROLL
    for (int p = 0; p < kCount; ++p) {
      sum[p] = hn::IfThenZeroElse(hn::Le(sum[p], hn::Zero(d)), sum[p]);
    }
  }
  T* const y = s.y + first * s.y_step + c;
  NNKERNELS_UNROLL
  for (int p = 0; p < kCount; ++p) part.Store(d, sum[p], y + p * s.y_step);
}

template <class T, class Part>
HWY_INLINE void AllPixels(const DepthwisePixels<T>& s, std::int64_t c, Part part) {
  std::int64_t pixel = 0;
  for (; pixel + kPixels <= s.pixels; pixel += kPixels) SomePixels<kPixels>(s, pixel, c, part);
  if (pixel + 4 <= s.pixels) {
    SomePixels<4>(s, pixel, c, part);
    pixel += 4;
  }
  for (; pixel < s.pixels; ++pixel) SomePixels<1>(s, pixel, c, part);
}

/// kCount taps from `tap` on.
template <int kCount, class T, class Part>
HWY_INLINE void SomeTaps(const DepthwiseGradient<T>& s, std::int64_t tap, std::int64_t c,
                         Part part) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  T* const dw = s.dw + tap * s.dw_col + c;
  V sum[kCount];
  NNKERNELS_UNROLL
  for (int j = 0; j < kCount; ++j) sum[j] = part.Load(d, dw + j * s.dw_col);
  const T* x = s.x + tap * s.x_col + c;
  const T* dy = s.dy + c;
  for (std::int64_t p = 0; p < s.pixels; ++p, x += s.x_step, dy += s.dy_step) {
    const V gradient = part.Load(d, dy);
    NNKERNELS_UNROLL
    for (int j = 0; j < kCount; ++j) {
      sum[j] = hn::MulAdd(part.Load(d, x + j * s.x_col), gradient, sum[j]);
    }
  }
  NNKERNELS_UNROLL
  for (int j = 0; j < kCount; ++j) part.Store(d, sum[j], dw + j * s.dw_col);
}

template <class T, class Part>
HWY_INLINE void AllTaps(const DepthwiseGradient<T>& s, std::int64_t c, Part part) {
  std::int64_t tap = 0;
  for (; tap + kTaps <= s.kw; tap += kTaps) SomeTaps<kTaps>(s, tap, c, part);
  switch (s.kw - tap) {
    case 3:
      return SomeTaps<3>(s, tap, c, part);
    case 2:
      return SomeTaps<2>(s, tap, c, part);
    case 1:
      return SomeTaps<1>(s, tap, c, part);
    default:
      return;
  }
}

template <class T>
void Pixels(const DepthwisePixels<T>& s) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t c = 0;
  for (; c + lanes <= s.channels; c += lanes) AllPixels(s, c, WholeVector());
  if (c < s.channels) AllPixels(s, c, FirstLanes{static_cast<std::size_t>(s.channels - c)});
}

template <class T>
void Gradient(const DepthwiseGradient<T>& s) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t c = 0;
  for (; c + lanes <= s.channels; c += lanes) AllTaps(s, c, WholeVector());
  if (c < s.channels) AllTaps(s, c, FirstLanes{static_cast<std::size_t>(s.channels - c)});
}

detail::DepthwiseKernels<float> FloatKernels() { return {Pixels<float>, Gradient<float>}; }
detail::DepthwiseKernels<double> DoubleKernels() { return {Pixels<double>, Gradient<double>}; }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace nnkernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace nnkernels::detail {

HWY_EXPORT(FloatKernels);
HWY_EXPORT(DoubleKernels);

template <>
DepthwiseKernels<float> depthwise_kernels<float>() {
  return HWY_DYNAMIC_DISPATCH(FloatKernels)();
}
template <>
DepthwiseKernels<double> depthwise_kernels<double>() {
  return HWY_DYNAMIC_DISPATCH(DoubleKernels)();
}

}  // namespace nnkernels::detail
#endif  // HWY_ONCE
