#include "kernels/gemm_batched.h"

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "kernels/check.h"
#include "kernels/gemm.h"
#include "kernels/gemm_check.h"
#include "kernels/gemm_product.h"
#include "kernels/parallel.h"

namespace nnkernels {
namespace {

// Products that take so long are shared themselves when there are only a few.
constexpr double kLongMicroseconds = 200;
constexpr std::int64_t kFew = 8;
// Short products are dealt out in at most so many pieces.
constexpr std::int64_t kMostPieces = 64;

}  // namespace

template <class T>
void gemm_batched(std::int64_t batch, std::type_identity_t<T> alpha,
                  const std::type_identity_t<MatrixView<const T>>& a, std::int64_t a_stride,
                  const std::type_identity_t<MatrixView<const T>>& b, std::int64_t b_stride,
                  std::type_identity_t<T> beta, const MatrixView<T>& c, std::int64_t c_stride,
                  const std::type_identity_t<Epilogue<T>>& epilogue) {
  constexpr const char* kFunction = "gemm_batched";
  detail::check_size(kFunction, "batch", batch);
  // Where nothing is read a pointer may be null, and must not be moved.
  const bool reads = alpha != T{0} && a.cols > 0;
  if (!reads || a.data == nullptr) a_stride = 0;
  if (!reads || b.data == nullptr) b_stride = 0;
  if (c.data == nullptr) c_stride = 0;
  const detail::Product<T> first{alpha, a, b, beta, c, epilogue};
  const auto move = [&](detail::Product<T>& p, std::int64_t products) {
    p.a.data += products * a_stride;
    p.b.data += products * b_stride;
    p.c.data += products * c_stride;
  };
  if (batch == 0) return;
  // What the first product tells comes first: the number of empty or equal ones is no limit.
  detail::check_gemm<T>(kFunction, alpha, a, b, c);
  if (c.rows == 0 || c.cols == 0) return;
  (void)detail::element_count(kFunction, {batch, c.rows, c.cols});
  detail::check_batch(kFunction, batch, c, c_stride);
  if (!detail::fits_memory(c, batch, c_stride) ||
      (reads &&
       (!detail::fits_memory(a, batch, a_stride) || !detail::fits_memory(b, batch, b_stride)))) {
    throw std::invalid_argument(std::string(kFunction) + ": the strides of " +
                                std::to_string(batch) +
                                " A, B or C reach further than memory can, from one to the next " +
                                std::to_string(a_stride) + ", " + std::to_string(b_stride) + ", " +
                                std::to_string(c_stride));
  }
  detail::Product<T> p = first;
  for (std::int64_t i = 1; i < batch; ++i) {
    move(p, 1);
    if (!detail::is_plainly_fine(p.a, p.b, p.c)) {
      detail::check_gemm<T>(kFunction, alpha, p.a, p.b, p.c);
    }
  }

  // What is not read may have strides that no product of numbers is made of.
  const bool one_product = !reads || (b_stride == 0 && a_stride == a.rows * a.row_stride);
  if (one_product && c_stride == c.rows * c.row_stride) {
    MatrixView<const T> all_a = a;
    MatrixView<T> all_c = c;
    all_a.rows = all_c.rows = batch * c.rows;
    return gemm<T>(alpha, all_a, b, beta, all_c, epilogue);
  }
  const auto compute_from = [&](std::int64_t begin, std::int64_t end) {
    detail::Product<T> product = first;
    move(product, begin);
    for (std::int64_t i = begin; i < end; ++i) {
      detail::compute(product);
      if (i + 1 < end) move(product, 1);
    }
  };
  const double microseconds = detail::estimated_microseconds(first);
  if (batch < kFew && microseconds >= kLongMicroseconds) return compute_from(0, batch);
  const std::int64_t pieces = std::min(batch, kMostPieces);
  parallel_for(pieces, microseconds * static_cast<double>(batch), [&](std::int64_t piece, int) {
    compute_from(batch * piece / pieces, batch * (piece + 1) / pieces);
  });
}

template void gemm_batched<float>(std::int64_t, float, const MatrixView<const float>&, std::int64_t,
                                  const MatrixView<const float>&, std::int64_t, float,
                                  const MatrixView<float>&, std::int64_t, const Epilogue<float>&);
template void gemm_batched<double>(std::int64_t, double, const MatrixView<const double>&,
                                   std::int64_t, const MatrixView<const double>&, std::int64_t,
                                   double, const MatrixView<double>&, std::int64_t,
                                   const Epilogue<double>&);

}  // namespace nnkernels
