#include "kernels/pool.h"

#include "bench/commands.h"
#include "bench/data.h"
#include "bench/runner.h"

namespace nnkernels::bench {
namespace {

PoolShape pool(std::int64_t n, std::int64_t size, std::int64_t c, std::int64_t kernel,
               std::int64_t stride, std::int64_t pad) {
  PoolShape shape;
  shape.n = n;
  shape.ih = shape.iw = size;
  shape.c = c;
  shape.kh = shape.kw = kernel;
  shape.stride_h = shape.stride_w = stride;
  shape.pad_h = shape.pad_w = pad;
  return shape;
}

std::vector<PoolShape> usual_shapes() {
  return {pool(100, 24, 30, 2, 2, 0),  // nncli's cnn
          pool(64, 24, 64, 2, 2, 0),   // PyTorch's MNIST example
          pool(1, 12, 64, 2, 2, 0),    // in L1
          pool(4, 112, 64, 3, 2, 1),   // ResNet
          pool(4, 56, 128, 2, 2, 0),   // VGG
          pool(16, 7, 512, 7, 1, 0)};  // global average
}

template <class T>
Work prepare(const PoolShape& shape, bool max, bool forward) {
  const Array<T> x = random_array<T>(shape.x_size(), 1);
  const Array<T> y = random_array<T>(shape.y_size(), 2);
  const Array<std::int32_t> argmax(max ? shape.y_size() : 0);
  const PoolDivisor divisor = PoolDivisor::inside;
  if (!max && forward) {
    return timed([=] { average_pool_forward<T>(shape, divisor, x.data(), y.data()); });
  }
  if (!max) return timed([=] { average_pool_backward<T>(shape, divisor, y.data(), x.data()); });
  // Also for the backward pass: it needs winners that there can be.
  max_pool_forward<T>(shape, x.data(), y.data(), argmax.data());
  if (forward) {
    return timed([=] { max_pool_forward<T>(shape, x.data(), y.data(), argmax.data()); });
  }
  return timed([=] { max_pool_backward<T>(shape, y.data(), argmax.data(), x.data()); });
}

std::string shape_name(const PoolShape& s) {
  std::string name =
      std::to_string(s.kh) + 'x' + std::to_string(s.kw) + '/' + std::to_string(s.stride_h);
  if (s.pad_h > 0) name += " p" + std::to_string(s.pad_h);
  return name + " on " + std::to_string(s.ih) + 'x' + std::to_string(s.iw) + 'x' +
         std::to_string(s.c) + " n" + std::to_string(s.n);
}

template <class T>
std::vector<Case> cases(const std::vector<PoolShape>& shapes) {
  std::vector<Case> result;
  for (const PoolShape& shape : shapes) {
    for (const bool max : {true, false}) {
      for (const bool forward : {true, false}) {
        const std::string function =
            std::string(max ? "max" : "average") + (forward ? " forward" : " backward");
        Case one;
        one.name = shape_name(shape) + ' ' + function;
        one.parameters.add("function", function).add("n", shape.n).add("ih", shape.ih);
        one.parameters.add("iw", shape.iw).add("c", shape.c).add("kh", shape.kh);
        one.parameters.add("kw", shape.kw).add("stride_h", shape.stride_h);
        one.parameters.add("stride_w", shape.stride_w);
        one.parameters.add("pad_h", shape.pad_h).add("pad_w", shape.pad_w);
        const auto element = static_cast<std::int64_t>(sizeof(T));
        const std::int64_t argmax = max ? 4 : 0;
        one.footprint = shape.x_size() * element + shape.y_size() * (element + argmax);
        one.bytes = static_cast<double>(one.footprint);
        one.prepare = [shape, max, forward] { return prepare<T>(shape, max, forward); };
        result.push_back(one);
      }
    }
  }
  return result;
}

}  // namespace

void run_pool(const Arguments& arguments) {
  CommonOptions common;
  std::int64_t n = 1, size = 28, channels = 32, kernel = 2, stride = 2, pad = 0;
  std::string type = "f32";
  Options flags("pool", "measures pooling; without flags for a shape, a list of usual ones");
  constexpr std::int64_t kMost = 1 << 14;
  flags.integer("n", "N", "images in a batch", n, 1, kMost);
  flags.integer("size", "N", "height and width of the images", size, 1, kMost);
  flags.integer("channels", "N", "channels", channels, 1, kMost);
  flags.integer("kernel", "N", "height and width of the window", kernel, 1, kMost);
  flags.integer("stride", "N", "stride in both directions", stride, 1, kMost);
  flags.integer("pad", "N", "pad on each side", pad, 0, kMost);
  flags.choice("type", "type of the elements", {"f32", "f64"}, type);
  common.add_to(flags);
  if (!parse(flags, common, arguments)) return;

  std::vector<PoolShape> shapes = usual_shapes();
  for (const char* flag : {"n", "size", "channels", "kernel", "stride", "pad"}) {
    if (flags.given(flag)) shapes = {pool(n, size, channels, kernel, stride, pad)};
  }
  checked("pool", [&shapes] { check(shapes.front(), "shape"); });
  apply(common);
  const Precision precision = precision_named(type);
  run_cases("pool", common, Rate::copies, precision,
            precision == Precision::f32 ? cases<float>(shapes) : cases<double>(shapes));
}

}  // namespace nnkernels::bench
