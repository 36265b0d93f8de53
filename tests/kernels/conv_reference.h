// Convolutions by their definition, for tests.
#ifndef NNKERNELS_TESTS_KERNELS_CONV_REFERENCE_H_
#define NNKERNELS_TESTS_KERNELS_CONV_REFERENCE_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/conv.h"
#include "tests/support/conv_shape_text.h"

namespace nnkernels {

/// Calls use(x index, w index, y index) for every product that the definition sums: the one
/// reference for all three passes.
template <class Use>
void for_each_product(const ConvShape& s, Use use) {
  const std::int64_t group_ic = s.ic / s.groups, group_oc = s.oc / s.groups;
  for (std::int64_t n = 0; n < s.n; ++n) {
    for (std::int64_t oh = 0; oh < s.oh(); ++oh) {
      for (std::int64_t ow = 0; ow < s.ow(); ++ow) {
        for (std::int64_t kh = 0; kh < s.kh; ++kh) {
          for (std::int64_t kw = 0; kw < s.kw; ++kw) {
            const std::int64_t i = oh * s.stride_h + kh * s.dilation_h - s.pad_h;
            const std::int64_t j = ow * s.stride_w + kw * s.dilation_w - s.pad_w;
            if (i < 0 || i >= s.ih || j < 0 || j >= s.iw) continue;
            for (std::int64_t oc = 0; oc < s.oc; ++oc) {
              for (std::int64_t ic = 0; ic < group_ic; ++ic) {
                use(((n * s.ih + i) * s.iw + j) * s.ic + oc / group_oc * group_ic + ic,
                    ((kh * s.kw + kw) * group_ic + ic) * s.oc + oc,
                    ((n * s.oh() + oh) * s.ow() + ow) * s.oc + oc);
              }
            }
          }
        }
      }
    }
  }
}

template <class T>
std::vector<T> integers(std::int64_t size, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<T> values(static_cast<std::size_t>(size));
  for (T& value : values) value = static_cast<T>(static_cast<int>(random() % 9) - 4);
  return values;
}

/// A buffer whose elements outside [begin, end) must keep their value.
template <class T>
class Guarded {
 public:
  explicit Guarded(std::int64_t size)
      : values_(static_cast<std::size_t>(size + 2 * kGuard), std::numeric_limits<T>::quiet_NaN()) {
    for (std::int64_t i = 0; i < kGuard; ++i) {
      values_[static_cast<std::size_t>(i)] = T{77};
      values_[static_cast<std::size_t>(kGuard + size + i)] = T{77};
    }
  }
  T* data() { return values_.data() + kGuard; }
  T operator[](std::int64_t i) const { return values_[static_cast<std::size_t>(kGuard + i)]; }
  bool intact() const {
    for (std::size_t i = 0; i < kGuard; ++i) {
      if (values_[i] != T{77} || values_[values_.size() - 1 - i] != T{77}) return false;
    }
    return true;
  }

 private:
  static constexpr std::int64_t kGuard = 17;
  std::vector<T> values_;
};

/// All three passes against the definition, exactly: the sums of small integers are exact.
template <class T>
void check_exactly(const ConvShape& s) {
  SCOPED_TRACE(str(s));
  const std::vector<T> x = integers<T>(s.x_size(), 1), w = integers<T>(s.w_size(), 2);
  const std::vector<T> bias = integers<T>(s.oc, 3), dy = integers<T>(s.y_size(), 4);
  std::vector<T> y(static_cast<std::size_t>(s.y_size())), dx(x.size()), dw(w.size()),
      db(bias.size());
  for (std::size_t i = 0; i < y.size(); ++i) y[i] = bias[i % bias.size()];
  for_each_product(s, [&](std::int64_t ix, std::int64_t iw, std::int64_t iy) {
    const auto a = static_cast<std::size_t>(ix), b = static_cast<std::size_t>(iw),
               c = static_cast<std::size_t>(iy);
    y[c] += x[a] * w[b];
    dx[a] += dy[c] * w[b];
    dw[b] += dy[c] * x[a];
  });
  for (std::size_t i = 0; i < dy.size(); ++i) db[i % db.size()] += dy[i];

  Guarded<T> got_y(s.y_size()), got_dx(s.x_size()), got_dw(s.w_size()), got_db(s.oc);
  conv_forward(s, x.data(), w.data(), got_y.data(), {bias.data(), Activation::relu});
  conv_backward_data(s, dy.data(), w.data(), got_dx.data());
  conv_backward_weights(s, x.data(), dy.data(), got_dw.data(), got_db.data());
  const auto compare = [](const char* name, const std::vector<T>& want, const Guarded<T>& got,
                          bool relu) {
    EXPECT_TRUE(got.intact()) << name;
    for (std::size_t i = 0; i < want.size(); ++i) {
      const T value = relu && want[i] < 0 ? T{0} : want[i];
      ASSERT_EQ(got[static_cast<std::int64_t>(i)], value) << name << "[" << i << "]";
    }
  };
  compare("y", y, got_y, true);
  compare("dx", dx, got_dx, false);
  compare("dw", dw, got_dw, false);
  compare("db", db, got_db, false);
}

/// check_exactly() of `count` shapes. `shape` makes each from draw(first, last), a random integer
/// of [first, last]; kernels that do not fit into their images are passed over.
template <class MakeShape>
void check_random_shapes(int count, std::uint32_t seed, const MakeShape& shape) {
  std::mt19937 random(seed);
  const auto draw = [&](std::int64_t first, std::int64_t last) {
    return first + static_cast<std::int64_t>(random() % static_cast<unsigned>(last - first + 1));
  };
  for (int tried = 0; tried < count;) {
    const ConvShape s = shape(draw);
    if (s.dilation_h * (s.kh - 1) + 1 > s.ih + 2 * s.pad_h ||
        s.dilation_w * (s.kw - 1) + 1 > s.iw + 2 * s.pad_w) {
      continue;
    }
    ++tried;
    check_exactly<float>(s);
    if (tried % 4 == 0) check_exactly<double>(s);
  }
}

}  // namespace nnkernels

#endif  // NNKERNELS_TESTS_KERNELS_CONV_REFERENCE_H_
