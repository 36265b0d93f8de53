#include "tests/kernels/kernel_calls.h"

#include <cstring>
#include <type_traits>
#include <utility>

#include "kernels/activation.h"
#include "kernels/batch_norm.h"
#include "kernels/conv.h"
#include "kernels/conv_pool.h"
#include "kernels/dropout.h"
#include "kernels/gemm.h"
#include "kernels/gemm_batched.h"
#include "kernels/gemm_packed.h"
#include "kernels/im2col.h"
#include "kernels/moments.h"
#include "kernels/pool.h"
#include "kernels/softmax.h"
#include "kernels/update.h"
#include "kernels/vector.h"
#include "tests/support/values.h"

namespace nnkernels {
namespace {

constexpr Content kReal = Content::real;
constexpr Content kPositive = Content::positive;

/// Collects calls for one type.
template <class T>
class Calls {
 public:
  explicit Calls(std::vector<KernelCall>& calls) : calls_(calls) {}

  void gemms(std::int64_t m, std::int64_t n, std::int64_t k) {
    const std::string shape = text({m, n, k});
    const std::vector<Array> arrays = reals({m * k, k * n, m * n, n});
    const T half = T(0.5), third = T(-0.3);
    const auto epilogue = [](const Pointers& p) {
      return Epilogue<T>{p.as<T>(3), Activation::relu};
    };
    add("gemm A B " + shape, arrays, [=](const Pointers& p) {
      gemm<T>(half, MatrixView<T>(p.as<T>(0), m, k), MatrixView<T>(p.as<T>(1), k, n), third,
              MatrixView<T>(p.as<T>(2), m, n), epilogue(p));
    });
    add("gemm A' B' " + shape, arrays, [=](const Pointers& p) {
      gemm<T>(half, MatrixView<T>(p.as<T>(0), k, m).transposed(),
              MatrixView<T>(p.as<T>(1), n, k).transposed(), third, MatrixView<T>(p.as<T>(2), m, n),
              epilogue(p));
    });
    add("gemm to C' " + shape, arrays, [=](const Pointers& p) {
      gemm<T>(half, MatrixView<T>(p.as<T>(0), m, k), MatrixView<T>(p.as<T>(1), k, n), third,
              MatrixView<T>(p.as<T>(2), n, m).transposed(), epilogue(p));
    });
    add("gemm packed " + shape, arrays, [=](const Pointers& p) {
      gemm<T>(half, MatrixView<T>(p.as<T>(0), m, k),
              PackedMatrix<T>(MatrixView<T>(p.as<T>(1), k, n)), third,
              MatrixView<T>(p.as<T>(2), m, n), epilogue(p));
    });
    add("gemm_batched " + shape, reals({3 * m * k, 3 * k * n, 3 * m * n}), [=](const Pointers& p) {
      gemm_batched<T>(3, half, MatrixView<T>(p.as<T>(0), m, k), m * k,
                      MatrixView<T>(p.as<T>(1), k, n), k * n, third,
                      MatrixView<T>(p.as<T>(2), m, n), m * n);
    });
  }

