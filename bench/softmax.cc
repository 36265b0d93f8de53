#include "kernels/softmax.h"

#include <cstddef>
#include <iterator>
#include <type_traits>

#include "bench/commands.h"
#include "bench/data.h"
#include "bench/onednn_peer.h"
#include "bench/races.h"
#include "bench/runner.h"

namespace nnkernels::bench {
namespace {

struct Size {
  std::int64_t rows, cols;
};

/// What one call works on: copies share the memory.
template <class T>
struct Operands {
  explicit Operands(const Size& size)
      : rows(size.rows),
        cols(size.cols),
        x(random_array<T>(rows * cols, 1)),
        y(random_array<T>(rows * cols, 2)),
        dy(random_array<T>(rows * cols, 3)),
        loss(rows),
        labels(rows) {
    for (std::int64_t i = 0; i < rows; ++i) {
      labels.data()[i] = static_cast<std::int32_t>(i * 7 % cols);
    }
  }
  std::int64_t rows, cols;
  Array<T> x, y, dy, loss;
  Array<std::int32_t> labels;
};

template <class T>
struct Function {
  const char* name;
  int arrays;  // of rows x cols elements that it reads or writes
  void (*call)(const Operands<T>& o);
};

template <class T>
constexpr Function<T> kFunctions[] = {
    {"softmax forward", 2,
     [](const Operands<T>& o) { softmax_forward<T>(o.rows, o.cols, o.x.data(), o.y.data()); }},
    {"softmax backward", 3,
     [](const Operands<T>& o) {
       softmax_backward<T>(o.rows, o.cols, o.x.data(), o.dy.data(), o.y.data());
     }},
    {"log-softmax forward", 2,
     [](const Operands<T>& o) { log_softmax_forward<T>(o.rows, o.cols, o.x.data(), o.y.data()); }},
    {"log-softmax backward", 3,
     [](const Operands<T>& o) {
       log_softmax_backward<T>(o.rows, o.cols, o.x.data(), o.dy.data(), o.y.data());
     }},
    {"cross-entropy", 1,
     [](const Operands<T>& o) {
       softmax_cross_entropy_forward<T>(o.rows, o.cols, o.x.data(), o.labels.data(), o.loss.data());
     }},
    {"cross-entropy with gradient", 2,
     [](const Operands<T>& o) {
       softmax_cross_entropy_backward<T>(o.rows, o.cols, o.x.data(), o.labels.data(), T{0.01},
                                         o.loss.data(), o.y.data());
     }},
};

/// oneDNN has softmax and its gradient; they are the first two.
void add_onednn(Entries& entries, const OneDnn& onednn, std::size_t function,
                const Operands<float>& o) {
  if (function > 1) return;
  const Pass pass = function == 0 ? Pass::forward : Pass::backward_data;
  add_job(entries, onednn.softmax(pass, o.rows, o.cols, o.x.data(), o.dy.data()), o.y.data(),
          o.y.size(), static_cast<double>(o.cols));
}

template <class T>
Entries prepare(const Size& size, std::size_t function, const OneDnn* onednn) {
  const Operands<T> operands(size);
  Entries entries(timed([operands, call = kFunctions<T>[function].call] { call(operands); }));
  if constexpr (std::is_same_v<T, float>) {
    if (onednn != nullptr) add_onednn(entries, *onednn, function, operands);
  }
  return entries;
}

template <class T>
std::vector<Case> cases(const std::vector<Size>& sizes, const OneDnn* onednn) {
  std::vector<Case> result;
  for (std::size_t i = 0; i < std::size(kFunctions<T>); ++i) {
    for (const Size& size : sizes) {
      const Function<T>& function = kFunctions<T>[i];
      Case one;
      one.set = one.series = function.name;
      one.name = std::to_string(size.rows) + 'x' + std::to_string(size.cols) + ' ' + function.name;
      one.parameters.add("function", function.name).add("rows", size.rows).add("cols", size.cols);
      one.footprint =
          size.rows * size.cols * static_cast<std::int64_t>(sizeof(T)) * function.arrays;
      one.bytes = one.size = static_cast<double>(one.footprint);
      one.prepare = [size, i, onednn] { return prepare<T>(size, i, onednn); };
      result.push_back(one);
    }
  }
  return result;
}

/// One size for each level of memory, or two.
const std::vector<Size>& usual_sizes() {
  static const std::vector<Size> sizes = {
      {100, 10}, {64, 100}, {128, 1000}, {512, 512}, {2048, 4096}};
  return sizes;
}

}  // namespace

std::vector<Case> usual_softmax_cases() { return cases<float>(usual_sizes(), nullptr); }

void run_softmax(const Arguments& arguments) {
  RaceOptions options;
  OneDnnFlag vs;
  std::int64_t rows = 100, cols = 10;
  std::string type = "f32";
  Options flags("softmax", "measures softmax and the losses made of it, row by row");
  flags.integer("rows", "N", "rows; --rows or --cols replace the list of sizes", rows, 1, 1 << 24);
  flags.integer("cols", "N", "columns: classes", cols, 1, 1 << 24);
  flags.choice("type", "type of the elements", {"f32", "f64"}, type);
  vs.add_to(flags);
  options.add_to(flags);
  if (!parse(flags, options, arguments)) return;

  std::vector<Size> sizes = usual_sizes();
  if (flags.given("rows") || flags.given("cols")) sizes = {{rows, cols}};
  apply(options);
  const Precision precision = precision_named(type);
  const OneDnn* onednn = vs.open(precision, options);
  Races races("softmax", options, Rate::copies, precision, "bytes read and written by one call",
              onednn_peers(onednn, {{"oneDNN", "plain layout"}}));
  races.run(precision == Precision::f32 ? cases<float>(sizes, onednn)
                                        : cases<double>(sizes, nullptr));
  races.finish();
}

}  // namespace nnkernels::bench
