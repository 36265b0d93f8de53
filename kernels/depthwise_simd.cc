#include "kernels/depthwise_simd.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/depthwise_simd.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "hwy/highway.h"
#include "kernels/aligned_buffer.h"
#include "kernels/even_rows.h"
#include "kernels/row_tiles.h"
#include "kernels/simd-inl.h"
#include "kernels/unroll.h"

HWY_BEFORE_NAMESPACE();
namespace nnkernels {
namespace HWY_NAMESPACE {
namespace {

using detail::DepthwiseCopy;
using detail::DepthwisePixels;
using detail::EvenRows;

/// How the taps of a row of the kernel lie to the pixels. Where `kTaps` of them are three, every
/// element of x that several pixels meet is loaded once for all of them.
enum class Taps {
  any,
  three,         // as far apart as the pixels
  three_by_two,  // half as far: stride 2
  mixed,         // any, of groups of channels
  three_mixed,   // as `three`
};
inline constexpr int kTaps = 3;

/// Pixels from one to the next, in taps.
constexpr int StepOf(Taps taps) { return taps == Taps::three_by_two ? 2 : 1; }

/// Channels of a group.
constexpr int MixedBy(Taps taps) {
  return taps == Taps::mixed || taps == Taps::three_mixed ? detail::kMixedChannels : 1;
}

/// Rows of pixels that share what they load: their sums, and the weights of kernels with kTaps
/// rows, take registers.
inline constexpr int kSharedRows = k32Registers ? 2 : 1;
constexpr bool HasTwoRows(Taps taps) { return k32Registers && MixedBy(taps) == 1; }

/// So few pixels are over before a call pays; with 16 registers all are, without rows that share.
inline constexpr int kFewPixels = k32Registers ? 3 : 100;

/// Whether lanes can be copied within groups of channels.
template <class T>
constexpr bool Mixes() {
  return sizeof(T) * detail::kMixedChannels == 16 && HWY_TARGET != HWY_SCALAR;
}

/// Adds to sums the products of an element and the weights of a few taps or, where groups of kMixed
/// channels mix, of each of the group's channels: `sum_of(tap)` is the sum of the pixel that meets
/// the element there, or null.
template <int kLane = 0, int kTapCount, int kMixed, class V, class F>
HWY_INLINE void AddProducts(V element, const V (&weight)[kTapCount][kMixed], const F& sum_of) {
  V channel = element;
  if constexpr (kMixed > 1) channel = hn::Broadcast<kLane>(element);
  NNKERNELS_UNROLL
  for (int j = 0; j < kTapCount; ++j) {
    if (V* const sum = sum_of(j)) *sum = hn::MulAdd(channel, weight[j][kLane], *sum);
  }
  if constexpr (kLane + 1 < kMixed) AddProducts<kLane + 1>(element, weight, sum_of);
}

/// Loads the weights of some neighbouring taps from w on.
template <int kTapCount, int kMixed, class T, class Part, class V>
HWY_INLINE void LoadWeights(const DepthwisePixels<T>& s, const T* w, Part part,
                            V (&weight)[kTapCount][kMixed]) {
  const hn::ScalableTag<T> d;
  NNKERNELS_UNROLL
  for (int j = 0; j < kTapCount; ++j) {
    NNKERNELS_UNROLL
    for (int q = 0; q < kMixed; ++q) {
      weight[j][q] = part.Load(d, w + j * s.w_col + q * s.w_mixed);
    }
  }
}

/// Adds to the sums of kCount pixels what rows of taps of any kind contribute.
template <Taps kKind, int kCount, class T, class Part, class V>
HWY_INLINE void AddTaps(const DepthwisePixels<T>& s, const T* x, const T* w, Part part,
                        V (&sum)[kCount]) {
  const hn::ScalableTag<T> d;
  for (std::int64_t i = 0; i < s.kh; ++i, x += s.x_row, w += s.w_row) {
    EvenRows<kCount, const T> pixels(x, s.x_step);
    const T* tap = w;
    for (std::int64_t j = 0; j < s.kw; ++j, tap += s.w_col) {
      V weight[1][MixedBy(kKind)];
      LoadWeights(s, tap, part, weight);
      NNKERNELS_UNROLL
      for (int p = 0; p < kCount; ++p) {
        AddProducts(part.Load(d, pixels.row(p)), weight, [&](int) { return &sum[p]; });
      }
      pixels.advance(s.x_col);
    }
  }
}

/// The same for three taps in a row.
template <Taps kKind, int kCount, class T, class Part, class V>
HWY_INLINE void AddThreeTaps(const DepthwisePixels<T>& s, const T* x, const T* w, Part part,
                             V (&sum)[kCount]) {
  const hn::ScalableTag<T> d;
  constexpr int kStep = StepOf(kKind), kElements = (kCount - 1) * kStep + kTaps;
  EvenRows<kElements, const T> elements(x, s.x_col);
  for (std::int64_t i = s.kh; i > 0; --i, w += s.w_row) {
    V weight[kTaps][MixedBy(kKind)];
    LoadWeights(s, w, part, weight);
    NNKERNELS_UNROLL
    for (int q = 0; q < kElements; ++q) {
      AddProducts(part.Load(d, elements.row(q)), weight, [&](int j) {
        const int from = q - j;
        const bool meets = from >= 0 && from % kStep == 0 && from / kStep < kCount;
        return meets ? &sum[from / kStep] : nullptr;
      });
    }
    elements.advance(s.x_row);
  }
}

/// The same for kRows rows of pixels and three rows of taps, which lie to the rows of pixels as the
/// taps of a row to the pixels.
template <Taps kKind, int kRows, int kCount, class T, class V>
HWY_INLINE void AddThreeRows(const DepthwisePixels<T>& s, const T* x, const T* w,
                             V (&sum)[kRows * kCount]) {
  const hn::ScalableTag<T> d;
  constexpr int kStep = StepOf(kKind), kElements = (kCount - 1) * kStep + kTaps;
  constexpr int kLines = (kRows - 1) * kStep + kTaps;
  V weight[kTaps * kTaps];
  NNKERNELS_UNROLL
  for (int i = 0; i < kTaps; ++i) {
    NNKERNELS_UNROLL
    for (int j = 0; j < kTaps; ++j) {
      weight[i * kTaps + j] = hn::LoadU(d, w + i * s.w_row + j * s.w_col);
    }
  }
  EvenRows<kElements, const T> elements(x, s.x_col);
  NNKERNELS_UNROLL
  for (int line = 0; line < kLines; ++line) {
    NNKERNELS_UNROLL
    for (int q = 0; q < kElements; ++q) {
      const V element = hn::LoadU(d, elements.row(q));
      NNKERNELS_UNROLL
      for (int tap = 0; tap < kTaps * kTaps; ++tap) {
        const int row = line - tap / kTaps, from = q - tap % kTaps;
        if (row < 0 || row % kStep != 0 || row / kStep >= kRows) continue;
        if (from < 0 || from % kStep != 0 || from / kStep >= kCount) continue;
        const int pixel = row / kStep * kCount + from / kStep;
        sum[pixel] = hn::MulAdd(element, weight[tap], sum[pixel]);
      }
    }
    elements.advance(s.x_row);
  }
}

/// Adds what a row of elements contributes to two rows of kCount pixels, of which the first meets
/// it through the taps at w, the second through those at w_second; either may be null.
template <bool kFirst, bool kSecond, int kCount, class T, class V>
HWY_INLINE void AddLine(const DepthwisePixels<T>& s, const T* x, const T* w, const T* w_second,
                        V (&sum)[2 * kCount]) {
  const hn::ScalableTag<T> d;
  EvenRows<kCount, const T> pixels(x, s.x_step);
  const std::ptrdiff_t x_col = s.x_col, w_col = s.w_col;
  for (std::int64_t j = s.kw; j > 0; --j) {
    const V first = kFirst ? hn::LoadU(d, w) : hn::Zero(d);
    const V second = kSecond ? hn::LoadU(d, w_second) : hn::Zero(d);
    NNKERNELS_UNROLL
    for (int p = 0; p < kCount; ++p) {
      const V element = hn::LoadU(d, pixels.row(p));
      if constexpr (kFirst) sum[p] = hn::MulAdd(element, first, sum[p]);
      if constexpr (kSecond) sum[kCount + p] = hn::MulAdd(element, second, sum[kCount + p]);
    }
    pixels.advance(x_col);
    if constexpr (kFirst) w += w_col;
    if constexpr (kSecond) w_second += w_col;
  }
}

/// AddTaps() for two rows of pixels, `step` rows of taps apart.
template <int kCount, class T, class V>
HWY_INLINE void AddTwoRows(const DepthwisePixels<T>& s, const T* x, const T* w,
                           V (&sum)[2 * kCount]) {
  const std::int64_t step = s.x_line / s.x_row;
  const T* const none = nullptr;
  std::int64_t line = 0;
  for (; line < step; ++line, x += s.x_row) {
    AddLine<true, false, kCount>(s, x, w + line * s.w_row, none, sum);
  }
  for (; line < s.kh; ++line, x += s.x_row) {
    AddLine<true, true, kCount>(s, x, w + line * s.w_row, w + (line - step) * s.w_row, sum);
  }
  for (; line < s.kh + step; ++line, x += s.x_row) {
    AddLine<false, true, kCount>(s, x, none, w + (line - step) * s.w_row, sum);
  }
}

/// kCount pixels of each of kRows rows, for the channels from c on that `part` stands for; x and y
/// are those of the first pixel.
template <Taps kKind, int kRows, int kCount, class T, class Part>
HWY_INLINE void SomePixels(const DepthwisePixels<T>& s, const T* x, T* y, std::int64_t c,
                           Part part) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  V sum[kRows * kCount];
  const V start = s.bias == nullptr ? hn::Zero(d) : part.Load(d, s.bias + c);
  NNKERNELS_UNROLL
  for (int p = 0; p < kRows * kCount; ++p) sum[p] = start;
  if constexpr (kRows > 1 && kKind == Taps::any) {
    AddTwoRows<kCount>(s, x + c, s.w + c, sum);
  } else if constexpr (kRows > 1) {
    AddThreeRows<kKind, kRows, kCount>(s, x + c, s.w + c, sum);
  } else if constexpr (kKind == Taps::any || kKind == Taps::mixed) {
    AddTaps<kKind>(s, x + c, s.w + c, part, sum);
  } else {
    AddThreeTaps<kKind>(s, x + c, s.w + c, part, sum);
  }
  if (s.relu) {
    NNKERNELS_UNROLL
    for (int p = 0; p < kRows * kCount; ++p) sum[p] = Rectified(sum[p]);
  }
  NNKERNELS_UNROLL
  for (int r = 0; r < kRows; ++r) {
    const EvenRows<kCount, T> pixels(y + r * s.y_line + c, s.y_step);
    NNKERNELS_UNROLL
    for (int p = 0; p < kCount; ++p) part.Store(d, sum[r * kCount + p], pixels.row(p));
  }
}

/// The same, not inlined: in the loops around it g++ would compute a hundred addresses ahead, and
/// keep them in memory.
template <Taps kKind, int kRows, int kCount, class T>
HWY_NOINLINE void ManyPixels(const DepthwisePixels<T>& s, const T* x, T* y, std::int64_t c) {
  SomePixels<kKind, kRows, kCount>(s, x, y, c, WholeVector());
}

/// All whole vectors of channels of kRows rows at a time, from `row` on, in `tiles` tiles of kCount
/// pixels; x and y are those of the first pixel of row 0. In memory a pixel's channels lie side by
/// side. Returns where it ended.
template <Taps kKind, int kRows, int kCount, class T>
HWY_INLINE std::int64_t SomeRows(const DepthwisePixels<T>& s, const T* x, T* y, std::int64_t tiles,
                                 std::int64_t row) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(hn::ScalableTag<T>()));
  for (; row + kRows <= s.rows; row += kRows) {
    const T* x_tile = x + row * s.x_line;
    T* y_tile = y + row * s.y_line;
    for (std::int64_t tile = 0; tile < tiles; ++tile) {
      for (std::int64_t c = 0; c + lanes <= s.channels; c += lanes) {
        if constexpr (kRows * kCount > kFewPixels) {
          ManyPixels<kKind, kRows, kCount>(s, x_tile, y_tile, c);
        } else {
          SomePixels<kKind, kRows, kCount>(s, x_tile, y_tile, c, WholeVector());
        }
      }
      x_tile += kCount * s.x_step;
      y_tile += kCount * s.y_step;
    }
  }
  return row;
}

