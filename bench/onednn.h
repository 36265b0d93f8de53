// oneDNN as a peer: the same jobs in its own layouts. A library of its own, opened at run time, so
// that nnbench neither needs oneDNN nor starts its threads unless asked for it.
#ifndef NNKERNELS_BENCH_ONEDNN_H_
#define NNKERNELS_BENCH_ONEDNN_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "bench/case.h"
#include "kernels/activation.h"
#include "kernels/conv.h"
#include "kernels/pool.h"

namespace nnkernels::bench {

enum class Pass { forward, backward_data, backward_weights };

/// Max pooling that keeps the winners for the gradient, that does not, and the gradient.
enum class MaxPool { training, inference, gradient };

/// What oneDNN does: functions in the library. Operands are given in our layouts and brought into
/// its own before anything is timed, memory and all.
struct OneDnn {
  struct Job {
    Work work;
    /// The result of the last call, in our layout.
    std::function<std::vector<float>()> result;
  };

  /// "oneDNN 2.6.3"
  std::string (*version)();

  /// As in kernels/conv.h. Forward: y from x, w and b, with ReLU. By data: dx from dy = y and w. By
  /// weights: dw and db from x and dy = y. All in the layouts that oneDNN likes best.
  Job (*conv)(const ConvShape& shape, Pass pass, const float* x, const float* w, const float* b,
              const float* y);
  /// Max pooling of x, or its gradient by x for dy. In NHWC, or with channels in blocks of 16.
  Job (*max_pool)(const PoolShape& shape, MaxPool pass, bool blocked, const float* x,
                  const float* dy);
  /// y = f(x), or dx from y and dy; identity is none. `x` is y in the backward pass.
  Job (*activation)(Activation kind, Pass pass, std::int64_t size, const float* x, const float* dy);
  /// Softmax of each row, or dx from y and dy. `x` is y in the backward pass.
  Job (*softmax)(Pass pass, std::int64_t rows, std::int64_t cols, const float* x, const float* dy);
};

}  // namespace nnkernels::bench

#endif  // NNKERNELS_BENCH_ONEDNN_H_
