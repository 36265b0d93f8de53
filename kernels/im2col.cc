#include "kernels/im2col.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "kernels/blocks.h"
#include "kernels/check.h"
#include "kernels/cost.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/im2col.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "hwy/highway.h"
#include "kernels/simd-inl.h"

// Outside the per-target part, which is compiled several times.
#ifndef NNKERNELS_KERNELS_IM2COL_CC_
#define NNKERNELS_KERNELS_IM2COL_CC_
namespace nnkernels::detail {

template <class T>
struct Im2colKernels {
  /// Writes `count` output rows from `row` on, numbered through all images, of col.
  void (*im2col)(const ConvShape& shape, std::int64_t row, std::int64_t count, const T* x, T* col);
  /// Writes one image.
  void (*col2im)(const ConvShape& shape, std::int64_t image, const T* col, T* x);
};

}  // namespace nnkernels::detail
#endif  // NNKERNELS_KERNELS_IM2COL_CC_

HWY_BEFORE_NAMESPACE();
namespace nnkernels {
namespace HWY_NAMESPACE {
namespace {

// A row of col is made of runs: consecutive elements of col that are consecutive in x too, a whole
// kernel row (kw * ic) or, when it is dilated, one pixel (ic). Runs are short, often shorter than a
// vector: calls of memcpy would take most of the time.

/// to[i] = from[i]. The last vector reaches back where a whole one fits.
template <class T>
HWY_INLINE void Copy(std::int64_t size, const T* HWY_RESTRICT from, T* HWY_RESTRICT to) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= size; i += lanes) hn::StoreU(hn::LoadU(d, from + i), d, to + i);
  if (i == size) return;
  if (size > lanes) {
    hn::StoreU(hn::LoadU(d, from + size - lanes), d, to + size - lanes);
  } else {
    const FirstLanes rest{static_cast<std::size_t>(size)};
    rest.Store(d, rest.Load(d, from), to);
  }
}

/// to[i] = 0.
template <class T>
HWY_INLINE void Clear(std::int64_t size, T* HWY_RESTRICT to) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= size; i += lanes) hn::StoreU(hn::Zero(d), d, to + i);
  const FirstLanes rest{static_cast<std::size_t>(size - i)};
  if (rest.count != 0) rest.Store(d, hn::Zero(d), to + i);
}

/// to[i] += from[i].
template <class T>
HWY_INLINE void Accumulate(std::int64_t size, const T* HWY_RESTRICT from, T* HWY_RESTRICT to) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= size; i += lanes) {
    hn::StoreU(hn::Add(hn::LoadU(d, to + i), hn::LoadU(d, from + i)), d, to + i);
  }
  const FirstLanes rest{static_cast<std::size_t>(size - i)};
  if (rest.count != 0) rest.Store(d, hn::Add(rest.Load(d, to + i), rest.Load(d, from + i)), to + i);
}

/// What to do with the runs of im2col, which copies, and col2im, which adds. `outside` gets the
/// elements of col that lie beside the image.

template <class T>
struct CopyRuns {
  const T* x;
  T* col;
  HWY_INLINE void Inside(std::int64_t size, std::int64_t x_index, std::int64_t col_index) const {
    Copy(size, x + x_index, col + col_index);
  }
  HWY_INLINE void Outside(std::int64_t size, std::int64_t col_index) const {
    Clear(size, col + col_index);
  }
};

template <class T>
struct AddRuns {
  const T* col;
  T* x;
  HWY_INLINE void Inside(std::int64_t size, std::int64_t x_index, std::int64_t col_index) const {
    Accumulate(size, col + col_index, x + x_index);
  }
  HWY_INLINE void Outside(std::int64_t, std::int64_t) const {}
};

/// The runs of one kernel row: `x_row` is the index of the image row, `left` its column under the
/// first kernel column, `col_index` the run's place in col.
template <class Runs>
HWY_INLINE void KernelRow(const ConvShape& s, std::int64_t x_row, std::int64_t left,
                          std::int64_t col_index, const Runs& runs) {
  if (s.dilation_w == 1) {
    const std::int64_t first = HWY_MIN(HWY_MAX(-left, 0), s.kw);
    const std::int64_t end = HWY_MAX(first, HWY_MIN(s.kw, s.iw - left));
    if (first > 0) runs.Outside(first * s.ic, col_index);
    if (end > first) {
      runs.Inside((end - first) * s.ic, x_row + (left + first) * s.ic, col_index + first * s.ic);
    }
    if (end < s.kw) runs.Outside((s.kw - end) * s.ic, col_index + end * s.ic);
    return;
  }
  for (std::int64_t k = 0; k < s.kw; ++k, col_index += s.ic) {
    const std::int64_t w = left + k * s.dilation_w;
    if (w >= 0 && w < s.iw) {
      runs.Inside(s.ic, x_row + w * s.ic, col_index);
    } else {
      runs.Outside(s.ic, col_index);
    }
  }
}

