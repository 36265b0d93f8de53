#include <algorithm>
#include <cstddef>
#include <string>
#include <type_traits>

#include "bench/commands.h"
#include "bench/data.h"
#include "bench/onednn_peer.h"
#include "bench/races.h"
#include "bench/runner.h"
#include "kernels/activation.h"
#include "kernels/batch_norm.h"
#include "kernels/dropout.h"
#include "kernels/moments.h"
#include "kernels/update.h"
#include "kernels/vector.h"

namespace nnkernels::bench {
namespace {

/// The row length of the functions that see a matrix.
constexpr std::int64_t kCols = 128;
/// How many partial results sum_pieces() adds up.
constexpr std::int64_t kPieces = 4;

/// What one call works on: copies share the memory.
template <class T>
struct Arrays {
  explicit Arrays(std::int64_t size_)
      : size(size_),
        x(random_array<T>(size, 1)),
        y(random_array<T>(size, 2)),
        v(random_array<T>(size, 3)),
        w(random_array<T>(size, 4)),
        bias(random_array<T>(kCols, 5)),
        variance(random_array<T>(kCols, 6)),
        bytes(size) {
    // The running mean of squares in Adam is not negative.
    for (T& element : v) element *= element;
  }
  std::int64_t size;
  Array<T> x, y, v, w, bias, variance;
  Array<std::uint8_t> bytes;
};

/// A function and how many elements of T it touches for each element of its size. Factors are such
/// that values neither grow nor vanish however often it is called.
template <class T>
struct Function {
  const char* name;
  double read_and_written;
  double touched;  // the same, what is both read and written counted once
  void (*call)(const Arrays<T>& o);
  Activation activation = Activation::identity;  // what a peer has as well
  Pass pass = Pass::forward;
};

template <class T, Activation kKind>
Function<T> forward(const char* name) {
  const auto call = [](const Arrays<T>& o) {
    activation_forward<T>(kKind, o.size, o.x.data(), o.y.data());
  };
  return {name, 2, 2, call, kKind, Pass::forward};
}
template <class T, Activation kKind>
Function<T> backward(const char* name) {
  const auto call = [](const Arrays<T>& o) {
    activation_backward<T>(kKind, o.size, o.x.data(), o.w.data(), o.y.data());
  };
  return {name, 3, 3, call, kKind, Pass::backward_data};
}

template <class T>
constexpr double kByte = 1.0 / sizeof(T);

template <class T>
const Function<T> kFunctions[] = {
    forward<T, Activation::relu>("relu forward"),
    backward<T, Activation::relu>("relu backward"),
    forward<T, Activation::sigmoid>("sigmoid forward"),
    backward<T, Activation::sigmoid>("sigmoid backward"),
    forward<T, Activation::tanh>("tanh forward"),
    backward<T, Activation::tanh>("tanh backward"),
    {"axpy", 3, 2, [](const Arrays<T>& o) { axpy<T>(o.size, T(1e-9), o.x.data(), o.y.data()); }},
    {"scale", 2, 1, [](const Arrays<T>& o) { scale<T>(o.size, T{1}, o.y.data()); }},
    {"add_bias", 2, 1,
     [](const Arrays<T>& o) { add_bias<T>(o.size / kCols, kCols, o.bias.data(), o.y.data()); }},
    {"column_sums", 1, 1,
     [](const Arrays<T>& o) { column_sums<T>(o.size / kCols, kCols, o.x.data(), o.bias.data()); }},
    {"column_moments", 1, 1,
     [](const Arrays<T>& o) {
       column_moments<T>(o.size / kCols, kCols, o.x.data(), o.bias.data(), o.variance.data());
     }},
    {"scale_shift", 2, 2,
     [](const Arrays<T>& o) {
       scale_shift<T>(o.size / kCols, kCols, o.bias.data(), o.variance.data(), true, o.x.data(),
                      o.y.data());
     }},
    {"batch_norm_sums", 2, 2,
     [](const Arrays<T>& o) {
       batch_norm_sums<T>(o.size / kCols, kCols, o.x.data(), o.w.data(), o.y.data(), o.bias.data(),
                          o.variance.data());
     }},
    {"batch_norm_dx", 3, 3,
     [](const Arrays<T>& o) {
       batch_norm_dx<T>(o.size / kCols, kCols, o.x.data(), o.w.data(), o.bias.data(),
                        o.variance.data(), o.bias.data(), o.w.data(), o.y.data());
     }},
    {"dropout", 2, 2,
     [](const Arrays<T>& o) {
       const DropoutMask mask{.key = {1, 2}, .high = {3, 4}, .threshold = 1 << 15};
       dropout<T>(o.size, 0, mask, T{2}, o.x.data(), o.y.data());
     }},
    {"sum_pieces", 1 + 1.0 / kPieces, 1 + 1.0 / kPieces,
     [](const Arrays<T>& o) { sum_pieces<T>(kPieces, o.size / kPieces, o.x.data(), o.y.data()); }},
    {"from_bytes", 1 + kByte<T>, 1 + kByte<T>,
     [](const Arrays<T>& o) {
       from_bytes<T>(o.size, T(1.0 / 255), T{0}, o.bytes.data(), o.y.data());
     }},
    {"sgd_update", 3, 2,
     [](const Arrays<T>& o) { sgd_update<T>(o.size, T(1e-9), o.x.data(), o.w.data()); }},
    {"momentum_update", 5, 3,
     [](const Arrays<T>& o) {
       momentum_update<T>(o.size, T(1e-9), T(0.9), o.x.data(), o.y.data(), o.w.data());
     }},
    {"nesterov_update", 5, 3,
     [](const Arrays<T>& o) {
       nesterov_update<T>(o.size, T(1e-9), T(0.9), o.x.data(), o.y.data(), o.w.data());
     }},
    {"adagrad_update", 5, 3,
     [](const Arrays<T>& o) {
       adagrad_update<T>(o.size, T(1e-9), T(1e-8), o.x.data(), o.v.data(), o.w.data());
     }},
    {"rmsprop_update", 5, 3,
     [](const Arrays<T>& o) {
       rmsprop_update<T>(o.size, T(1e-9), T(0.99), T(1e-8), o.x.data(), o.v.data(), o.w.data());
     }},
    {"adam_update", 7, 4,
     [](const Arrays<T>& o) {
       const AdamStep<T> step = {
           .lr = T(1e-9), .beta1 = T(0.9), .beta2 = T(0.999), .epsilon = T(1e-8), .step = 1000};
       adam_update<T>(o.size, step, o.x.data(), o.y.data(), o.v.data(), o.w.data());
     }},
};

template <class T>
std::vector<std::string> function_names() {
  std::vector<std::string> names;
  for (const Function<T>& function : kFunctions<T>) names.emplace_back(function.name);
  return names;
}

void add_onednn(Entries& entries, const OneDnn& onednn, const Function<float>& function,
                const Arrays<float>& o) {
  // Sigmoid and tanh are approximations, each a few roundings off.
  constexpr double kRoundings = 32;
  add_job(entries,
          onednn.activation(function.activation, function.pass, o.size, o.x.data(), o.w.data()),
          o.y.data(), o.size, kRoundings);
}

template <class T>
Entries prepare(const Function<T>& function, std::int64_t size, const OneDnn* onednn) {
  const Arrays<T> operands(size);
  Entries entries(timed([operands, call = function.call] { call(operands); }));
  if constexpr (std::is_same_v<T, float>) {
    if (onednn != nullptr && function.activation != Activation::identity) {
      add_onednn(entries, *onednn, function, operands);
    }
  }
  return entries;
}

template <class T>
std::vector<Case> cases(const std::vector<std::int64_t>& sizes,
                        const std::vector<std::string>& chosen, const OneDnn* onednn) {
  std::vector<Case> result;
  for (const Function<T>& function : kFunctions<T>) {
    if (std::find(chosen.begin(), chosen.end(), function.name) == chosen.end()) continue;
    for (const std::int64_t size : sizes) {
      const double bytes = static_cast<double>(size) * sizeof(T);
      Case one;
      one.set = one.series = function.name;
      one.name = std::string(function.name) + ' ' + std::to_string(size);
      one.parameters.add("function", function.name).add("size", size);
      one.bytes = bytes * function.read_and_written;
      one.footprint = static_cast<std::int64_t>(bytes * function.touched);
      one.size = one.bytes;
      one.prepare = [size, function, onednn] { return prepare(function, size, onednn); };
      result.push_back(one);
    }
  }
  return result;
}

/// As float: 8 KB, 128 KB, 2 MB and 64 MB an array.
const std::vector<std::int64_t>& usual_sizes() {
  static const std::vector<std::int64_t> sizes = {1 << 11, 1 << 15, 1 << 19, 1 << 24};
  return sizes;
}

}  // namespace

std::vector<Case> usual_elementwise_cases() {
  return cases<float>(usual_sizes(), function_names<float>(), nullptr);
}

void run_elementwise(const Arguments& arguments) {
  RaceOptions options;
  OneDnnFlag vs;
  std::int64_t size = 0;
  std::vector<std::string> functions = function_names<float>();
  std::string type = "f32";
  Options flags("elementwise", "measures activations, optimizer updates and vector kernels");
  flags.choices("function", "what to measure", function_names<float>(), functions);
  flags.integer("size", "N", "elements, a multiple of 128; 0 for a list of sizes", size, 0,
                1 << 28);
  flags.choice("type", "type of the elements", {"f32", "f64"}, type);
  vs.add_to(flags);
  options.add_to(flags);
  if (!parse(flags, options, arguments)) return;

  if (size % kCols != 0) throw UsageError("elementwise: --size must be a multiple of 128");
  std::vector<std::int64_t> sizes = usual_sizes();
  if (size > 0) sizes = {size};
  apply(options);
  const Precision precision = precision_named(type);
  const OneDnn* onednn = vs.open(precision, options);
  Races races("elementwise", options, Rate::copies, precision, "bytes read and written by one call",
              onednn_peers(onednn, {{"oneDNN", "plain layout"}}));
  races.run(precision == Precision::f32 ? cases<float>(sizes, functions, onednn)
                                        : cases<double>(sizes, functions, nullptr));
  races.finish();
}

}  // namespace nnkernels::bench
