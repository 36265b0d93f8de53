// Matrices of any layout in poisoned memory, the definition of their product, and a check against
// it.
#ifndef NNKERNELS_TESTS_SUPPORT_MATRICES_H_
#define NNKERNELS_TESTS_SUPPORT_MATRICES_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/activation.h"
#include "kernels/gemm.h"
#include "kernels/matrix_view.h"

namespace nnkernels {

inline constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// How the elements of a matrix lie in memory.
enum class Layout { row_major, column_major, scattered };

/// A matrix in memory of its own, with poisoned gaps between and around its rows.
template <class T>
class Matrix {
 public:
  Matrix(std::int64_t rows, std::int64_t cols, Layout layout, std::int64_t gap,
         std::int64_t shift) {
    std::int64_t row_stride = cols + gap, col_stride = 1, size = rows * (cols + gap);
    if (layout == Layout::column_major) {
      row_stride = 1;
      col_stride = rows + gap;
      size = cols * (rows + gap);
    } else if (layout == Layout::scattered) {
      row_stride = 2 * cols + 1;
      col_stride = 2;
      size = rows * row_stride;
    }
    memory_.assign(static_cast<std::size_t>(size + shift + 16), static_cast<T>(kNan));
    view_ = MatrixView<T>(memory_.data() + shift, rows, cols, row_stride, col_stride);
  }

  template <class Draw>
  void fill(Draw draw) {
    for (std::int64_t i = 0; i < view_.rows; ++i) {
      for (std::int64_t j = 0; j < view_.cols; ++j) view_(i, j) = static_cast<T>(draw());
    }
  }
  MatrixView<T> view() const { return view_; }
  /// The number of elements that are not NaN: more than rows * cols if a gap was written.
  std::int64_t written() const {
    return std::count_if(memory_.begin(), memory_.end(), [](T x) { return !std::isnan(x); });
  }

 private:
  std::vector<T> memory_;
  MatrixView<T> view_;
};

/// The definition in double, and for each element the size of what was added up.
struct Reference {
  std::vector<double> value, size;
};
template <class T>
Reference reference(double alpha, MatrixView<T> a, MatrixView<T> b, double beta, MatrixView<T> c,
                    const T* bias) {
  Reference result;
  for (std::int64_t i = 0; i < c.rows; ++i) {
    for (std::int64_t j = 0; j < c.cols; ++j) {
      long double sum = 0, size = 0;
      for (std::int64_t p = 0; p < a.cols; ++p) {
        const long double product = static_cast<long double>(a(i, p)) * b(p, j);
        sum += product;
        size += std::abs(product);
      }
      sum *= alpha;
      size *= std::abs(alpha);
      if (beta != 0) {
        sum += static_cast<long double>(beta) * c(i, j);
        size += std::abs(static_cast<long double>(beta) * c(i, j));
      }
      if (bias != nullptr) {
        sum += bias[j];
        size += std::abs(bias[j]);
      }
      result.value.push_back(static_cast<double>(sum));
      result.size.push_back(static_cast<double>(size));
    }
  }
  return result;
}

struct Case {
  std::int64_t m, n, k;
  Layout a = Layout::row_major, b = Layout::row_major, c = Layout::row_major;
  double alpha = 1, beta = 0;
  bool bias = false;
  Activation activation = Activation::identity;
  std::int64_t gap = 3, shift = 1;
};

inline std::string str(const Case& t) {
  return "m" + std::to_string(t.m) + " n" + std::to_string(t.n) + " k" + std::to_string(t.k) +
         " layouts " + std::to_string(static_cast<int>(t.a)) +
         std::to_string(static_cast<int>(t.b)) + std::to_string(static_cast<int>(t.c)) + " alpha " +
         std::to_string(t.alpha) + " beta " + std::to_string(t.beta) + (t.bias ? " bias" : "") +
         " activation " + std::to_string(static_cast<int>(t.activation));
}

/// Small integers: every sum is exact, so every bit must be right. `product` computes what gemm()
/// does.
template <class T, class Multiply>
void check_exactly(const Case& t, std::uint32_t seed, Multiply product) {
  SCOPED_TRACE(str(t));
  std::mt19937 random(seed);
  const auto draw = [&] { return static_cast<int>(random() % 9) - 4; };
  Matrix<T> a(t.m, t.k, t.a, t.gap, t.shift), b(t.k, t.n, t.b, t.gap, t.shift),
      c(t.m, t.n, t.c, t.gap, t.shift);
  a.fill(draw);
  b.fill(draw);
  if (t.beta != 0) c.fill(draw);  // else NaN stays there: beta = 0 must not read it
  std::vector<T> bias(static_cast<std::size_t>(t.n));
  for (T& x : bias) x = static_cast<T>(draw());
  const T* const bias_data = t.bias ? bias.data() : nullptr;
  const Reference want = reference<T>(t.alpha, a.view(), b.view(), t.beta, c.view(), bias_data);
  product(static_cast<T>(t.alpha), a.view(), b.view(), static_cast<T>(t.beta), c.view(),
          Epilogue<T>{bias_data, t.activation});
  for (std::int64_t i = 0; i < t.m; ++i) {
    for (std::int64_t j = 0; j < t.n; ++j) {
      double value = want.value[static_cast<std::size_t>(i * t.n + j)];
      if (t.activation == Activation::relu) value = std::max(value, 0.0);
      ASSERT_EQ(c.view()(i, j), value) << "C(" << i << ", " << j << ")";
    }
  }
  ASSERT_EQ(c.written(), t.m * t.n) << "a gap was written";
}

template <class T>
void check_exactly(const Case& t, std::uint32_t seed) {
  check_exactly<T>(t, seed, [](auto... arguments) { gemm<T>(arguments...); });
}

}  // namespace nnkernels

#endif  // NNKERNELS_TESTS_SUPPORT_MATRICES_H_
