#include "kernels/batch_norm.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "kernels/blocks.h"
#include "kernels/check.h"
#include "kernels/cost.h"
#include "kernels/scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/batch_norm.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "hwy/highway.h"
#include "kernels/simd-inl.h"

// Outside the per-target part, which is compiled several times.
#ifndef NNKERNELS_KERNELS_BATCH_NORM_CC_
#define NNKERNELS_KERNELS_BATCH_NORM_CC_
namespace nnkernels::detail {

/// dx = a dy + b (x - mean) + c, one element of each a column.
template <class T>
struct DxCoefficients {
  const T* mean;
  const T* a;
  const T* b;
  const T* c;
};

template <class T>
struct BatchNormKernels {
  void (*scale_shift)(std::size_t rows, std::size_t cols, const T* scale, const T* shift, bool relu,
                      const T* x, T* y);
  void (*sums)(std::size_t rows, std::size_t cols, const T* x, const T* mean, const T* dy, T* sum,
               T* product);
  void (*dx)(std::size_t rows, std::size_t cols, const T* x, const DxCoefficients<T>& coefficients,
             const T* dy, T* dx);
};

}  // namespace nnkernels::detail
#endif  // NNKERNELS_KERNELS_BATCH_NORM_CC_

HWY_BEFORE_NAMESPACE();
namespace nnkernels {
namespace HWY_NAMESPACE {
namespace {

/// Calls column(access, j) for each vector of columns.
template <class T, class Column>
HWY_INLINE void ForColumns(std::size_t cols, const Column& column) {
  const std::size_t lanes = hn::Lanes(hn::ScalableTag<T>());
  std::size_t j = 0;
  for (; j + lanes <= cols; j += lanes) column(WholeVector(), j);
  if (j < cols) column(FirstLanes{cols - j}, j);
}

template <bool kRelu, class T>
void ScaleShiftRows(std::size_t rows, std::size_t cols, const T* scale, const T* shift, const T* x,
                    T* y) {
  const hn::ScalableTag<T> d;
  for (std::size_t i = 0; i < rows; ++i, x += cols, y += cols) {
    ForColumns<T>(cols, [&](auto access, std::size_t j) HWY_ATTR {
      auto v =
          hn::MulAdd(access.Load(d, scale + j), access.Load(d, x + j), access.Load(d, shift + j));
      if constexpr (kRelu) v = Rectified(v);
      access.Store(d, v, y + j);
    });
  }
}

template <class T>
void ScaleShift(std::size_t rows, std::size_t cols, const T* scale, const T* shift, bool relu,
                const T* x, T* y) {
  if (relu) return ScaleShiftRows<true>(rows, cols, scale, shift, x, y);
  ScaleShiftRows<false>(rows, cols, scale, shift, x, y);
}

template <class T>
void Sums(std::size_t rows, std::size_t cols, const T* x, const T* mean, const T* dy, T* sum,
          T* product) {
  const hn::ScalableTag<T> d;
  std::fill_n(sum, cols, T{0});
  std::fill_n(product, cols, T{0});
  // Four rows at a time, so that the sums in the cache are loaded and stored less often.
  constexpr std::size_t kRows = 4;
  for (std::size_t i = 0; i < rows; i += kRows) {
    const std::size_t count = std::min(kRows, rows - i);
    const T* const x_rows = x + i * cols;
    const T* const dy_rows = dy + i * cols;
    ForColumns<T>(cols, [&](auto access, std::size_t j) HWY_ATTR {
      auto total = access.Load(d, sum + j);
      auto products = access.Load(d, product + j);
      const auto centre = access.Load(d, mean + j);
      for (std::size_t r = 0; r < count; ++r) {
        const auto gradient = access.Load(d, dy_rows + r * cols + j);
        const auto away = hn::Sub(access.Load(d, x_rows + r * cols + j), centre);
        total = hn::Add(total, gradient);
        products = hn::MulAdd(gradient, away, products);
      }
      access.Store(d, total, sum + j);
      access.Store(d, products, product + j);
    });
  }
}

template <class T>
void Dx(std::size_t rows, std::size_t cols, const T* x, const detail::DxCoefficients<T>& f,
        const T* dy, T* dx) {
  const hn::ScalableTag<T> d;
  for (std::size_t i = 0; i < rows; ++i, x += cols, dy += cols, dx += cols) {
    ForColumns<T>(cols, [&](auto access, std::size_t j) HWY_ATTR {
      const auto away = hn::Sub(access.Load(d, x + j), access.Load(d, f.mean + j));
      const auto rest = hn::MulAdd(access.Load(d, f.b + j), away, access.Load(d, f.c + j));
      access.Store(d, hn::MulAdd(access.Load(d, f.a + j), access.Load(d, dy + j), rest), dx + j);
    });
  }
}

template <class T>
detail::BatchNormKernels<T> Kernels() {
  return {ScaleShift<T>, Sums<T>, Dx<T>};
}
detail::BatchNormKernels<float> FloatKernels() { return Kernels<float>(); }
detail::BatchNormKernels<double> DoubleKernels() { return Kernels<double>(); }

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
detail::BatchNormKernels<T> kernels() {
  if constexpr (std::is_same_v<T, float>) {
    return HWY_DYNAMIC_DISPATCH(FloatKernels)();
  } else {
    return HWY_DYNAMIC_DISPATCH(DoubleKernels)();
  }
}

/// Rows that are summed in T: their sum loses 8 bits at worst.
constexpr std::int64_t kRowsTogether = 256;

/// Checks the sizes; returns the number of elements of a matrix.
std::int64_t check_sizes(const char* function, std::int64_t rows, std::int64_t cols) {
  detail::check_size(function, "rows", rows);
  detail::check_size(function, "cols", cols);
  return detail::element_count(function, {rows, cols});
}

}  // namespace

template <class T>
void scale_shift(std::int64_t rows, std::int64_t cols, const T* scale, const T* shift, bool relu,
                 const T* x, T* y) {
  constexpr const char* kFunction = "scale_shift";
  const std::int64_t size = check_sizes(kFunction, rows, cols);
  if (size == 0) return;
  detail::check_array(kFunction, "scale", scale, cols);
  detail::check_array(kFunction, "shift", shift, cols);
  detail::check_array(kFunction, "x", x, size);
  detail::check_array(kFunction, "y", y, size);
  const auto kernel = kernels<T>().scale_shift;
  detail::parallel_blocks(rows, detail::block_rows(cols),
                          transfer_microseconds<T>(2 * static_cast<double>(size)),
                          [&](std::int64_t row, std::int64_t count) {
                            kernel(static_cast<std::size_t>(count), static_cast<std::size_t>(cols),
                                   scale, shift, relu, x + row * cols, y + row * cols);
                          });
}

template <class T>
void batch_norm_sums(std::int64_t rows, std::int64_t cols, const T* x, const T* mean, const T* dy,
                     T* sum, T* product) {
  constexpr const char* kFunction = "batch_norm_sums";
  const std::int64_t size = check_sizes(kFunction, rows, cols);
  if (cols == 0) return;
  detail::check_array(kFunction, "x", x, size);
  detail::check_array(kFunction, "mean", mean, cols);
  detail::check_array(kFunction, "dy", dy, size);
  detail::check_array(kFunction, "sum", sum, cols);
  detail::check_array(kFunction, "product", product, cols);
  const std::int64_t pieces = (rows + kRowsTogether - 1) / kRowsTogether;
  T* const sums = detail::scratch<T>(detail::Purpose::column_sums, 2 * pieces * cols);
  T* const products = sums + pieces * cols;
  const auto kernel = kernels<T>().sums;
  detail::parallel_blocks(rows, kRowsTogether,
                          transfer_microseconds<T>(2 * static_cast<double>(size)),
                          [&](std::int64_t row, std::int64_t count) {
                            const std::int64_t to = row / kRowsTogether * cols;
                            kernel(static_cast<std::size_t>(count), static_cast<std::size_t>(cols),
                                   x + row * cols, mean, dy + row * cols, sums + to, products + to);
                          });
  for (std::int64_t j = 0; j < cols; ++j) {
    double total = 0, total_product = 0;
    for (std::int64_t piece = 0; piece < pieces; ++piece) {
      total += static_cast<double>(sums[piece * cols + j]);
      total_product += static_cast<double>(products[piece * cols + j]);
    }
    sum[j] = static_cast<T>(total);
    product[j] = static_cast<T>(total_product);
  }
}

template <class T>
void batch_norm_dx(std::int64_t rows, std::int64_t cols, const T* x, const T* mean, const T* a,
                   const T* b, const T* c, const T* dy, T* dx) {
  constexpr const char* kFunction = "batch_norm_dx";
  const std::int64_t size = check_sizes(kFunction, rows, cols);
  if (size == 0) return;
  detail::check_array(kFunction, "x", x, size);
  detail::check_array(kFunction, "mean", mean, cols);
  detail::check_array(kFunction, "a", a, cols);
  detail::check_array(kFunction, "b", b, cols);
  detail::check_array(kFunction, "c", c, cols);
  detail::check_array(kFunction, "dy", dy, size);
  detail::check_array(kFunction, "dx", dx, size);
  const auto kernel = kernels<T>().dx;
  const detail::DxCoefficients<T> coefficients{mean, a, b, c};
  detail::parallel_blocks(rows, detail::block_rows(cols),
                          transfer_microseconds<T>(3 * static_cast<double>(size)),
                          [&](std::int64_t row, std::int64_t count) {
                            kernel(static_cast<std::size_t>(count), static_cast<std::size_t>(cols),
                                   x + row * cols, coefficients, dy + row * cols, dx + row * cols);
                          });
}

template void scale_shift(std::int64_t, std::int64_t, const float*, const float*, bool,
                          const float*, float*);
template void batch_norm_sums(std::int64_t, std::int64_t, const float*, const float*, const float*,
                              float*, float*);
template void batch_norm_dx(std::int64_t, std::int64_t, const float*, const float*, const float*,
                            const float*, const float*, const float*, float*);
template void scale_shift(std::int64_t, std::int64_t, const double*, const double*, bool,
                          const double*, double*);
template void batch_norm_sums(std::int64_t, std::int64_t, const double*, const double*,
                              const double*, double*, double*);
template void batch_norm_dx(std::int64_t, std::int64_t, const double*, const double*, const double*,
                            const double*, const double*, const double*, double*);

}  // namespace nnkernels
#endif  // HWY_ONCE