  void convs(const ConvShape& s) {
    const std::string shape =
        text({s.n, s.ih, s.iw, s.ic, s.oc, s.kh, s.stride_h, s.pad_h, s.dilation_h, s.groups});
    const std::vector<Array> arrays = reals({s.x_size(), s.w_size(), s.y_size(), s.oc});
    add("conv_forward " + shape, arrays, [s](const Pointers& p) {
      conv_forward<T>(s, p.as<T>(0), p.as<T>(1), p.as<T>(2), {p.as<T>(3), Activation::relu});
    });
    add("conv_backward_data " + shape, arrays,
        [s](const Pointers& p) { conv_backward_data<T>(s, p.as<T>(2), p.as<T>(1), p.as<T>(0)); });
    add("conv_backward_weights " + shape, arrays, [s](const Pointers& p) {
      conv_backward_weights<T>(s, p.as<T>(0), p.as<T>(2), p.as<T>(1), p.as<T>(3));
    });
    const std::int64_t columns = s.n * s.oh() * s.ow() * s.kh * s.kw * s.ic;
    add("im2col " + shape, reals({s.x_size(), columns}),
        [s](const Pointers& p) { im2col<T>(s, p.as<T>(0), p.as<T>(1)); });
    add("col2im " + shape, reals({s.x_size(), columns}),
        [s](const Pointers& p) { col2im<T>(s, p.as<T>(1), p.as<T>(0)); });
    if (s.oh() < 2 || s.ow() < 2 || s.groups != 1) return;  // refused
    const std::int64_t pooled = s.n * (s.oh() / 2) * (s.ow() / 2) * s.oc;
    std::vector<Array> fused = reals({s.x_size(), s.w_size(), pooled, s.oc, pooled, s.x_size()});
    fused.push_back({Content::byte, pooled, 4});
    // Winners come from the forward pass.
    add("conv_max_pool " + shape, fused, [s](const Pointers& p) {
      conv_max_pool_forward<T>(s, p.as<T>(0), p.as<T>(1), p.as<T>(2), p.byte(6),
                               {p.as<T>(3), Activation::relu});
      conv_max_pool_backward_data<T>(s, p.as<T>(4), p.byte(6), p.as<T>(1), p.as<T>(5));
      conv_max_pool_backward_weights<T>(s, p.as<T>(0), p.as<T>(4), p.byte(6), p.as<T>(1),
                                        p.as<T>(3));
    });
  }

  void pools(const PoolShape& s) {
    const std::string shape = text({s.n, s.ih, s.iw, s.c, s.kh, s.stride_h, s.pad_h});
    std::vector<Array> arrays = reals({s.x_size(), s.y_size(), s.y_size(), s.x_size()});
    arrays.push_back({Content::index, s.y_size(), 1});
    add("max_pool " + shape, arrays, [s](const Pointers& p) {
      max_pool_forward<T>(s, p.as<T>(0), p.as<T>(1), p.index(4));
      max_pool_backward<T>(s, p.as<T>(2), p.index(4), p.as<T>(3));
    });
    for (const PoolDivisor divisor : {PoolDivisor::inside, PoolDivisor::window}) {
      add("average_pool " + shape, reals({s.x_size(), s.y_size(), s.y_size(), s.x_size()}),
          [s, divisor](const Pointers& p) {
            average_pool_forward<T>(s, divisor, p.as<T>(0), p.as<T>(1));
            average_pool_backward<T>(s, divisor, p.as<T>(2), p.as<T>(3));
          });
    }
  }

