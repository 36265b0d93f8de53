// Random matrix products: any strides, scalars, alignments and shapes.
#include "kernels/gemm.h"

#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

#include "kernels/gemm_packed.h"
#include "tests/oracle/campaign.h"
#include "tests/support/guarded_array.h"

namespace nnkernels::oracle {
namespace {

/// A view in poisoned memory of its own: by rows or columns or neither, gaps, strides of either
/// sign, and any alignment.
template <class T>
class Operand {
 public:
  Operand(Values& values, std::int64_t rows, std::int64_t cols)
      : Operand(rows, cols, draw_strides(values, rows, cols), values) {}

  const MatrixView<T>& view() const { return view_; }

  template <class Draw>
  void fill(Draw draw) {
    for (std::int64_t i = 0; i < view_.rows; ++i) {
      for (std::int64_t j = 0; j < view_.cols; ++j) view_(i, j) = draw();
    }
  }

  /// What is in memory outside of the elements, and the elements as zeros.
  std::vector<T> gaps() const {
    std::vector<T> memory = memory_.values();
    for (std::int64_t i = 0; i < view_.rows; ++i) {
      for (std::int64_t j = 0; j < view_.cols; ++j) {
        memory[static_cast<std::size_t>(&view_(i, j) - memory_.data())] = T{0};
      }
    }
    return memory;
  }
  std::vector<T> memory() const { return memory_.values(); }
  bool intact() const { return memory_.intact(); }
  std::string str() const {
    return std::to_string(view_.row_stride) + "," + std::to_string(view_.col_stride);
  }

 private:
  struct Strides {
    std::int64_t row, col;
  };

  static Strides draw_strides(Values& values, std::int64_t rows, std::int64_t cols) {
    const std::int64_t gap = values.integer(0, 1) == 0 ? 0 : values.integer(1, 17);
    Strides strides{cols + gap, 1};
    const std::int64_t kind = values.integer(0, 9);
    if (kind >= 4) strides = {1, rows + gap};
    if (kind >= 8) strides = {2 * cols + gap, 2};
    if (values.integer(0, 15) == 0) strides.row = -strides.row;
    if (values.integer(0, 15) == 0) strides.col = -strides.col;
    return strides;
  }

  Operand(std::int64_t rows, std::int64_t cols, const Strides& strides, Values& values)
      : memory_(rows * cols == 0
                    ? 0
                    : (rows - 1) * std::abs(strides.row) + (cols - 1) * std::abs(strides.col) + 1,
                values.integer(0, 15)) {
    T* first = memory_.data();
    if (strides.row < 0 && rows > 0) first -= (rows - 1) * strides.row;
    if (strides.col < 0 && cols > 0) first -= (cols - 1) * strides.col;
    view_ = MatrixView<T>(first, rows, cols, strides.row, strides.col);
  }

