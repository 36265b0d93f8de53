#include "kernels/conv_one_channel_simd.h"

#include <cstddef>
#include <cstdint>
#include <type_traits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv_one_channel_simd.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "hwy/highway.h"
#include "kernels/even_rows.h"
#include "kernels/simd-inl.h"
#include "kernels/unroll.h"

HWY_BEFORE_NAMESPACE();
namespace nnkernels {
namespace HWY_NAMESPACE {
namespace {

#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2  // better targets have lower numbers
using detail::hide_origin;
using detail::OneChannelForward;
using detail::OneChannelGradient;
using detail::OneChannelRows;

/// Vectors of y that are computed side by side, for as many chains of multiply-adds.
inline constexpr int kVectors = k32Registers ? 2 : 1;
/// Rows of taps whose gradients are summed in registers.
inline constexpr int kTapRows = k32Registers ? 3 : 2;

template <class D>
using IndexOf = decltype(hn::IndicesFromVec(D(), hn::Zero(hn::RebindToSigned<D>())));

/// Where vector v finds the pixels that it meets through the taps of a row: x[0..] of the kernel's
/// first row, and which of them each lane meets through each tap.
template <class T, int kTaps>
struct Pixels {
  using D = hn::ScalableTag<T>;

  HWY_INLINE void find(const OneChannelRows<T>& s, std::int64_t v) {
    const D d;
    const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
    const hn::RebindToSigned<D> numbers;
    const hn::Rebind<std::int32_t, D> stored;
    x = s.x + v * lanes / s.channels;
    const auto pixel = hn::Load(stored, s.pixel + v % s.patterns * lanes);
    NNKERNELS_UNROLL
    for (int j = 0; j < kTaps; ++j) {
      const auto tap = hn::Add(pixel, hn::Set(stored, j));
      if constexpr (sizeof(T) == sizeof(std::int32_t)) {
        index[j] = hn::IndicesFromVec(d, tap);
      } else {
        index[j] = hn::IndicesFromVec(d, hn::PromoteTo(numbers, tap));
      }
    }
  }

  const T* x;
  IndexOf<D> index[kTaps];
};

/// kCount vectors of all rows of y, from vector v on. The rows of x slide by: each meets the sums
/// of kTaps rows of y, the oldest of which are then complete.
template <int kTaps, int kCount, class T, class Part>
HWY_NOINLINE void ForwardColumn(const OneChannelForward<T>& s, std::int64_t v, Part last) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  V sum[kTaps][kCount];
  NNKERNELS_UNROLL
  for (int i = 0; i < kTaps; ++i) {
    NNKERNELS_UNROLL
    for (int c = 0; c < kCount; ++c) sum[i][c] = hn::Zero(d);
  }
  Pixels<T, kTaps> pixels[kCount];
  const T* w[kCount];
  const T* bias[kCount];
  NNKERNELS_UNROLL
  for (int c = 0; c < kCount; ++c) {
    pixels[c].find(s, v + c);
    const std::int64_t pattern = (v + c) % s.patterns;
    w[c] = s.w + pattern * kTaps * kTaps * lanes;
    bias[c] = s.bias == nullptr ? nullptr : s.bias + pattern * lanes;
  }
  T* y = s.y + v * lanes;
  for (std::int64_t row = 1 - kTaps; row < s.rows; ++row) {
    NNKERNELS_UNROLL
    for (int c = 0; c < kCount; ++c) {
      const V line = hn::LoadU(d, pixels[c].x);
      pixels[c].x += s.x_line;
      NNKERNELS_UNROLL
      for (int j = 0; j < kTaps; ++j) {
        const V element = hn::TableLookupLanes(line, pixels[c].index[j]);
        NNKERNELS_UNROLL
        for (int i = 0; i < kTaps; ++i) {
          V& to = sum[kTaps - 1 - i][c];
          to = hn::MulAdd(element, hn::Load(d, w[c] + (i * kTaps + j) * lanes), to);
        }
      }
      // Else the weights would be kept in registers, of which there are not as many.
      hide_origin(w[c]);
    }
    if (row >= 0) {
      NNKERNELS_UNROLL
      for (int c = 0; c < kCount; ++c) {
        V result = sum[0][c];
        if (s.bias != nullptr) result = hn::Add(result, hn::Load(d, bias[c]));
        if (s.relu) result = Rectified(result);
        if (c == kCount - 1) {
          last.Store(d, result, y + c * lanes);
        } else {
          hn::StoreU(result, d, y + c * lanes);
        }
      }
      y += s.row_size;
    }
    NNKERNELS_UNROLL
    for (int c = 0; c < kCount; ++c) {
      NNKERNELS_UNROLL
      for (int i = 0; i + 1 < kTaps; ++i) sum[i][c] = sum[i + 1][c];
      sum[kTaps - 1][c] = hn::Zero(d);
    }
  }
}

template <int kTaps, class T>
void ForwardRows(const OneChannelForward<T>& s) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(hn::ScalableTag<T>()));
  const std::int64_t whole = s.row_size / lanes;
  std::int64_t v = 0;
  for (; v + kVectors <= whole; v += kVectors) {
    ForwardColumn<kTaps, kVectors>(s, v, WholeVector());
  }
  const FirstLanes part{static_cast<std::size_t>(s.row_size - whole * lanes)};
  if (kVectors > 1 && v < whole && part.count > 0) {
    return ForwardColumn<kTaps, kVectors>(s, v, part);
  }
  if (kVectors > 1 && v < whole) ForwardColumn<kTaps, 1>(s, v, WholeVector());
  if (part.count > 0) ForwardColumn<kTaps, 1>(s, whole, part);
}

