#include "kernels/vector.h"

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "kernels/blocks.h"
#include "kernels/check.h"
#include "kernels/cost.h"
#include "kernels/scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/vector.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "hwy/highway.h"
#include "kernels/simd-inl.h"

// As in gemm_tile-inl.h: a loop over accumulators that is not unrolled keeps them in memory.
#define NNKERNELS_UNROLL _Pragma("GCC unroll 8")

// Outside the per-target part, which is compiled several times.
#ifndef NNKERNELS_KERNELS_VECTOR_CC_
#define NNKERNELS_KERNELS_VECTOR_CC_
namespace nnkernels::detail {

template <class T>
struct VectorKernels {
  void (*axpy)(std::size_t size, T alpha, const T* x, T* y);
  void (*move_towards)(std::size_t size, T alpha, const T* x, T* y);
  void (*scale)(std::size_t size, T alpha, T* x);
  void (*add_bias)(std::size_t rows, std::size_t cols, const T* bias, T* y);
  void (*sum_rows)(std::size_t rows, std::size_t stride, std::size_t cols, const T* x, T* sum);
  void (*from_bytes)(std::size_t size, T scale, T shift, const std::uint8_t* x, T* y);
};

}  // namespace nnkernels::detail
#endif  // NNKERNELS_KERNELS_VECTOR_CC_

HWY_BEFORE_NAMESPACE();
namespace nnkernels {
namespace HWY_NAMESPACE {
namespace {

template <class T, class Access>
HWY_INLINE void AxpyStep(Access access, T alpha, const T* x, T* y) {
  const hn::ScalableTag<T> d;
  access.Store(d, hn::MulAdd(hn::Set(d, alpha), access.Load(d, x), access.Load(d, y)), y);
}

template <class T>
void Axpy(std::size_t size, T alpha, const T* x, T* y) {
  const std::size_t lanes = hn::Lanes(hn::ScalableTag<T>());
  std::size_t i = 0;
  for (; i + lanes <= size; i += lanes) AxpyStep(WholeVector(), alpha, x + i, y + i);
  if (i < size) AxpyStep(FirstLanes{size - i}, alpha, x + i, y + i);
}

template <class T, class Access>
HWY_INLINE void MoveStep(Access access, T alpha, const T* x, T* y) {
  const hn::ScalableTag<T> d;
  const auto from = access.Load(d, y);
  const auto way = hn::Sub(access.Load(d, x), from);
  access.Store(d, hn::MulAdd(hn::Set(d, alpha), way, from), y);
}

template <class T>
void MoveTowards(std::size_t size, T alpha, const T* x, T* y) {
  const std::size_t lanes = hn::Lanes(hn::ScalableTag<T>());
  std::size_t i = 0;
  for (; i + lanes <= size; i += lanes) MoveStep(WholeVector(), alpha, x + i, y + i);
  if (i < size) MoveStep(FirstLanes{size - i}, alpha, x + i, y + i);
}

template <class T>
void Scale(std::size_t size, T alpha, T* x) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  const auto factor = hn::Set(d, alpha);
  std::size_t i = 0;
  for (; i + lanes <= size; i += lanes) {
    hn::StoreU(hn::Mul(factor, hn::LoadU(d, x + i)), d, x + i);
  }
  const FirstLanes rest{size - i};
  if (rest.count != 0) rest.Store(d, hn::Mul(factor, rest.Load(d, x + i)), x + i);
}

template <class T>
void AddBias(std::size_t rows, std::size_t cols, const T* bias, T* y) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  const std::size_t whole = cols / lanes * lanes;
  const FirstLanes rest{cols - whole};
  for (std::size_t row = 0; row < rows; ++row, y += cols) {
    for (std::size_t j = 0; j < whole; j += lanes) {
      hn::StoreU(hn::Add(hn::LoadU(d, y + j), hn::LoadU(d, bias + j)), d, y + j);
    }
    if (rest.count != 0) {
      const auto sum = hn::Add(rest.Load(d, y + whole), rest.Load(d, bias + whole));
      rest.Store(d, sum, y + whole);
    }
  }
}

/// kCount vectors side by side: so many chains of additions run at a time. `last` accesses the
/// last.
template <int kCount, class T, class Access>
HWY_INLINE void SumVectors(Access last, std::size_t rows, std::size_t stride, const T* x, T* sum) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  hn::Vec<decltype(d)> total[kCount];
  NNKERNELS_UNROLL
  for (int v = 0; v < kCount; ++v) total[v] = hn::Zero(d);
  for (std::size_t row = 0; row < rows; ++row, x += stride) {
    NNKERNELS_UNROLL
    for (int v = 0; v < kCount - 1; ++v) {
      total[v] = hn::Add(total[v], hn::LoadU(d, x + v * lanes));
    }
    total[kCount - 1] = hn::Add(total[kCount - 1], last.Load(d, x + (kCount - 1) * lanes));
  }
  NNKERNELS_UNROLL
  for (int v = 0; v < kCount - 1; ++v) hn::StoreU(total[v], d, sum + v * lanes);
  last.Store(d, total[kCount - 1], sum + (kCount - 1) * lanes);
}

