// Every kernel refuses every array that is null although it has elements, and every negative size.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "kernels/activation.h"
#include "kernels/batch_norm.h"
#include "kernels/conv.h"
#include "kernels/conv_pool.h"
#include "kernels/dropout.h"
#include "kernels/im2col.h"
#include "kernels/moments.h"
#include "kernels/pool.h"
#include "kernels/softmax.h"
#include "kernels/update.h"
#include "kernels/vector.h"
#include "tests/kernels/kernel_calls.h"
#include "tests/support/expect.h"

namespace nnkernels {
namespace {

using Sizes = std::vector<std::int64_t>;

/// A kernel, and the names of its sizes and arrays in the order in which `run` takes them.
struct Kernel {
  std::string name;
  std::vector<std::string> sizes;
  std::vector<std::string> arrays;
  std::function<void(const Sizes&, const Pointers&)> run;
};

/// The kernels whose shapes are plain numbers. Those with shapes of their own follow below.
template <class T>
std::vector<Kernel> plain_kernels() {
  const T c = T(0.5);
  using P = const Pointers&;
  using S = const Sizes&;
  const std::vector<std::string> size = {"size"}, matrix = {"rows", "cols"};
  return {
      {"activation_forward",
       size,
       {"x", "y"},
       [](S s, P p) { activation_forward<T>(Activation::relu, s[0], p.as<T>(0), p.as<T>(1)); }},
      {"activation_backward",
       size,
       {"y", "dy", "dx"},
       [](S s, P p) {
         activation_backward<T>(Activation::relu, s[0], p.as<T>(0), p.as<T>(1), p.as<T>(2));
       }},
      {"scale_shift",
       matrix,
       {"scale", "shift", "x", "y"},
       [](S s, P p) {
         scale_shift<T>(s[0], s[1], p.as<T>(0), p.as<T>(1), true, p.as<T>(2), p.as<T>(3));
       }},
      {"batch_norm_sums",
       matrix,
       {"x", "mean", "dy", "sum", "product"},
       [](S s, P p) {
         batch_norm_sums<T>(s[0], s[1], p.as<T>(0), p.as<T>(1), p.as<T>(2), p.as<T>(3), p.as<T>(4));
       }},
      {"batch_norm_dx",
       matrix,
       {"x", "mean", "a", "b", "c", "dy", "dx"},
       [](S s, P p) {
         batch_norm_dx<T>(s[0], s[1], p.as<T>(0), p.as<T>(1), p.as<T>(2), p.as<T>(3), p.as<T>(4),
                          p.as<T>(5), p.as<T>(6));
       }},
      {"dropout",
       {"size", "first"},
       {"x", "y"},
       [=](S s, P p) { dropout<T>(s[0], s[1], DropoutMask{}, c, p.as<T>(0), p.as<T>(1)); }},
      {"column_moments",
       matrix,
       {"x", "mean", "variance"},
       [](S s, P p) { column_moments<T>(s[0], s[1], p.as<T>(0), p.as<T>(1), p.as<T>(2)); }},
      {"softmax_forward",
       matrix,
       {"x", "y"},
       [](S s, P p) { softmax_forward<T>(s[0], s[1], p.as<T>(0), p.as<T>(1)); }},
      {"softmax_backward",
       matrix,
       {"y", "dy", "dx"},
       [](S s, P p) { softmax_backward<T>(s[0], s[1], p.as<T>(0), p.as<T>(1), p.as<T>(2)); }},
      {"log_softmax_forward",
       matrix,
       {"x", "y"},
       [](S s, P p) { log_softmax_forward<T>(s[0], s[1], p.as<T>(0), p.as<T>(1)); }},
      {"log_softmax_backward",
       matrix,
       {"y", "dy", "dx"},
       [](S s, P p) { log_softmax_backward<T>(s[0], s[1], p.as<T>(0), p.as<T>(1), p.as<T>(2)); }},
      {"softmax_cross_entropy_forward",
       matrix,
       {"labels", "x", "loss"},
       [](S s, P p) {
         softmax_cross_entropy_forward<T>(s[0], s[1], p.as<T>(1), p.index(0), p.as<T>(2));
       }},
      {"softmax_cross_entropy_backward",
       matrix,
       {"labels", "x", "loss", "dx"},
       [=](S s, P p) {
         softmax_cross_entropy_backward<T>(s[0], s[1], p.as<T>(1), p.index(0), c, p.as<T>(2),
                                           p.as<T>(3));
       }},
      {"sgd_update",
       size,
       {"g", "w"},
       [=](S s, P p) { sgd_update<T>(s[0], c, p.as<T>(0), p.as<T>(1)); }},
      {"sgd_outer_update",
       matrix,
       {"x", "y", "w"},
       [=](S s, P p) { sgd_outer_update<T>(s[0], s[1], c, p.as<T>(0), p.as<T>(1), p.as<T>(2)); }},
      {"momentum_update",
       size,
       {"g", "m", "w"},
       [=](S s, P p) { momentum_update<T>(s[0], c, c, p.as<T>(0), p.as<T>(1), p.as<T>(2)); }},
      {"nesterov_update",
       size,
       {"g", "m", "w"},
       [=](S s, P p) { nesterov_update<T>(s[0], c, c, p.as<T>(0), p.as<T>(1), p.as<T>(2)); }},
      {"adagrad_update",
       size,
       {"g", "v", "w"},
       [=](S s, P p) { adagrad_update<T>(s[0], c, c, p.as<T>(0), p.as<T>(1), p.as<T>(2)); }},
      {"rmsprop_update",
       size,
       {"g", "v", "w"},
       [=](S s, P p) { rmsprop_update<T>(s[0], c, c, c, p.as<T>(0), p.as<T>(1), p.as<T>(2)); }},
      {"adam_update",
       size,
       {"g", "m", "v", "w"},
       [=](S s, P p) {
         adam_update<T>(s[0], {c, c, c, c, 1, c}, p.as<T>(0), p.as<T>(1), p.as<T>(2), p.as<T>(3));
       }},
      {"squared_norm", size, {"x"}, [](S s, P p) { squared_norm<T>(s[0], p.as<T>(0)); }},
      {"axpy", size, {"x", "y"}, [=](S s, P p) { axpy<T>(s[0], c, p.as<T>(0), p.as<T>(1)); }},
      {"move_towards",
       size,
       {"x", "y"},
       [=](S s, P p) { move_towards<T>(s[0], c, p.as<T>(0), p.as<T>(1)); }},
      {"scale", size, {"x"}, [=](S s, P p) { scale<T>(s[0], c, p.as<T>(0)); }},
      {"add_bias",
       matrix,
       {"bias", "y"},
       [](S s, P p) { add_bias<T>(s[0], s[1], p.as<T>(0), p.as<T>(1)); }},
      {"column_sums",
       matrix,
       {"x", "sum"},
       [](S s, P p) { column_sums<T>(s[0], s[1], p.as<T>(0), p.as<T>(1)); }},
      {"sum_pieces",
       {"count", "size"},
       {"x", "y"},
       [](S s, P p) { sum_pieces<T>(s[0], s[1], p.as<T>(0), p.as<T>(1)); }},
      {"from_bytes",
       size,
       {"x", "y"},
       [=](S s, P p) { from_bytes<T>(s[0], c, c, p.byte(0), p.as<T>(1)); }},
  };
}

/// Kernels on images, at one shape. Arrays that may be null (biases, winners) are left out.
template <class T>
std::vector<Kernel> image_kernels() {
  const ConvShape s{.n = 1, .ih = 5, .iw = 5, .ic = 2, .oc = 3, .kh = 2, .kw = 2};
  const PoolShape q{
      .n = 1, .ih = 4, .iw = 4, .c = 3, .kh = 2, .kw = 2, .stride_h = 2, .stride_w = 2};
  using P = const Pointers&;
  using S = const Sizes&;
  const PoolDivisor inside = PoolDivisor::inside;
  return {
      {"conv_forward",
       {},
       {"x", "w", "y"},
       [s](S, P p) { conv_forward<T>(s, p.as<T>(0), p.as<T>(1), p.as<T>(2)); }},
      {"conv_backward_data",
       {},
       {"dy", "w", "dx"},
       [s](S, P p) { conv_backward_data<T>(s, p.as<T>(0), p.as<T>(1), p.as<T>(2)); }},
      {"conv_backward_weights",
       {},
       {"x", "dy", "dw"},
       [s](S, P p) {
         conv_backward_weights<T>(s, p.as<T>(0), p.as<T>(1), p.as<T>(2), static_cast<T*>(nullptr));
       }},
      {"conv_max_pool_forward",
       {},
       {"x", "w", "y"},
       [s](S, P p) { conv_max_pool_forward<T>(s, p.as<T>(0), p.as<T>(1), p.as<T>(2), nullptr); }},
      {"conv_max_pool_backward_weights",
       {},
       {"x", "dy", "winner", "dw"},
       [s](S, P p) {
         conv_max_pool_backward_weights<T>(s, p.as<T>(0), p.as<T>(1), p.byte(2), p.as<T>(3),
                                           nullptr);
       }},
      {"conv_max_pool_backward_data",
       {},
       {"dy", "winner", "w", "dx"},
       [s](S, P p) {
         conv_max_pool_backward_data<T>(s, p.as<T>(0), p.byte(1), p.as<T>(2), p.as<T>(3));
       }},
      {"im2col", {}, {"x", "col"}, [s](S, P p) { im2col<T>(s, p.as<T>(0), p.as<T>(1)); }},
      {"col2im", {}, {"col", "x"}, [s](S, P p) { col2im<T>(s, p.as<T>(0), p.as<T>(1)); }},
      {"max_pool_forward",
       {},
       {"x", "y"},
       [q](S, P p) { max_pool_forward<T>(q, p.as<T>(0), p.as<T>(1), nullptr); }},
      {"max_pool_backward",
       {},
       {"dy", "argmax", "dx"},
       [q](S, P p) { max_pool_backward<T>(q, p.as<T>(0), p.index(1), p.as<T>(2)); }},
      {"average_pool_forward",
       {},
       {"x", "y"},
       [=](S, P p) { average_pool_forward<T>(q, inside, p.as<T>(0), p.as<T>(1)); }},
      {"average_pool_backward",
       {},
       {"dy", "dx"},
       [=](S, P p) { average_pool_backward<T>(q, inside, p.as<T>(0), p.as<T>(1)); }},
  };
}

template <class T>
std::vector<Kernel> all_kernels() {
  std::vector<Kernel> kernels = plain_kernels<T>();
  for (Kernel& kernel : image_kernels<T>()) kernels.push_back(std::move(kernel));
  return kernels;
}

/// Zeros, which serve as numbers, labels and winners alike; each array has a piece of its own.
class Memory {
 public:
  explicit Memory(std::size_t arrays) : arrays_(arrays, std::vector<double>(1024)) {}
  std::vector<void*> pointers() {
    std::vector<void*> result;
    for (std::vector<double>& array : arrays_) result.push_back(array.data());
    return result;
  }

