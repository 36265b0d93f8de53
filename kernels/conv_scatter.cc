#include "kernels/conv_scatter.h"

#include <cstddef>
#include <cstdint>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv_scatter.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "hwy/highway.h"
#include "kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nnkernels {
namespace HWY_NAMESPACE {
namespace {

/// The segments are the inner loop: a pixel's are far apart, but the next pixel's overlap them, and
/// a load of what has just been stored elsewhere waits for that store.
template <class T>
void Add(const detail::Scatter<T>& s) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t whole = s.length / lanes * lanes;
  const FirstLanes rest{static_cast<std::size_t>(s.length - whole)};
  for (std::int64_t pixel = 0; pixel < s.pixels; ++pixel) {
    const T* from = s.from + pixel * s.from_step;
    for (std::int64_t segment = 0; segment < s.segments; ++segment, from += s.length) {
      T* const to = s.to + s.places[segment] + pixel * s.to_step;
      for (std::int64_t i = 0; i < whole; i += lanes) {
        hn::StoreU(hn::Add(hn::LoadU(d, to + i), hn::LoadU(d, from + i)), d, to + i);
      }
      if (rest.count != 0) {
        rest.Store(d, hn::Add(rest.Load(d, to + whole), rest.Load(d, from + whole)), to + whole);
      }
    }
  }
}

void AddF32(const detail::Scatter<float>& scatter) { Add(scatter); }
void AddF64(const detail::Scatter<double>& scatter) { Add(scatter); }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace nnkernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace nnkernels::detail {

HWY_EXPORT(AddF32);
HWY_EXPORT(AddF64);

template <>
void scatter_add<float>(const Scatter<float>& scatter) {
  HWY_DYNAMIC_DISPATCH(AddF32)(scatter);
}
template <>
void scatter_add<double>(const Scatter<double>& scatter) {
  HWY_DYNAMIC_DISPATCH(AddF64)(scatter);
}

}  // namespace nnkernels::detail
#endif  // HWY_ONCE