/// The last channels of all rows, too few for a vector. Not inlined: one copy serves all kinds.
template <Taps kKind, int kCount, class T>
HWY_NOINLINE void LastChannels(const DepthwisePixels<T>& s, const T* x, T* y, std::int64_t tiles,
                               std::int64_t c) {
  const FirstLanes part{static_cast<std::size_t>(s.channels - c)};
  for (std::int64_t row = 0; row < s.rows; ++row) {
    for (std::int64_t tile = 0; tile < tiles; ++tile) {
      SomePixels<kKind, 1, kCount>(s, x + row * s.x_line + tile * kCount * s.x_step,
                                   y + row * s.y_line + tile * kCount * s.y_step, c, part);
    }
  }
}

/// Whether two rows of pixels meet the same elements of x, and there is code for both at once.
template <Taps kKind, class T>
bool RowsMeet(const DepthwisePixels<T>& s) {
  if (kKind != Taps::any) return s.kh == kTaps && s.x_line == StepOf(kKind) * s.x_row;
  return s.x_row > 0 && s.x_line % s.x_row == 0 && s.x_line / s.x_row < s.kh;
}

/// All channels of all rows of so many tiles.
template <Taps kKind, int kCount, class T>
void Tiles(const DepthwisePixels<T>& pixels, const T* x, T* y, std::int64_t tiles) {
  const DepthwisePixels<T> s = pixels;  // which no store to y can change
  std::int64_t row = 0;
  if constexpr (HasTwoRows(kKind)) {
    if (RowsMeet<kKind>(s)) row = SomeRows<kKind, kSharedRows, kCount>(s, x, y, tiles, row);
  }
  SomeRows<kKind, 1, kCount>(s, x, y, tiles, row);
  const std::int64_t rest = s.channels % static_cast<std::int64_t>(hn::Lanes(hn::ScalableTag<T>()));
  constexpr Taps kLast = MixedBy(kKind) > 1 ? Taps::mixed : Taps::any;
  if (rest > 0) LastChannels<kLast, kCount>(pixels, x, y, tiles, s.channels - rest);
}