/// What vector v of all rows of dy contributes to kHeight rows of taps, from `first` on.
template <int kTaps, int kHeight, class T, class Part>
HWY_NOINLINE void GradientColumn(const OneChannelGradient<T>& s, std::int64_t v, int first,
                                 Part part, T* sums) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  Pixels<T, kTaps> pixels;
  pixels.find(s, v);
  V sum[kHeight][kTaps], gradient[kHeight];
  NNKERNELS_UNROLL
  for (int i = 0; i < kHeight; ++i) {
    gradient[i] = hn::Zero(d);
    NNKERNELS_UNROLL
    for (int j = 0; j < kTaps; ++j) sum[i][j] = hn::Zero(d);
  }
  const T* x = pixels.x + first * s.x_line;
  const T* dy = s.dy + v * lanes;
  // A row of x meets through tap row i the gradients of i rows above. What is above or below dy is
  // left out, not zero: x may be infinite.
  std::int64_t row = 0;
  const auto step = [&](auto at_edge) HWY_ATTR {
    NNKERNELS_UNROLL
    for (int i = kHeight - 1; i > 0; --i) gradient[i] = gradient[i - 1];
    if (!at_edge() || row < s.rows) gradient[0] = part.Load(d, dy);
    const V line = hn::LoadU(d, x);
    NNKERNELS_UNROLL
    for (int j = 0; j < kTaps; ++j) {
      const V element = hn::TableLookupLanes(line, pixels.index[j]);
      NNKERNELS_UNROLL
      for (int i = 0; i < kHeight; ++i) {
        if (at_edge() && (row < i || row - i >= s.rows)) continue;
        sum[i][j] = hn::MulAdd(element, gradient[i], sum[i][j]);
      }
    }
    ++row;
    x += s.x_line;
    dy += s.row_size;
  };
  while (row < kHeight - 1) step(std::true_type());
  while (row < s.rows) step(std::false_type());
  while (row < s.rows + kHeight - 1) step(std::true_type());
  sums += first * kTaps * lanes;
  NNKERNELS_UNROLL
  for (int i = 0; i < kHeight; ++i) {
    NNKERNELS_UNROLL
    for (int j = 0; j < kTaps; ++j, sums += lanes) {
      hn::Store(hn::Add(hn::Load(d, sums), sum[i][j]), d, sums);
    }
  }
}

template <int kTaps, class T, class Part>
void GradientTaps(const OneChannelGradient<T>& s, std::int64_t v, Part part, T* sums) {
  int first = 0;
  for (; first + kTapRows <= kTaps; first += kTapRows) {
    GradientColumn<kTaps, kTapRows>(s, v, first, part, sums);
  }
  constexpr int kRest = kTaps % kTapRows;
  if constexpr (kRest > 0) GradientColumn<kTaps, kRest>(s, v, first, part, sums);
}

template <int kTaps, class T>
void GradientRows(const OneChannelGradient<T>& s) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(hn::ScalableTag<T>()));
  const std::int64_t whole = s.row_size / lanes;
  const auto sums_of = [&](std::int64_t pattern) {
    return s.sums + pattern * kTaps * kTaps * lanes;
  };
  for (std::int64_t v = 0; v < whole; ++v) {
    GradientTaps<kTaps>(s, v, WholeVector(), sums_of(v % s.patterns));
  }
  const FirstLanes part{static_cast<std::size_t>(s.row_size - whole * lanes)};
  if (part.count > 0) GradientTaps<kTaps>(s, whole, part, sums_of(s.patterns));
}

template <class T>
void Forward(const OneChannelForward<T>& s) {
  return s.taps == 3 ? ForwardRows<3>(s) : ForwardRows<5>(s);
}

template <class T>
void Gradient(const OneChannelGradient<T>& s) {
  return s.taps == 3 ? GradientRows<3>(s) : GradientRows<5>(s);
}

template <class T>
detail::OneChannelKernels<T> Kernels() {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(hn::ScalableTag<T>()));
  return {.lanes = lanes,
          .most_channels = (k32Registers ? 3 : 5) * lanes / 4,
          .most_pooled_channels = {(k32Registers ? 4 : 7) * lanes / 8,
                                   (k32Registers ? 5 : 7) * lanes / 8},
          .forward = Forward<T>,
          .gradient = Gradient<T>};
}
#else
/// Not tried: four lanes have no room for the pixels that they meet through five taps.
template <class T>
detail::OneChannelKernels<T> Kernels() {
  return {};
}
#endif
detail::OneChannelKernels<float> FloatKernels() { return Kernels<float>(); }
detail::OneChannelKernels<double> DoubleKernels() { return Kernels<double>(); }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace nnkernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace nnkernels::detail {

HWY_EXPORT(FloatKernels);
HWY_EXPORT(DoubleKernels);

template <>
OneChannelKernels<float> one_channel_kernels<float>() {
  return HWY_DYNAMIC_DISPATCH(FloatKernels)();
}
template <>
OneChannelKernels<double> one_channel_kernels<double>() {
  return HWY_DYNAMIC_DISPATCH(DoubleKernels)();
}

}  // namespace nnkernels::detail
#endif  // HWY_ONCE
