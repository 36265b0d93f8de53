#include "kernels/gemm.h"

#include <algorithm>
#include <cstdint>

#include "kernels/gemm_blocks.h"
#include "kernels/gemm_check.h"
#include "kernels/gemm_thin.h"
#include "kernels/gemm_tile.h"
#include "kernels/scratch.h"

namespace nnkernels {
namespace {

using detail::finish;
using detail::multiply;
using detail::multiply_thin;
using detail::Product;
using detail::Purpose;
using detail::scratch;
using detail::TileKernels;

/// C with gaps between the elements of a row. A column-major C is the transposed product; any other
/// goes through blocks of dense rows.
template <class T>
void multiply_scattered(const Product<T>& p) {
  if (p.c.row_stride == 1 && p.epilogue.bias == nullptr) {
    return multiply(Product<T>{p.alpha, p.b.transposed(), p.a.transposed(), p.beta,
                               p.c.transposed(), p.epilogue});
  }
  constexpr std::int64_t kRows = 64;
  for (std::int64_t row = 0; row < p.c.rows; row += kRows) {
    const std::int64_t rows = std::min(kRows, p.c.rows - row);
    const MatrixView<T> sums(scratch<T>(Purpose::result, rows * p.c.cols), rows, p.c.cols);
    multiply(Product<T>{T{1}, p.a.row_block(row, rows), p.b, T{0}, sums, {}});
    finish<T>(p.alpha, sums, p.beta, p.c.row_block(row, rows), p.epilogue);
  }
}

}  // namespace

template <class T>
void gemm(std::type_identity_t<T> alpha, const std::type_identity_t<MatrixView<const T>>& a,
          const std::type_identity_t<MatrixView<const T>>& b, std::type_identity_t<T> beta,
          const MatrixView<T>& c, const std::type_identity_t<Epilogue<T>>& epilogue) {
  if (detail::is_plainly_fine<T>(a, b, c)) {
    const TileKernels<T>& kernels = detail::tile_kernels<T>();
    if (alpha != T{0} && detail::is_small(kernels, a, b, epilogue)) {
      if (detail::multiply_one_tile(kernels, alpha, a, b, beta, c, epilogue)) return;
      return detail::multiply_small(kernels, alpha, a, b, beta, c, epilogue);
    }
  } else {
    detail::check_gemm<T>("gemm", alpha, a, b, c);
    if (c.rows == 0 || c.cols == 0) return;
  }
  if (a.cols == 0 || alpha == T{0}) return finish<T>(alpha, {}, beta, c, epilogue);
  const Product<T> product{alpha, a, b, beta, c, epilogue};
  if (multiply_thin(product)) return;
  if (c.col_stride != 1 && c.cols > 1) return multiply_scattered(product);
  multiply(product);
}

template void gemm<float>(float, const MatrixView<const float>&, const MatrixView<const float>&,
                          float, const MatrixView<float>&, const Epilogue<float>&);
template void gemm<double>(double, const MatrixView<const double>&, const MatrixView<const double>&,
                           double, const MatrixView<double>&, const Epilogue<double>&);

}  // namespace nnkernels