/// All runs of `count` output rows.
template <class Runs>
HWY_INLINE void ForRuns(const ConvShape& s, std::int64_t row, std::int64_t count,
                        const Runs& runs) {
  const std::int64_t oh = s.oh();
  const std::int64_t ow = s.ow();
  const std::int64_t run = s.kw * s.ic;
  for (std::int64_t r = row; r < row + count; ++r) {
    const std::int64_t top = r % oh * s.stride_h - s.pad_h;
    const std::int64_t image = r / oh * s.ih;
    std::int64_t col_index = r * ow * s.kh * run;
    for (std::int64_t j = 0; j < ow; ++j) {
      const std::int64_t left = j * s.stride_w - s.pad_w;
      for (std::int64_t k = 0; k < s.kh; ++k, col_index += run) {
        const std::int64_t h = top + k * s.dilation_h;
        if (h >= 0 && h < s.ih) {
          KernelRow(s, (image + h) * s.iw * s.ic, left, col_index, runs);
        } else {
          runs.Outside(run, col_index);
        }
      }
    }
  }
}

template <class T>
void Im2col(const ConvShape& s, std::int64_t row, std::int64_t count, const T* x, T* col) {
  ForRuns(s, row, count, CopyRuns<T>{x, col});
}

template <class T>
void Col2im(const ConvShape& s, std::int64_t image, const T* col, T* x) {
  const std::int64_t size = s.ih * s.iw * s.ic;
  Clear(size, x + image * size);
  ForRuns(s, image * s.oh(), s.oh(), AddRuns<T>{col, x});
}

template <class T>
detail::Im2colKernels<T> Kernels() {
  return {Im2col<T>, Col2im<T>};
}
detail::Im2colKernels<float> FloatKernels() { return Kernels<float>(); }
detail::Im2colKernels<double> DoubleKernels() { return Kernels<double>(); }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace nnkernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace nnkernels {
namespace {

HWY_EXPORT(FloatKernels);
HWY_EXPORT(DoubleKernels);

template <class T>
detail::Im2colKernels<T> kernels() {
  if constexpr (std::is_same_v<T, float>) {
    return HWY_DYNAMIC_DISPATCH(FloatKernels)();
  } else {
    return HWY_DYNAMIC_DISPATCH(DoubleKernels)();
  }
}

std::int64_t col_size(const ConvShape& s, const char* function) {
  return detail::element_count(function, {s.n, s.oh(), s.ow(), s.kh, s.kw, s.ic});
}

}  // namespace

template <class T>
void im2col(const ConvShape& shape, const T* x, T* col) {
  check(shape, "im2col");
  const std::int64_t size = col_size(shape, "im2col");
  detail::check_array("im2col", "x", x, shape.x_size());
  detail::check_array("im2col", "col", col, size);
  const auto kernel = kernels<T>().im2col;
  const std::int64_t block = detail::block_rows(shape.ow() * shape.kh * shape.kw * shape.ic);
  const double moved = 2 * static_cast<double>(size);
  detail::parallel_blocks(
      shape.n * shape.oh(), block, transfer_microseconds<T>(moved),
      [&](std::int64_t row, std::int64_t count) { kernel(shape, row, count, x, col); });
}

template <class T>
void col2im(const ConvShape& shape, const T* col, T* x) {
  check(shape, "col2im");
  const std::int64_t size = col_size(shape, "col2im");
  detail::check_array("col2im", "col", col, size);
  detail::check_array("col2im", "x", x, shape.x_size());
  const auto kernel = kernels<T>().col2im;
  const double moved = 3 * static_cast<double>(size);
  parallel_for(shape.n, transfer_microseconds<T>(moved),
               [&](std::int64_t image, int) { kernel(shape, image, col, x); });
}

template void im2col<float>(const ConvShape&, const float*, float*);
template void im2col<double>(const ConvShape&, const double*, double*);
template void col2im<float>(const ConvShape&, const float*, float*);
template void col2im<double>(const ConvShape&, const double*, double*);

}  // namespace nnkernels
#endif  // HWY_ONCE