  /// Kernels on the rows or columns of a matrix.
  void matrices(std::int64_t rows, std::int64_t cols) {
    const std::string shape = text({rows, cols});
    const std::int64_t size = rows * cols;
    using Rowwise = void (*)(std::int64_t, std::int64_t, const T*, T*);
    for (const auto& [name, forward] :
         {std::pair<const char*, Rowwise>{"softmax_forward ", softmax_forward<T>},
          {"log_softmax_forward ", log_softmax_forward<T>},
          {"column_sums ", column_sums<T>}}) {
      const bool sums = forward == static_cast<Rowwise>(column_sums<T>);
      add(name + shape, reals({size, sums ? cols : size}),
          [=, forward = forward](const Pointers& p) {
            forward(rows, cols, p.as<T>(0), p.as<T>(1));
          });
    }
    add("softmax_backward " + shape, reals({size, size, size}), [=](const Pointers& p) {
      softmax_backward<T>(rows, cols, p.as<T>(0), p.as<T>(1), p.as<T>(2));
    });
    add("log_softmax_backward " + shape, reals({size, size, size}), [=](const Pointers& p) {
      log_softmax_backward<T>(rows, cols, p.as<T>(0), p.as<T>(1), p.as<T>(2));
    });
    std::vector<Array> entropy = reals({size, rows, size});
    entropy.push_back({Content::index, rows, cols});
    add("softmax_cross_entropy " + shape, entropy, [=](const Pointers& p) {
      softmax_cross_entropy_forward<T>(rows, cols, p.as<T>(0), p.index(3), p.as<T>(1));
      softmax_cross_entropy_backward<T>(rows, cols, p.as<T>(0), p.index(3), T(0.3), p.as<T>(1),
                                        p.as<T>(2));
    });
    add("add_bias " + shape, reals({cols, size}),
        [=](const Pointers& p) { add_bias<T>(rows, cols, p.as<T>(0), p.as<T>(1)); });
    add("sum_pieces " + shape, reals({size, cols}),
        [=](const Pointers& p) { sum_pieces<T>(rows, cols, p.as<T>(0), p.as<T>(1)); });
    add("column_moments " + shape, reals({size, cols, cols}), [=](const Pointers& p) {
      column_moments<T>(rows, cols, p.as<T>(0), p.as<T>(1), p.as<T>(2));
    });
    add("batch_norm " + shape, reals({size, cols, cols, cols, size, size, cols, cols}),
        [=](const Pointers& p) {
          scale_shift<T>(rows, cols, p.as<T>(1), p.as<T>(2), true, p.as<T>(0), p.as<T>(5));
          batch_norm_sums<T>(rows, cols, p.as<T>(0), p.as<T>(1), p.as<T>(4), p.as<T>(6),
                             p.as<T>(7));
        });
    add("batch_norm_dx " + shape, reals({size, cols, cols, cols, cols, size, size}),
        [=](const Pointers& p) {
          batch_norm_dx<T>(rows, cols, p.as<T>(0), p.as<T>(1), p.as<T>(2), p.as<T>(3), p.as<T>(4),
                           p.as<T>(5), p.as<T>(6));
        });
    add("sgd_outer_update " + shape, reals({rows, cols, size}), [=](const Pointers& p) {
      sgd_outer_update<T>(rows, cols, T(0.1), p.as<T>(0), p.as<T>(1), p.as<T>(2));
    });
  }

  /// Kernels on vectors.
  void vectors(std::int64_t size) {
    const std::string shape = text({size});
    for (const Activation kind :
         {Activation::identity, Activation::relu, Activation::sigmoid, Activation::tanh}) {
      add("activation " + std::to_string(static_cast<int>(kind)) + " " + shape,
          reals({size, size, size, size}), [=](const Pointers& p) {
            activation_forward<T>(kind, size, p.as<T>(0), p.as<T>(1));
            activation_backward<T>(kind, size, p.as<T>(1), p.as<T>(2), p.as<T>(3));
          });
    }
    add("axpy, move_towards, scale " + shape, reals({size, size}), [=](const Pointers& p) {
      axpy<T>(size, T(0.3), p.as<T>(0), p.as<T>(1));
      move_towards<T>(size, T(0.1), p.as<T>(0), p.as<T>(1));
      scale<T>(size, T(0.7), p.as<T>(1));
    });
    add("from_bytes " + shape, {{Content::byte, size, 256}, {kReal, size, 0}},
        [=](const Pointers& p) { from_bytes<T>(size, T(0.003), T(-0.4), p.byte(0), p.as<T>(1)); });
    const DropoutMask mask{.key = {1, 2}, .high = {3, 4}, .threshold = 20000};
    add("dropout " + shape, reals({size, size}),
        [=](const Pointers& p) { dropout<T>(size, 5, mask, T(1.5), p.as<T>(0), p.as<T>(1)); });
    // The norm is left where the caller sees it.
    add("squared_norm " + shape, reals({size, 1}), [=](const Pointers& p) {
      *p.as<T>(1) = static_cast<T>(squared_norm<T>(size, p.as<T>(0)));
    });
    const GradientTerms<T> terms{T(0.9), T(0.8), T(0.01)};
    const std::vector<Array> state = {
        {kReal, size, 0}, {kReal, size, 0}, {kPositive, size, 0}, {kReal, size, 0}};
    const T lr = T(0.1), momentum = T(0.9), epsilon = T(1e-8);
    add("sgd, momentum, nesterov " + shape, state, [=](const Pointers& p) {
      sgd_update<T>(size, lr, p.as<T>(0), p.as<T>(3), terms);
      momentum_update<T>(size, lr, momentum, p.as<T>(0), p.as<T>(1), p.as<T>(3), terms);
      nesterov_update<T>(size, lr, momentum, p.as<T>(0), p.as<T>(1), p.as<T>(3), terms);
    });
    add("adagrad, rmsprop, adam " + shape, state, [=](const Pointers& p) {
      adagrad_update<T>(size, lr, epsilon, p.as<T>(0), p.as<T>(2), p.as<T>(3), terms);
      rmsprop_update<T>(size, lr, momentum, epsilon, p.as<T>(0), p.as<T>(2), p.as<T>(3), terms);
      adam_update<T>(size, {lr, momentum, momentum, epsilon, 3, T(0.01)}, p.as<T>(0), p.as<T>(1),
                     p.as<T>(2), p.as<T>(3), terms);
    });
  }