/// In tiles of two widths, those of the first before those of the second.
template <Taps kKind, class T, int... kCounts>
void Pixels(const DepthwisePixels<T>& s, std::integer_sequence<int, kCounts...>) {
  constexpr std::array kOfCount = {Tiles<kKind, kCounts + 1, T>...};
  const detail::RowTiles tiles(s.pixels, sizeof...(kCounts));
  const std::int64_t longer = tiles.longer(), size = tiles.size(longer);
  if (longer > 0) kOfCount[static_cast<std::size_t>(size)](s, s.x, s.y, longer);
  const std::int64_t first = tiles.begin(longer);
  kOfCount[static_cast<std::size_t>(size - 1)](s, s.x + first * s.x_step, s.y + first * s.y_step,
                                               tiles.count() - longer);
}

template <class T>
void Pixels(const DepthwisePixels<T>& s) {
  constexpr auto kCounts = std::make_integer_sequence<int, detail::kDepthwisePixels>();
  if constexpr (Mixes<T>()) {
    if (s.mixed > 1) {
      const bool three = k32Registers && s.kw == kTaps && s.x_step == s.x_col;
      return three ? Pixels<Taps::three_mixed>(s, kCounts) : Pixels<Taps::mixed>(s, kCounts);
    }
  }
  if (s.kw == kTaps && s.x_step == s.x_col) return Pixels<Taps::three>(s, kCounts);
  if (s.kw == kTaps && s.x_step == 2 * s.x_col) return Pixels<Taps::three_by_two>(s, kCounts);
  Pixels<Taps::any>(s, kCounts);
}