/// The same for the last columns, at least one, at most kCount vectors.
template <int kCount, class T>
HWY_INLINE void SumLast(std::size_t rows, std::size_t stride, std::size_t cols, const T* x,
                        T* sum) {
  const std::size_t lanes = hn::Lanes(hn::ScalableTag<T>());
  if constexpr (kCount > 1) {
    if (cols <= (kCount - 1) * lanes) return SumLast<kCount - 1>(rows, stride, cols, x, sum);
  }
  const std::size_t in_last = cols - (kCount - 1) * lanes;
  if (in_last == lanes) return SumVectors<kCount>(WholeVector(), rows, stride, x, sum);
  SumVectors<kCount>(FirstLanes{in_last}, rows, stride, x, sum);
}

/// sum[j] = the sum of x[row * stride + j] over all rows, top down.
template <class T>
void SumRows(std::size_t rows, std::size_t stride, std::size_t cols, const T* x, T* sum) {
  constexpr int kTogether = 8;
  const std::size_t step = kTogether * hn::Lanes(hn::ScalableTag<T>());
  std::size_t j = 0;
  for (; j + step < cols; j += step) {
    SumVectors<kTogether>(WholeVector(), rows, stride, x + j, sum + j);
  }
  if (j < cols) SumLast<kTogether>(rows, stride, cols - j, x + j, sum + j);
}

/// As many bytes as a vector of T has lanes, as numbers.
template <class D, class DBytes, class T = hn::TFromD<D>>
HWY_INLINE hn::Vec<D> Promote(D d, hn::Vec<DBytes> bytes) {
  const hn::Rebind<std::int32_t, D> d32;
  if constexpr (sizeof(T) == sizeof(float)) {
    return hn::ConvertTo(d, hn::PromoteTo(d32, bytes));
  } else {
    return hn::PromoteTo(d, hn::PromoteTo(d32, bytes));
  }
}

template <class T>
void FromBytes(std::size_t size, T scale, T shift, const std::uint8_t* x, T* y) {
  const hn::ScalableTag<T> d;
  const hn::Rebind<std::uint8_t, decltype(d)> d8;
  using D8 = hn::Rebind<std::uint8_t, decltype(d)>;
  using D = hn::ScalableTag<T>;
  const std::size_t lanes = hn::Lanes(d);
  const auto factor = hn::Set(d, scale);
  const auto offset = hn::Set(d, shift);
  std::size_t i = 0;
  for (; i + lanes <= size; i += lanes) {
    const auto pixels = Promote<D, D8>(d, hn::LoadU(d8, x + i));
    hn::StoreU(hn::MulAdd(factor, pixels, offset), d, y + i);
  }
  if (i < size) {
    HWY_ALIGN std::uint8_t rest[hn::MaxLanes(d)] = {};
    for (std::size_t j = i; j < size; ++j) rest[j - i] = x[j];
    const auto pixels = Promote<D, D8>(d, hn::LoadU(d8, rest));
    StoreFirst(d, hn::MulAdd(factor, pixels, offset), y + i, size - i);
  }
}

