#include "kernels/gemm.h"

#include "kernels/gemm_blocks.h"
#include "kernels/gemm_check.h"
#include "kernels/gemm_product.h"
#include "kernels/gemm_thin.h"
#include "kernels/gemm_tile.h"

namespace nnkernels {

template <class T>
void gemm(std::type_identity_t<T> alpha, const std::type_identity_t<MatrixView<const T>>& a,
          const std::type_identity_t<MatrixView<const T>>& b, std::type_identity_t<T> beta,
          const MatrixView<T>& c, const std::type_identity_t<Epilogue<T>>& epilogue) {
  if (detail::is_plainly_fine<T>(a, b, c)) {
    const detail::TileKernels<T>& kernels = detail::tile_kernels<T>();
    if (alpha != T{0} && detail::is_small(kernels, a, b, epilogue) &&
        !detail::is_thin(kernels, a, b)) {
      if (detail::multiply_one_tile(kernels, alpha, a, b, beta, c, epilogue)) return;
      return detail::multiply_small(kernels, alpha, a, b, beta, c, epilogue);
    }
  } else {
    detail::check_gemm<T>("gemm", alpha, a, b, c);
    if (c.rows == 0 || c.cols == 0) return;
  }
  detail::compute(detail::Product<T>{alpha, a, b, beta, c, epilogue});
}

template void gemm<float>(float, const MatrixView<const float>&, const MatrixView<const float>&,
                          float, const MatrixView<float>&, const Epilogue<float>&);
template void gemm<double>(double, const MatrixView<const double>&, const MatrixView<const double>&,
                           double, const MatrixView<double>&, const Epilogue<double>&);

}  // namespace nnkernels
