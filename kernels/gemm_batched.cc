#include "kernels/gemm_batched.h"

#include <algorithm>
#include <cstdint>

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

template <class T>
MatrixView<T> moved(MatrixView<T> x, std::int64_t elements) {
  x.data += elements;
  return x;
}

}  // namespace

template <class T>
void gemm_batched(std::int64_t batch, std::type_identity_t<T> alpha,
                  const std::type_identity_t<MatrixView<const T>>& a, std::int64_t a_stride,
                  const std::type_identity_t<MatrixView<const T>>& b, std::int64_t b_stride,
                  std::type_identity_t<T> beta, const MatrixView<T>& c, std::int64_t c_stride,
                  const std::type_identity_t<Epilogue<T>>& epilogue) {
  constexpr const char* kFunction = "gemm_batched";
  detail::check_size(kFunction, "batch", batch);
  const auto product = [&](std::int64_t i) {
    // Where nothing is read a pointer may be null, and must not be moved.
    return detail::Product<T>{alpha,
                              a.data == nullptr ? a : moved(a, i * a_stride),
                              b.data == nullptr ? b : moved(b, i * b_stride),
                              beta,
                              c.data == nullptr ? c : moved(c, i * c_stride),
                              epilogue};
  };
  for (std::int64_t i = 0; i < batch; ++i) {
    const detail::Product<T> p = product(i);
    if (!detail::is_plainly_fine(p.a, p.b, p.c)) {
      detail::check_gemm<T>(kFunction, alpha, p.a, p.b, p.c);
    }
  }
  if (batch == 0 || c.rows == 0 || c.cols == 0) return;
  detail::check_batch(kFunction, batch, c, c_stride);

  if (b_stride == 0 && a_stride == a.rows * a.row_stride && c_stride == c.rows * c.row_stride) {
    MatrixView<const T> all_a = a;
    MatrixView<T> all_c = c;
    all_a.rows = all_c.rows = batch * c.rows;
    return gemm<T>(alpha, all_a, b, beta, all_c, epilogue);
  }
  const double microseconds = detail::estimated_microseconds(product(0));
  if (batch < kFew && microseconds >= kLongMicroseconds) {
    for (std::int64_t i = 0; i < batch; ++i) detail::compute(product(i));
    return;
  }
  const std::int64_t pieces = std::min(batch, kMostPieces);
  parallel_for(pieces, microseconds * static_cast<double>(batch), [&](std::int64_t piece, int) {
    const std::int64_t end = batch * (piece + 1) / pieces;
    for (std::int64_t i = batch * piece / pieces; i < end; ++i) detail::compute(product(i));
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
