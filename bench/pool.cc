#include "kernels/pool.h"

#include <type_traits>

#include "bench/commands.h"
#include "bench/data.h"
#include "bench/onednn_peer.h"
#include "bench/races.h"
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
  return {pool(1, 12, 32, 2, 2, 0),     // in L1
          pool(1, 24, 64, 2, 2, 0),     // in L2: an image of PyTorch's MNIST example
          pool(100, 24, 30, 2, 2, 0),   // nncli's cnn
          pool(64, 24, 64, 2, 2, 0),    // PyTorch's MNIST example
          pool(4, 112, 64, 3, 2, 1),    // ResNet
          pool(4, 56, 128, 2, 2, 0),    // VGG
          pool(16, 112, 128, 2, 2, 0),  // the same from memory
          pool(16, 7, 512, 7, 1, 0)};   // global average
}

template <class T>
struct Operands {
  explicit Operands(const PoolShape& shape)
      : x(random_array<T>(shape.x_size(), 1)),
        y(random_array<T>(shape.y_size(), 2)),
        argmax(shape.y_size()) {}
  Array<T> x, y;
  Array<std::int32_t> argmax;
};

enum class Function { max_forward, max_inference, max_backward, average_forward, average_backward };

struct NamedFunction {
  Function function;
  const char* name;
};
constexpr NamedFunction kFunctions[] = {
    {Function::max_forward, "max forward"},
    {Function::max_inference, "max forward without winners"},
    {Function::max_backward, "max backward"},
    {Function::average_forward, "average forward"},
    {Function::average_backward, "average backward"},
};

template <class T>
Work our_pool(const PoolShape& shape, Function function, const Operands<T>& o) {
  constexpr PoolDivisor kDivisor = PoolDivisor::inside;
  const auto max_forward = [=] {
    max_pool_forward<T>(shape, o.x.data(), o.y.data(), o.argmax.data());
  };
  switch (function) {
    case Function::max_forward:
      return timed(max_forward);
    case Function::max_inference:
      return timed([=] { max_pool_forward<T>(shape, o.x.data(), o.y.data(), nullptr); });
    case Function::max_backward:
      max_forward();  // it needs winners that there can be
      return timed([=] { max_pool_backward<T>(shape, o.y.data(), o.argmax.data(), o.x.data()); });
    case Function::average_forward:
      return timed([=] { average_pool_forward<T>(shape, kDivisor, o.x.data(), o.y.data()); });
    case Function::average_backward:
      return timed([=] { average_pool_backward<T>(shape, kDivisor, o.y.data(), o.x.data()); });
  }
  return {};
}

/// Adds oneDNN's max pooling, in our layout and in the one that its convolutions prefer.
void add_onednn(Entries& entries, const OneDnn& onednn, const PoolShape& shape, MaxPool pass,
                const Operands<float>& o) {
  const Array<float>& result = pass == MaxPool::gradient ? o.x : o.y;
  for (const bool blocked : {false, true}) {
    add_job(entries, onednn.max_pool(shape, pass, blocked, o.x.data(), o.y.data()), result.data(),
            result.size(), static_cast<double>(shape.kh * shape.kw));
  }
}

template <class T>
Entries prepare(const PoolShape& shape, Function function, const OneDnn* onednn) {
  const Operands<T> operands(shape);
  Entries entries(our_pool(shape, function, operands));
  if constexpr (std::is_same_v<T, float>) {
    if (onednn == nullptr) return entries;
    if (function == Function::max_forward) {
      add_onednn(entries, *onednn, shape, MaxPool::training, operands);
    } else if (function == Function::max_inference) {
      add_onednn(entries, *onednn, shape, MaxPool::inference, operands);
    } else if (function == Function::max_backward) {
      add_onednn(entries, *onednn, shape, MaxPool::gradient, operands);
    }
  }
  return entries;
}

std::string shape_name(const PoolShape& s) {
  std::string name =
      std::to_string(s.kh) + 'x' + std::to_string(s.kw) + '/' + std::to_string(s.stride_h);
  if (s.pad_h > 0) name += " p" + std::to_string(s.pad_h);
  return name + " on " + std::to_string(s.ih) + 'x' + std::to_string(s.iw) + 'x' +
         std::to_string(s.c) + " n" + std::to_string(s.n);
}

template <class T>
std::vector<Case> cases(const std::vector<PoolShape>& shapes, const OneDnn* onednn) {
  std::vector<Case> result;
  for (const NamedFunction& function : kFunctions) {
    for (const PoolShape& shape : shapes) {
      Case one;
      one.set = one.series = function.name;
      one.name = shape_name(shape) + ' ' + function.name;
      one.parameters.add("function", function.name).add("n", shape.n).add("ih", shape.ih);
      one.parameters.add("iw", shape.iw).add("c", shape.c).add("kh", shape.kh);
      one.parameters.add("kw", shape.kw).add("stride_h", shape.stride_h);
      one.parameters.add("stride_w", shape.stride_w);
      one.parameters.add("pad_h", shape.pad_h).add("pad_w", shape.pad_w);
      const auto element = static_cast<std::int64_t>(sizeof(T));
      const bool winners =
          function.function == Function::max_forward || function.function == Function::max_backward;
      one.footprint = shape.x_size() * element + shape.y_size() * (element + (winners ? 4 : 0));
      one.bytes = one.size = static_cast<double>(one.footprint);
      one.prepare = [=] { return prepare<T>(shape, function.function, onednn); };
      result.push_back(one);
    }
  }
  return result;
}

}  // namespace

std::vector<Case> usual_pool_cases() { return cases<float>(usual_shapes(), nullptr); }

void run_pool(const Arguments& arguments) {
  RaceOptions options;
  OneDnnFlag vs;
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
  vs.add_to(flags);
  options.add_to(flags);
  if (!parse(flags, options, arguments)) return;

  std::vector<PoolShape> shapes = usual_shapes();
  for (const char* flag : {"n", "size", "channels", "kernel", "stride", "pad"}) {
    if (flags.given(flag)) shapes = {pool(n, size, channels, kernel, stride, pad)};
  }
  checked("pool", [&shapes] { check(shapes.front(), "shape"); });
  apply(options);
  const Precision precision = precision_named(type);
  const OneDnn* onednn = vs.open(precision, options);
  Races races(
      "pool", options, Rate::copies, precision, "bytes read and written by one call",
      onednn_peers(onednn, {{"oneDNN nhwc", "NHWC"}, {"oneDNN 16c", "channels in blocks of 16"}}));
  races.run(precision == Precision::f32 ? cases<float>(shapes, onednn)
                                        : cases<double>(shapes, nullptr));
  races.finish();
}

}  // namespace nnkernels::bench
