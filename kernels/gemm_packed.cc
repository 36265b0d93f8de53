#include "kernels/gemm_packed.h"

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "kernels/check.h"
#include "kernels/gemm_blocks.h"
#include "kernels/gemm_check.h"
#include "kernels/gemm_product.h"
#include "kernels/gemm_tile.h"

namespace nnkernels {

template <class T>
void PackedMatrix<T>::pack(const MatrixView<const T>& b) {
  if (b.rows < 0 || b.cols < 0 || (b.data == nullptr && b.rows > 0 && b.cols > 0)) {
    throw std::invalid_argument(
        std::string("PackedMatrix::pack: expected no negative size and no null pointer, got ") +
        std::to_string(b.rows) + "x" + std::to_string(b.cols) +
        (b.data == nullptr ? " at a null pointer" : ""));
  }
  if (b.rows > 0 && b.cols > 0 && !detail::fits_memory(b)) {
    throw std::invalid_argument(
        "PackedMatrix::pack: the strides of B reach further than memory can (B is " +
        std::to_string(b.rows) + "x" + std::to_string(b.cols) + ", strides " +
        std::to_string(b.row_stride) + ", " + std::to_string(b.col_stride) + ")");
  }
  // A panel may be wider than B, by less than two vectors.
  const std::int64_t widest = b.cols == 0 ? 0 : std::max<std::int64_t>(b.cols, 64);
  (void)detail::element_count("PackedMatrix::pack", {b.rows, widest});
  const detail::TileKernels<T>& kernels = detail::tile_kernels<T>();
  panels_.reserve(detail::packed_size(kernels, b.rows, b.cols));
  rows_ = b.rows;
  cols_ = b.cols;
  packed_for_ = &kernels;
  if (rows_ > 0 && cols_ > 0) detail::pack_all(kernels, b, panels_.data());
}

template <class T>
void gemm(std::type_identity_t<T> alpha, const std::type_identity_t<MatrixView<const T>>& a,
          const PackedMatrix<T>& b, std::type_identity_t<T> beta, const MatrixView<T>& c,
          const std::type_identity_t<Epilogue<T>>& epilogue) {
  // Only the sizes mean anything to the checks; no C lies in the memory of a PackedMatrix.
  const MatrixView<const T> sizes(b.panels_.data(), b.rows_, b.cols_, 0, 0);
  detail::check_gemm<T>("gemm", alpha, a, sizes, c);
  if (c.rows == 0 || c.cols == 0) return;
  if (b.rows_ > 0 && b.packed_for_ != &detail::tile_kernels<T>()) {
    throw std::invalid_argument("gemm: B (" + std::to_string(b.rows_) + "x" +
                                std::to_string(b.cols_) +
                                ") was packed for another instruction set; after set_simd() it "
                                "must be packed again");
  }
  detail::compute(detail::Product<T>{alpha, a, sizes, beta, c, epilogue, b.panels_.data()});
}

template class PackedMatrix<float>;
template class PackedMatrix<double>;
template void gemm<float>(float, const MatrixView<const float>&, const PackedMatrix<float>&, float,
                          const MatrixView<float>&, const Epilogue<float>&);
template void gemm<double>(double, const MatrixView<const double>&, const PackedMatrix<double>&,
                           double, const MatrixView<double>&, const Epilogue<double>&);

}  // namespace nnkernels