  GuardedArray<T> memory_;
  MatrixView<T> view_;
};

struct Shape {
  std::int64_t m, n, k;
};

/// Any sizes whose reference takes at most some milliseconds; one in 50 has a zero.
Shape draw_shape(Values& values, std::int64_t most_products) {
  const bool large = values.integer(0, 19) == 0;
  const std::int64_t limit = large ? most_products : most_products / 16;
  Shape shape{draw_size(values, 1500), draw_size(values, 1500), draw_size(values, 9000)};
  while (shape.m * shape.n * shape.k > limit) {
    std::int64_t* const sizes[] = {&shape.m, &shape.n, &shape.k};
    std::int64_t& size = *sizes[values.integer(0, 2)];
    size = (size + 1) / 2;
  }
  if (values.integer(0, 49) == 0) {
    std::int64_t* const sizes[] = {&shape.m, &shape.n, &shape.k};
    *sizes[values.integer(0, 2)] = 0;
  }
  return shape;
}

template <class T>
struct Product {
  std::vector<Wide<T>> value, size;
};

/// The sums of A B and of |A| |B|.
template <class T>
Product<T> multiply(const MatrixView<T>& a, const MatrixView<T>& b) {
  const auto cells = static_cast<std::size_t>(a.rows * b.cols);
  Product<T> product{std::vector<Wide<T>>(cells), std::vector<Wide<T>>(cells)};
  std::vector<Wide<T>> row(static_cast<std::size_t>(b.rows * b.cols));
  for (std::int64_t p = 0; p < b.rows; ++p) {
    for (std::int64_t j = 0; j < b.cols; ++j)
      row[static_cast<std::size_t>(p * b.cols + j)] = b(p, j);
  }
  for (std::int64_t i = 0; i < a.rows; ++i) {
    Wide<T>* const value = product.value.data() + i * b.cols;
    Wide<T>* const size = product.size.data() + i * b.cols;
    for (std::int64_t p = 0; p < a.cols; ++p) {
      const Wide<T> factor = a(i, p);
      const Wide<T>* const line = row.data() + p * b.cols;
      for (std::int64_t j = 0; j < b.cols; ++j) {
        value[j] += factor * line[j];
        size[j] += std::abs(factor * line[j]);
      }
    }
  }
  return product;
}

/// What the numbers are drawn from.
struct Range {
  double low = -1, high = 1, scale_a = 1, scale_b = 1;
  bool denormal = false;
};

template <class T>
Range draw_range(Values& values) {
  Range range;
  const std::int64_t kind = values.integer(0, 9);
  if (kind >= 6) range.low = 0;
  // Products among the denormal numbers, or factors far apart.
  if (kind == 8) {
    range.denormal = true;
    range.scale_a = std::ldexp(1.0, std::numeric_limits<T>::min_exponent / 2);
    range.scale_b = std::ldexp(1.0, std::numeric_limits<T>::min_exponent / 2 - 10);
  } else if (kind == 9) {
    range.scale_a = std::ldexp(1.0, static_cast<int>(values.integer(-30, 30)));
    range.scale_b = std::ldexp(1.0, static_cast<int>(values.integer(-30, 30)));
  }
  return range;
}

template <class T>
T draw_scalar(Values& values, Data data) {
  const std::int64_t kind = values.integer(0, 9);
  if (kind < 2) return T{0};
  if (kind < 5) return T{1};
  if (kind == 5) return T{-1};
  return data == Data::integers ? static_cast<T>(values.integer(-3, 3))
                                : static_cast<T>(values.uniform(-2, 2));
}

std::string cell(std::int64_t i, std::int64_t j) {
  return "C(" + std::to_string(i) + ", " + std::to_string(j) + ")";
}

template <class T>
Outcome run_case(Values& values, Data data) {
  const Shape s = draw_shape(values, std::is_same_v<T, float> ? 8'000'000 : 1'000'000);
  Operand<T> a(values, s.m, s.k), b(values, s.k, s.n), c(values, s.m, s.n);
  const T alpha = draw_scalar<T>(values, data), beta = draw_scalar<T>(values, data);
  const Range range = draw_range<T>(values);
  const auto draw = [&](double factor) {
    return data == Data::integers ? static_cast<T>(values.integer(-4, 4))
                                  : static_cast<T>(factor * values.uniform(range.low, range.high));
  };
  // What may not be read stays NaN.
  if (alpha != 0) {
    a.fill([&] { return draw(range.scale_a); });
    b.fill([&] { return draw(range.scale_b); });
  }
  if (beta != 0) c.fill([&] { return draw(range.scale_a * range.scale_b); });
  std::vector<T> bias(values.integer(0, 3) == 0 ? static_cast<std::size_t>(s.n) : 0);
  for (T& x : bias) x = draw(1);
  Epilogue<T> epilogue{bias.empty() ? nullptr : bias.data(), Activation::identity};
  if (values.integer(0, 3) == 0) epilogue.activation = Activation::relu;
  const bool packed = values.integer(0, 3) == 0 && alpha != 0;

  Outcome outcome;
  outcome.shape = std::string(std::is_same_v<T, float> ? "float" : "double") + " m" +
                  std::to_string(s.m) + " n" + std::to_string(s.n) + " k" + std::to_string(s.k) +
                  " strides " + a.str() + " " + b.str() + " " + c.str() + " alpha " +
                  std::to_string(alpha) + " beta " + std::to_string(beta) +
                  (bias.empty() ? "" : " bias") + (packed ? " packed" : "");

  Product<T> want;
  if (alpha != 0) {
    want = multiply<T>(a.view(), b.view());
  } else {
    want.value.resize(static_cast<std::size_t>(s.m * s.n));
    want.size.resize(want.value.size());
  }
  std::vector<T> before(want.value.size());
  for (std::int64_t i = 0; i < s.m; ++i) {
    for (std::int64_t j = 0; j < s.n; ++j) {
      before[static_cast<std::size_t>(i * s.n + j)] = beta == 0 ? T{0} : c.view()(i, j);
    }
  }
  const std::vector<T> memory_a = a.memory(), memory_b = b.memory(), gaps_c = c.gaps();

  if (packed) {
    gemm<T>(alpha, a.view(), PackedMatrix<T>(b.view()), beta, c.view(), epilogue);
  } else {
    gemm<T>(alpha, a.view(), b.view(), beta, c.view(), epilogue);
  }

  const auto same = [](const std::vector<T>& x, const std::vector<T>& y) {
    return x.empty() || std::memcmp(x.data(), y.data(), x.size() * sizeof(T)) == 0;
  };
  if (!same(memory_a, a.memory()) || !same(memory_b, b.memory())) outcome.wrong = "A or B changed";
  if (!same(gaps_c, c.gaps())) outcome.wrong = "a gap of C was written";
  if (!a.intact() || !b.intact() || !c.intact()) outcome.wrong = "written outside of an operand";

  // The factors that may enlarge an underflow: alpha after the sum, A and B for denormal inputs.
  const Wide<T> factor =
      std::max({std::abs(static_cast<Wide<T>>(alpha)), static_cast<Wide<T>>(range.scale_a),
                static_cast<Wide<T>>(range.scale_b)});
  for (std::int64_t i = 0; i < s.m; ++i) {
    for (std::int64_t j = 0; j < s.n; ++j) {
      const auto at = static_cast<std::size_t>(i * s.n + j);
      const Wide<T> old = static_cast<Wide<T>>(beta) * before[at];
      const Wide<T> add = bias.empty() ? 0 : bias[static_cast<std::size_t>(j)];
      Wide<T> value = alpha * want.value[at] + old + add;
      const Wide<T> size =
          std::abs(static_cast<Wide<T>>(alpha)) * want.size[at] + std::abs(old) + std::abs(add);
      // ReLU moves no two numbers further apart, so the bound holds for it as well.
      if (epilogue.activation == Activation::relu) value = std::max<Wide<T>>(value, 0);
      const T actual = c.view()(i, j);
      if (data == Data::integers) {
        compare_exactly(actual, value, cell(i, j), outcome);
        continue;
      }
      compare(actual, value, size, s.k + 3 + (bias.empty() ? 0 : 1), factor, cell(i, j), outcome);
      if (range.low < 0 && !range.denormal && size > 0) {
        const Wide<T> error = std::abs(static_cast<Wide<T>>(actual) - value);
        outcome.quality =
            std::max(outcome.quality, static_cast<double>(error / (kRoundoff<T> * size)));
      }
    }
  }
  if (outcome.quality > 8 && outcome.wrong.empty()) {
    outcome.wrong = "zero-mean data: error is " + std::to_string(outcome.quality) +
                    " u (|alpha| |A| |B| + |beta| |C|), more than 8";
  }
  return outcome;
}

Outcome either_type(Values& values, Data data) {
  return values.integer(0, 3) == 0 ? run_case<double>(values, data) : run_case<float>(values, data);
}

}  // namespace

Outcome gemm_case(Values& values) { return either_type(values, Data::reals); }

Outcome integer_gemm_case(Values& values) { return either_type(values, Data::integers); }

}  // namespace nnkernels::oracle
