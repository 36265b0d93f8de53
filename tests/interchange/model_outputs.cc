// model_outputs MODEL MNIST OUT.npy: what a network makes of the test set, for the judges in this
// folder: float32, [images][outputs].
#include <cstdio>
#include <exception>
#include <numeric>
#include <vector>

#include "nn/batch.h"
#include "nn/data/file.h"
#include "nn/data/npy.h"
#include "nn/model_file.h"

namespace nn = nnkernels::nn;

namespace {

void write_outputs(const char* model_path, const char* mnist, const char* out) {
  nn::Model model = nn::load_model(model_path);
  const nn::Dataset test = nn::load_mnist_test(mnist);
  std::vector<std::int64_t> all(static_cast<std::size_t>(test.n));
  std::iota(all.begin(), all.end(), 0);
  std::vector<std::int32_t> labels(all.size());
  nn::Tensor<float> x(nn::sample_shape(test).batch(test.n));
  nn::gather_batch<float>(test, model.info.preprocessing, all, x.view(), labels);
  const auto y = model.net.forward(x.view());
  const auto* const begin = reinterpret_cast<const std::uint8_t*>(y.data);
  const auto bytes = static_cast<std::size_t>(y.size()) * sizeof(float);
  nn::write_file_atomically(out, nn::npy_file({.kind = 'f',
                                               .item = 4,
                                               .shape = {y.shape[0], y.shape[1]},
                                               .bytes = {begin, begin + bytes}}));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: model_outputs MODEL MNIST OUT.npy\n");
    return 2;
  }
  try {
    write_outputs(argv[1], argv[2], argv[3]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "model_outputs: %s\n", error.what());
    return 1;
  }
  return 0;
}