 private:
  void add(const std::string& name, std::vector<Array> arrays,
           std::function<void(const Pointers&)> run) {
    const char* const type = std::is_same_v<T, float> ? " float" : " double";
    calls_.push_back({name + type, std::move(arrays), std::move(run), sizeof(T)});
  }
  static std::vector<Array> reals(const std::vector<std::int64_t>& sizes) {
    std::vector<Array> arrays;
    arrays.reserve(sizes.size() + 1);
    for (const std::int64_t size : sizes) arrays.push_back({kReal, size, 0});
    return arrays;
  }
  static std::string text(const std::vector<std::int64_t>& sizes) {
    std::string result;
    for (const std::int64_t size : sizes) {
      result += (result.empty() ? "" : "x") + std::to_string(size);
    }
    return result;
  }

  std::vector<KernelCall>& calls_;
};

template <class T>
void add_small(std::vector<KernelCall>& all) {
  Calls<T> calls(all);
  for (const std::int64_t m : {1, 2, 5, 6, 7, 13, 14, 15, 17}) {
    for (const std::int64_t n : {1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 49, 65}) calls.gemms(m, n, 19);
  }
  for (const std::int64_t k : {1, 2, 3, 64, 65}) calls.gemms(30, 34, k);
  for (const std::int64_t channels : {1, 3, 4, 7, 8, 9, 15, 16, 17, 33}) {
    for (const std::int64_t kernel : {1, 3, 5}) {
      for (const std::int64_t stride : {1, 2}) {
        ConvShape s{.n = 2, .ih = 7, .iw = 9, .ic = channels, .oc = 17};
        s.kh = s.kw = kernel;
        s.stride_h = s.stride_w = stride;
        s.pad_h = s.pad_w = kernel / 2;
        calls.convs(s);
        s.pad_h = s.pad_w = 0;
        calls.convs(s);
        s.oc = s.groups = channels;  // depthwise
        calls.convs(s);
        s.ic = s.groups = 1;
        if (kernel > 1 && stride == 1) calls.convs(s);  // one channel in
        s.groups = channels;
        s.ic = s.oc = 4 * channels;  // groups of four
        calls.convs(s);
      }
    }
    calls.convs({.n = 1,
                 .ih = 9,
                 .iw = 8,
                 .ic = channels,
                 .oc = channels,
                 .kh = 2,
                 .kw = 3,
                 .pad_h = 1,
                 .dilation_h = 2,
                 .dilation_w = 2});
    for (const std::int64_t pad : {0, 1}) {
      calls.pools({.n = 2,
                   .ih = 6,
                   .iw = 7,
                   .c = channels,
                   .kh = 2,
                   .kw = 2,
                   .stride_h = 2,
                   .stride_w = 2,
                   .pad_h = pad,
                   .pad_w = pad});
      calls.pools(
          {.n = 1, .ih = 6, .iw = 7, .c = channels, .kh = 3, .kw = 3, .pad_h = pad, .pad_w = pad});
    }
  }
  for (const std::int64_t cols : {1, 2, 3, 7, 8, 9, 10, 15, 16, 17, 31, 32, 33, 63, 65, 129}) {
    for (const std::int64_t rows : {1, 2, 5}) calls.matrices(rows, cols);
    calls.vectors(cols);
  }
}

template <class T>
void add_shared(std::vector<KernelCall>& all) {
  Calls<T> calls(all);
  calls.gemms(129, 77, 600);
  calls.gemms(3, 900, 65);
  calls.gemms(30, 34, 4100);
  calls.gemms(700, 1, 300);
  calls.gemms(1, 700, 300);
  ConvShape s{
      .n = 9, .ih = 13, .iw = 15, .ic = 6, .oc = 20, .kh = 3, .kw = 3, .pad_h = 1, .pad_w = 1};
  calls.convs(s);
  s.stride_h = s.stride_w = 2;
  calls.convs(s);
  s.oc = s.groups = s.ic = 24;
  calls.convs(s);
  s.groups = 6;
  calls.convs(s);
  s.groups = 4;
  s.stride_h = s.stride_w = 1;
  s.dilation_h = s.dilation_w = 2;
  calls.convs(s);
  calls.pools(
      {.n = 9, .ih = 14, .iw = 15, .c = 19, .kh = 2, .kw = 2, .stride_h = 2, .stride_w = 2});
  calls.pools({.n = 9, .ih = 14, .iw = 15, .c = 19, .kh = 3, .kw = 3, .pad_h = 1, .pad_w = 1});
  calls.matrices(1030, 37);
  calls.matrices(5, 3001);
  calls.vectors(70'001);
}

template <class T>
void fill_reals(std::byte* bytes, const Array& array, Values& values) {
  for (std::int64_t i = 0; i < array.size; ++i) {
    const double low = array.content == Content::positive ? 0.1 : -1;
    const T number = static_cast<T>(values.uniform(low, 1));
    std::memcpy(bytes + static_cast<std::size_t>(i) * sizeof(T), &number, sizeof(T));
  }
}

}  // namespace

std::size_t element_bytes(const KernelCall& call, const Array& array) {
  if (array.content == Content::byte) return 1;
  return array.content == Content::index ? sizeof(std::int32_t) : call.element_size;
}

std::vector<std::vector<std::byte>> draw(const KernelCall& call, std::uint64_t seed) {
  Values values(seed);
  std::vector<std::vector<std::byte>> contents;
  contents.reserve(call.arrays.size());
  for (const Array& array : call.arrays) {
    auto& bytes =
        contents.emplace_back(static_cast<std::size_t>(array.size) * element_bytes(call, array));
    if (array.content == Content::byte) {
      for (std::byte& b : bytes) b = static_cast<std::byte>(values.integer(0, array.limit - 1));
    } else if (array.content == Content::index) {
      for (std::size_t i = 0; i < bytes.size(); i += sizeof(std::int32_t)) {
        const auto number = static_cast<std::int32_t>(values.integer(0, array.limit - 1));
        std::memcpy(bytes.data() + i, &number, sizeof(number));
      }
    } else if (call.element_size == sizeof(float)) {
      fill_reals<float>(bytes.data(), array, values);
    } else {
      fill_reals<double>(bytes.data(), array, values);
    }
  }
  return contents;
}

std::vector<KernelCall> small_calls() {
  std::vector<KernelCall> calls;
  add_small<float>(calls);
  add_small<double>(calls);
  return calls;
}

std::vector<KernelCall> shared_calls() {
  std::vector<KernelCall> calls;
  add_shared<float>(calls);
  add_shared<double>(calls);
  return calls;
}

}  // namespace nnkernels
