#include <cstdio>

#include "kernels/gemm.h"
#include "nn/architecture.h"
#include "nn/initialize.h"

int main() {
  // C = A B on plain memory, row-major here; any strides will do.
  const float a[] = {1, 2, 3,  //
                     4, 5, 6};
  const float b[] = {1, 0,  //
                     0, 1,  //
                     1, 1};
  float c[4];
  nnkernels::gemm(1.0f, {a, 2, 3}, {b, 3, 2}, 0.0f, nnkernels::MatrixView<float>(c, 2, 2));
  std::printf("A B = [%g %g; %g %g]\n", c[0], c[1], c[2], c[3]);

  // A network with random weights, and what it makes of two grey images of 28 x 28 pixels.
  namespace nn = nnkernels::nn;
  auto net = nn::build<float>({28, 28, 1}, "conv 30 5x5, relu, maxpool 2, flatten, affine 10");
  nn::initialize(net, nn::Initialization::he, /*seed=*/1);
  const nn::Tensor<float> images({2, 28, 28, 1});
  const auto y = net.forward(images.view());
  std::printf("%s -> %s by %d numbers\n", images.shape().str().c_str(), y.shape.str().c_str(),
              static_cast<int>(net.parameter_count()));
}