template <class T>
detail::VectorKernels<T> Kernels() {
  return {Axpy<T>, MoveTowards<T>, Scale<T>, AddBias<T>, SumRows<T>, FromBytes<T>};
}
detail::VectorKernels<float> FloatKernels() { return Kernels<float>(); }
detail::VectorKernels<double> DoubleKernels() { return Kernels<double>(); }

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
detail::VectorKernels<T> kernels() {
  if constexpr (std::is_same_v<T, float>) {
    return HWY_DYNAMIC_DISPATCH(FloatKernels)();
  } else {
    return HWY_DYNAMIC_DISPATCH(DoubleKernels)();
  }
}

/// Rows that column_sums adds up before it adds the result to the total: their sum loses 8 bits at
/// worst.
constexpr std::int64_t kRowsTogether = 256;

/// Columns that one piece of a parallel sum over rows takes: whole cache lines.
constexpr std::int64_t kColumns = 64;

/// sum[j] = the sum of column j, top down. Threads share the columns.
template <class T>
void sum_rows(std::int64_t rows, std::int64_t cols, const T* x, T* sum) {
  const auto kernel = kernels<T>().sum_rows;
  const double moved = static_cast<double>(rows) * static_cast<double>(cols);
  detail::parallel_blocks(cols, kColumns, transfer_microseconds<T>(moved),
                          [&](std::int64_t j, std::int64_t count) {
                            kernel(static_cast<std::size_t>(rows), static_cast<std::size_t>(cols),
                                   static_cast<std::size_t>(count), x + j, sum + j);
                          });
}

}  // namespace

template <class T>
void axpy(std::int64_t size, T alpha, const T* x, T* y) {
  detail::check_size("axpy", "size", size);
  detail::check_array("axpy", "x", x, size);
  detail::check_array("axpy", "y", y, size);
  const auto kernel = kernels<T>().axpy;
  const double moved = 3 * static_cast<double>(size);
  detail::parallel_blocks(size, detail::kBlockElements, transfer_microseconds<T>(moved),
                          [&](std::int64_t i, std::int64_t count) {
                            kernel(static_cast<std::size_t>(count), alpha, x + i, y + i);
                          });
}

template <class T>
void move_towards(std::int64_t size, T alpha, const T* x, T* y) {
  detail::check_size("move_towards", "size", size);
  detail::check_array("move_towards", "x", x, size);
  detail::check_array("move_towards", "y", y, size);
  const auto kernel = kernels<T>().move_towards;
  const double moved = 3 * static_cast<double>(size);
  detail::parallel_blocks(size, detail::kBlockElements, transfer_microseconds<T>(moved),
                          [&](std::int64_t i, std::int64_t count) {
                            kernel(static_cast<std::size_t>(count), alpha, x + i, y + i);
                          });
}

template <class T>
void scale(std::int64_t size, T alpha, T* x) {
  detail::check_size("scale", "size", size);
  detail::check_array("scale", "x", x, size);
  const auto kernel = kernels<T>().scale;
  const double moved = 2 * static_cast<double>(size);
  detail::parallel_blocks(size, detail::kBlockElements, transfer_microseconds<T>(moved),
                          [&](std::int64_t i, std::int64_t count) {
                            kernel(static_cast<std::size_t>(count), alpha, x + i);
                          });
}

