// How operands of a product are copied into panels. Included by gemm_tile-inl.h inside
// foreach_target.
// clang-format off: the toggle guard is Highway's idiom
#if defined(NNKERNELS_KERNELS_GEMM_PACK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NNKERNELS_KERNELS_GEMM_PACK_INL_H_
#undef NNKERNELS_KERNELS_GEMM_PACK_INL_H_
#else
#define NNKERNELS_KERNELS_GEMM_PACK_INL_H_
#endif
// clang-format on

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "kernels/gemm_turn-inl.h"
#include "kernels/simd-inl.h"
#include "kernels/unroll.h"

HWY_BEFORE_NAMESPACE();
namespace nnkernels {
namespace HWY_NAMESPACE {

#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2
/// As PackTransposed(), a vector of lines at a time, and what is left of them as one more if it is
/// at least half a vector. Returns how many lines are done.
template <class T>
std::int64_t PackVectorsOfLines(const T* HWY_RESTRICT source, std::ptrdiff_t line_stride,
                                std::int64_t count, std::int64_t width, std::int64_t k,
                                T* HWY_RESTRICT panel) {
  const hn::ScalableTag<T> d;
  using D = decltype(d);
  const hn::Half<D> half;
  constexpr std::int64_t kLanes = hn::MaxLanes(d), kSteps = kTurnedSteps<D>;
  std::int64_t done = 0;
  while (count - done >= kSteps) {
    const std::int64_t lines = std::min(count - done, kLanes);
    const T* lower = source + done * line_stride;
    const T* upper = lower + (lines - kSteps) * line_stride;
    T* to = panel + done;
    const auto pack = [&](const auto& loads, std::int64_t steps) HWY_ATTR {
      hn::Vec<D> turned[kSteps];
      LoadTurned(d, loads, lower, upper, line_stride, turned);
      NNKERNELS_UNROLL
      for (std::int64_t p = 0; p < kSteps; ++p) {
        if (p == steps) break;
        if (lines == kLanes) {
          hn::StoreU(turned[p], d, to);
        } else {
          hn::StoreU(hn::LowerHalf(half, turned[p]), half, to);
          hn::StoreU(hn::UpperHalf(half, turned[p]), half, to + lines - kSteps);
        }
        to += width;
      }
      lower += kSteps;
      upper += kSteps;
    };
    std::int64_t left = k;
    for (; left >= kSteps; left -= kSteps) pack(WholeVector(), kSteps);
    if (left > 0) pack(FirstLanes{static_cast<std::size_t>(left)}, left);
    done += lines;
  }
  return done;
}
#endif

/// panel[p * width + i] = source[i * line_stride + p] for p < k and i < count: the packing that
/// must transpose. What is left by PackVectorsOfLines(), where there is that, is turned in blocks
/// of 4 x 4 (double: 2 x 2) elements in 128-bit registers, which all instruction sets but SCALAR
/// have.
template <class T>
void PackTransposed(const T* HWY_RESTRICT source, std::ptrdiff_t line_stride, std::int64_t count,
                    std::int64_t width, std::int64_t k, T* HWY_RESTRICT panel) {
  std::int64_t done = 0;
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2
  done = PackVectorsOfLines(source, line_stride, count, width, k, panel);
#endif
#if HWY_TARGET != HWY_SCALAR
  constexpr std::int64_t kBlock = 16 / sizeof(T);
  const hn::FixedTag<T, kBlock> d;
  const std::int64_t whole_k = k / kBlock * kBlock;
  for (; done + kBlock <= count; done += kBlock) {
    const T* HWY_RESTRICT from = source + done * line_stride;
    T* HWY_RESTRICT to = panel + done;
    for (std::int64_t p = 0; p < whole_k; p += kBlock, to += kBlock * width) {
      // The lines of a large matrix are too short for the hardware to notice a pattern: without
      // this every line of the next block is waited for. Each of its cache lines is asked for once.
      hwy::Prefetch(from + (kBlock + p / kBlock % kBlock) * line_stride + p);
      hn::Vec<decltype(d)> lines[kBlock];
      NNKERNELS_UNROLL
      for (std::int64_t i = 0; i < kBlock; ++i) lines[i] = hn::LoadU(d, from + i * line_stride + p);
      TurnBlocks(d, lines);
      NNKERNELS_UNROLL
      for (std::int64_t i = 0; i < kBlock; ++i) hn::StoreU(lines[i], d, to + i * width);
    }
    for (std::int64_t p = whole_k; p < k; ++p) {
      for (std::int64_t i = 0; i < kBlock; ++i)
        panel[p * width + done + i] = from[i * line_stride + p];
    }
  }
#endif
  for (; done < count; ++done) {
    for (std::int64_t p = 0; p < k; ++p) panel[p * width + done] = source[done * line_stride + p];
  }
}

template <class T>
void Pack(const T* source, std::ptrdiff_t line_stride, std::ptrdiff_t step_stride,
          std::int64_t count, std::int64_t width, std::int64_t k, T* panel) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  if (line_stride == 1) {
    // Each step is a short run of memory of its own, which the hardware does not foresee.
    constexpr std::int64_t kAhead = 8;
    for (std::int64_t p = 0; p < k; ++p, source += step_stride, panel += width) {
      std::int64_t i = 0;
      for (; i < count; i += lanes) hwy::Prefetch(source + kAhead * step_stride + i);
      i = 0;
      for (; i + lanes <= count; i += lanes) hn::StoreU(hn::LoadU(d, source + i), d, panel + i);
      for (; i < width; i += lanes) {
        const auto rest = LoadFirst(
            d, source + i, static_cast<std::size_t>(std::clamp<std::int64_t>(count - i, 0, lanes)));
        // The rest of a part vector goes where this call's next step will write.
        if (p + 1 < k && i + lanes <= 2 * width) {
          hn::StoreU(rest, d, panel + i);
        } else {
          StoreFirst(d, rest, panel + i, static_cast<std::size_t>(std::min(width - i, lanes)));
        }
      }
    }
    return;
  }
  if (step_stride == 1) {
    PackTransposed(source, line_stride, count, width, k, panel);
  } else {
    for (std::int64_t p = 0; p < k; ++p) {
      for (std::int64_t i = 0; i < count; ++i) {
        panel[p * width + i] = source[i * line_stride + p * step_stride];
      }
    }
  }
  if (count == width) return;
  for (std::int64_t p = 0; p < k; ++p) {
    for (std::int64_t i = count; i < width; ++i) panel[p * width + i] = T{0};
  }
}

/// As TileKernels::pack_part.
template <class T>
void PackPart(const T* HWY_RESTRICT source, std::ptrdiff_t step_stride, std::int64_t count,
              std::int64_t width, std::int64_t k, T* HWY_RESTRICT panel) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  constexpr std::int64_t kAhead = 8;
  for (std::int64_t i = 0; i < count; i += lanes) {
    const auto part = static_cast<std::size_t>(std::min(lanes, count - i));
    const T* from = source + i;
    T* to = panel + i;
    for (std::int64_t p = 0; p < k; ++p, from += step_stride, to += width) {
      hwy::Prefetch(from + kAhead * step_stride);
      StoreFirst(d, LoadFirst(d, from, part), to, part);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace nnkernels
HWY_AFTER_NAMESPACE();

#endif  // NNKERNELS_KERNELS_GEMM_PACK_INL_H_