template <class T>
void Copy(const DepthwiseCopy<T>& s) {
  constexpr std::int64_t kLine = kAlignment / sizeof(T);
  const hn::CappedTag<T, kLine> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  T* HWY_RESTRICT to = s.to;
  const std::int64_t step = s.to_step;
  const auto zeros = [d, lanes, step, &to](std::int64_t pixels) HWY_ATTR {
    for (T* const end = to + pixels * step; to < end; to += lanes) hn::Store(hn::Zero(d), d, to);
  };
  const T* line = s.x;
  zeros(s.rows.first * s.cols.count);
  for (std::int64_t r = s.rows.first; r < s.rows.last; ++r, line += s.x_line) {
    zeros(s.cols.first);
    const T* HWY_RESTRICT x = line;
    for (std::int64_t c = s.cols.first; c < s.cols.last; ++c, x += s.x_step, to += step) {
      std::int64_t i = 0;
      for (; i + kLine <= s.channels; i += kLine) {
        for (std::int64_t v = i; v < i + kLine; v += lanes)
          hn::Store(hn::LoadU(d, x + v), d, to + v);
      }
      for (; i + lanes <= s.channels; i += lanes) hn::Store(hn::LoadU(d, x + i), d, to + i);
      for (; i < s.channels; ++i) to[i] = x[i];
    }
    zeros(s.cols.count - s.cols.last);
  }
  zeros((s.rows.count - s.rows.last) * s.cols.count);
}

template <class T>
detail::DepthwiseKernels<T> Kernels() {
  return {.pixels = Pixels<T>,
          .gradient = nullptr,
          .gradient_3x3 = nullptr,
          .copy = Copy<T>,
          .mixes = Mixes<T>()};
}
detail::DepthwiseKernels<float> FloatKernels() { return Kernels<float>(); }
detail::DepthwiseKernels<double> DoubleKernels() { return Kernels<double>(); }

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
  DepthwiseKernels<float> kernels = HWY_DYNAMIC_DISPATCH(FloatKernels)();
  kernels.gradient = depthwise_gradient_kernel<float>();
  kernels.gradient_3x3 = depthwise_gradient_3x3_kernel<float>();
  return kernels;
}
template <>
DepthwiseKernels<double> depthwise_kernels<double>() {
  DepthwiseKernels<double> kernels = HWY_DYNAMIC_DISPATCH(DoubleKernels)();
  kernels.gradient = depthwise_gradient_kernel<double>();
  kernels.gradient_3x3 = depthwise_gradient_3x3_kernel<double>();
  return kernels;
}

}  // namespace nnkernels::detail
#endif  // HWY_ONCE