 private:
  std::vector<std::vector<double>> arrays_;
};

template <class T>
class ArgumentsTest : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(ArgumentsTest, Types);

TYPED_TEST(ArgumentsTest, ArraysWithElementsAreNotNull) {
  for (const Kernel& kernel : all_kernels<TypeParam>()) {
    Memory memory(kernel.arrays.size());
    const Sizes sizes(kernel.sizes.size(), 3);
    kernel.run(sizes, Pointers(memory.pointers()));  // is accepted
    for (std::size_t i = 0; i < kernel.arrays.size(); ++i) {
      SCOPED_TRACE(kernel.name + ", null is " + kernel.arrays[i]);
      std::vector<void*> pointers = memory.pointers();
      pointers[i] = nullptr;
      expect_invalid_argument([&] { kernel.run(sizes, Pointers(std::move(pointers))); },
                              {kernel.name + ": ", kernel.arrays[i] + " is "});
    }
  }
}

TYPED_TEST(ArgumentsTest, ArraysWithoutElementsMayBeNull) {
  for (const Kernel& kernel : plain_kernels<TypeParam>()) {
    if (kernel.name == "column_moments") continue;  // the mean of nothing is refused
    SCOPED_TRACE(kernel.name);
    const Sizes sizes(kernel.sizes.size(), 0);
    kernel.run(sizes, Pointers(std::vector<void*>(kernel.arrays.size())));
  }
}

TYPED_TEST(ArgumentsTest, EachSizeMayBeZero) {
  for (const Kernel& kernel : plain_kernels<TypeParam>()) {
    Memory memory(kernel.arrays.size());
    for (std::size_t i = 0; i < kernel.sizes.size(); ++i) {
      if (kernel.name == "column_moments" && kernel.sizes[i] == "rows") continue;
      SCOPED_TRACE(kernel.name + ", zero is " + kernel.sizes[i]);
      Sizes sizes(kernel.sizes.size(), 3);
      sizes[i] = 0;
      if (kernel.name == "softmax_cross_entropy_forward" ||
          kernel.name == "softmax_cross_entropy_backward") {
        if (kernel.sizes[i] == "cols") continue;  // no label is below 0
      }
      kernel.run(sizes, Pointers(memory.pointers()));
    }
  }
}

TYPED_TEST(ArgumentsTest, SizesAreNotNegative) {
  for (const Kernel& kernel : plain_kernels<TypeParam>()) {
    Memory memory(kernel.arrays.size());
    for (std::size_t i = 0; i < kernel.sizes.size(); ++i) {
      SCOPED_TRACE(kernel.name + ", negative is " + kernel.sizes[i]);
      Sizes sizes(kernel.sizes.size(), 3);
      sizes[i] = -1;
      expect_invalid_argument([&] { kernel.run(sizes, Pointers(memory.pointers())); },
                              {kernel.name + ": ", kernel.sizes[i]});
    }
  }
}

TYPED_TEST(ArgumentsTest, SizesWhoseProductWrapsAroundAreRefused) {
  for (const Kernel& kernel : plain_kernels<TypeParam>()) {
    if (kernel.sizes.size() != 2 || kernel.name == "dropout") continue;
    SCOPED_TRACE(kernel.name);
    Memory memory(kernel.arrays.size());
    for (const std::int64_t size : {std::int64_t{1} << 32, (std::int64_t{1} << 31) + 1}) {
      expect_invalid_argument(
          [&] {
            kernel.run({size, size}, Pointers(memory.pointers()));
          },
          {kernel.name + ": ", "2^60 - 1 elements", std::to_string(size)});
    }
  }
}

TEST(ShapeArgumentsTest, ConvolutionsThatNoMemoryHoldsAreRefused) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t k2To16 = 1 << 16, k2To32 = std::int64_t{1} << 32;
  const auto refused = [](auto change, const char* part) {
    ConvShape s{.ih = 8, .iw = 8, .kh = 3, .kw = 3};
    change(s);
    expect_invalid_argument([&] { check(s, "name"); }, {"name: ", part});
  };
  refused([](ConvShape& s) { s.pad_h = kMax; }, "padded image is too large");
  refused([](ConvShape& s) { s.pad_w = kMax / 2; }, "padded image is too large");
  refused([](ConvShape& s) { s.dilation_h = kMax - 49; }, "must fit");
  refused([](ConvShape& s) { s.dilation_w = std::int64_t{1} << 62; }, "must fit");
  refused([](ConvShape& s) { s.kh = kMax; }, "must fit");
  refused([](ConvShape& s) { s.n = kMax; }, "elements");
  refused(
      [](ConvShape& s) {
        s.n = k2To32;
        s.ih = s.iw = k2To16;
      },
      "4294967296 x 65536 x 65536");
  refused(
      [](ConvShape& s) {
        s.n = 0;
        s.ih = s.iw = k2To32;
      },
      "elements");
  refused([](ConvShape& s) { s.ic = s.oc = k2To32; }, "elements");
  refused([](ConvShape& s) { s.pad_h = s.pad_w = s.stride_h = s.stride_w = k2To32; }, "elements");
  // The image is small, the matrix of windows is not.
  const ConvShape windows{
      .n = 1 << 20, .ih = 256, .iw = 256, .kh = 4096, .kw = 4096, .pad_h = 2048, .pad_w = 2048};
  check(windows, "name");
  expect_invalid_argument([&] { im2col<float>(windows, nullptr, nullptr); }, {"im2col: ", "2^60"});
  expect_invalid_argument([&] { col2im<float>(windows, nullptr, nullptr); }, {"col2im: ", "2^60"});
}

TEST(ShapeArgumentsTest, PoolingsThatNoMemoryHoldsAreRefused) {
  constexpr std::int64_t k2To32 = std::int64_t{1} << 32;
  const PoolShape large{.n = k2To32, .ih = 1 << 16, .iw = 1 << 16};
  expect_invalid_argument([&] { max_pool_forward<float>(large, nullptr, nullptr, nullptr); },
                          {"max_pool_forward: ", "elements", "4294967296 x 65536"});
  float x = 1, y = 0;
  const PoolShape windows{
      .kh = k2To32 + 1, .kw = k2To32 + 1, .pad_h = k2To32 / 2, .pad_w = k2To32 / 2};
  expect_invalid_argument(
      [&] { average_pool_forward<float>(windows, PoolDivisor::window, &x, &y); },
      {"average_pool_forward: ", "2^31 - 1"});
  expect_invalid_argument(
      [&] { average_pool_backward<float>(windows, PoolDivisor::window, &y, &x); },
      {"average_pool_backward: ", "2^31 - 1"});
}

}  // namespace
}  // namespace nnkernels