template <class T>
void add_bias(std::int64_t rows, std::int64_t cols, const T* bias, T* y) {
  detail::check_size("add_bias", "rows", rows);
  detail::check_size("add_bias", "cols", cols);
  const std::int64_t size = detail::element_count("add_bias", {rows, cols});
  if (size == 0) return;
  detail::check_array("add_bias", "bias", bias, cols);
  detail::check_array("add_bias", "y", y, size);
  const auto kernel = kernels<T>().add_bias;
  const double moved = 2 * static_cast<double>(rows) * static_cast<double>(cols);
  detail::parallel_blocks(rows, detail::block_rows(cols), transfer_microseconds<T>(moved),
                          [&](std::int64_t row, std::int64_t count) {
                            kernel(static_cast<std::size_t>(count), static_cast<std::size_t>(cols),
                                   bias, y + row * cols);
                          });
}

template <class T>
void column_sums(std::int64_t rows, std::int64_t cols, const T* x, T* sum) {
  detail::check_size("column_sums", "rows", rows);
  detail::check_size("column_sums", "cols", cols);
  detail::check_array("column_sums", "x", x, detail::element_count("column_sums", {rows, cols}));
  detail::check_array("column_sums", "sum", sum, cols);
  if (cols == 0) return;
  if (rows <= kRowsTogether) return sum_rows(rows, cols, x, sum);
  // Threads share the pieces, so that each reads memory from front to back.
  const std::int64_t pieces = (rows + kRowsTogether - 1) / kRowsTogether;
  T* const parts = detail::scratch<T>(detail::Purpose::column_sums, pieces * cols);
  const auto kernel = kernels<T>().sum_rows;
  const double moved = static_cast<double>(rows) * static_cast<double>(cols);
  detail::parallel_blocks(rows, kRowsTogether, transfer_microseconds<T>(moved),
                          [&](std::int64_t row, std::int64_t count) {
                            kernel(static_cast<std::size_t>(count), static_cast<std::size_t>(cols),
                                   static_cast<std::size_t>(cols), x + row * cols,
                                   parts + row / kRowsTogether * cols);
                          });
  sum_rows(pieces, cols, parts, sum);
}

template <class T>
void sum_pieces(std::int64_t count, std::int64_t size, const T* x, T* y) {
  detail::check_size("sum_pieces", "count", count);
  detail::check_size("sum_pieces", "size", size);
  detail::check_array("sum_pieces", "x", x, detail::element_count("sum_pieces", {count, size}));
  detail::check_array("sum_pieces", "y", y, size);
  sum_rows(count, size, x, y);
}

template <class T>
void from_bytes(std::int64_t size, T scale, T shift, const std::uint8_t* x, T* y) {
  detail::check_size("from_bytes", "size", size);
  detail::check_array("from_bytes", "x", x, size);
  detail::check_array("from_bytes", "y", y, size);
  const auto kernel = kernels<T>().from_bytes;
  const auto moved = static_cast<double>(size);
  detail::parallel_blocks(size, detail::kBlockElements, transfer_microseconds<T>(moved),
                          [&](std::int64_t i, std::int64_t count) {
                            kernel(static_cast<std::size_t>(count), scale, shift, x + i, y + i);
                          });
}

template void axpy<float>(std::int64_t, float, const float*, float*);
template void axpy<double>(std::int64_t, double, const double*, double*);
template void move_towards<float>(std::int64_t, float, const float*, float*);
template void move_towards<double>(std::int64_t, double, const double*, double*);
template void scale<float>(std::int64_t, float, float*);
template void scale<double>(std::int64_t, double, double*);
template void add_bias<float>(std::int64_t, std::int64_t, const float*, float*);
template void add_bias<double>(std::int64_t, std::int64_t, const double*, double*);
template void column_sums<float>(std::int64_t, std::int64_t, const float*, float*);
template void column_sums<double>(std::int64_t, std::int64_t, const double*, double*);
template void sum_pieces<float>(std::int64_t, std::int64_t, const float*, float*);
template void sum_pieces<double>(std::int64_t, std::int64_t, const double*, double*);
template void from_bytes<float>(std::int64_t, float, float, const std::uint8_t*, float*);
template void from_bytes<double>(std::int64_t, double, double, const std::uint8_t*, double*);

}  // namespace nnkernels
#endif  // HWY_ONCE
