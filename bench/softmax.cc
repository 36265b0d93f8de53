#include "kernels/softmax.h"

#include "bench/commands.h"
#include "bench/data.h"
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

template <class T>
std::vector<Case> cases(const std::vector<Size>& sizes) {
  std::vector<Case> result;
  for (const Size& size : sizes) {
    for (const Function<T>& function : kFunctions<T>) {
      Case one;
      one.name = std::to_string(size.rows) + 'x' + std::to_string(size.cols) + ' ' + function.name;
      one.parameters.add("function", function.name).add("rows", size.rows).add("cols", size.cols);
      one.footprint =
          size.rows * size.cols * static_cast<std::int64_t>(sizeof(T)) * function.arrays;
      one.bytes = static_cast<double>(one.footprint);
      one.prepare = [size, call = function.call] {
        return timed([operands = Operands<T>(size), call] { call(operands); });
      };
      result.push_back(one);
    }
  }
  return result;
}

}  // namespace

void run_softmax(const Arguments& arguments) {
  CommonOptions common;
  std::int64_t rows = 100, cols = 10;
  std::string type = "f32";
  Options flags("softmax", "measures softmax and the losses made of it, row by row");
  flags.integer("rows", "N", "rows; --rows or --cols replace the list of sizes", rows, 1, 1 << 24);
  flags.integer("cols", "N", "columns: classes", cols, 1, 1 << 24);
  flags.choice("type", "type of the elements", {"f32", "f64"}, type);
  common.add_to(flags);
  if (!parse(flags, common, arguments)) return;

  std::vector<Size> sizes = {{100, 10}, {64, 100}, {128, 1000}, {512, 512}, {2048, 4096}};
  if (flags.given("rows") || flags.given("cols")) sizes = {{rows, cols}};
  apply(common);
  const Precision precision = precision_named(type);
  run_cases("softmax", common, Rate::copies, precision,
            precision == Precision::f32 ? cases<float>(sizes) : cases<double>(sizes));
}

}  // namespace nnkernels::bench
