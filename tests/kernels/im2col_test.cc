#include "kernels/im2col.h"

#include <cstdint>
#include <vector>

#include "tests/support/each_simd.h"
#include "tests/support/expect.h"
#include "tests/support/guarded_array.h"
#include "tests/support/values.h"

namespace nnkernels {
namespace {

std::int64_t col_size(const ConvShape& s) { return s.n * s.oh() * s.ow() * s.kh * s.kw * s.ic; }

/// Calls visit(index into col, index into x or -1 outside the image) for all of col, in order.
template <class Visit>
void for_col(const ConvShape& s, const Visit& visit) {
  std::int64_t at = 0;
  for (std::int64_t n = 0; n < s.n; ++n)
    for (std::int64_t i = 0; i < s.oh(); ++i)
      for (std::int64_t j = 0; j < s.ow(); ++j)
        for (std::int64_t kh = 0; kh < s.kh; ++kh)
          for (std::int64_t kw = 0; kw < s.kw; ++kw)
            for (std::int64_t c = 0; c < s.ic; ++c) {
              const std::int64_t h = i * s.stride_h + kh * s.dilation_h - s.pad_h;
              const std::int64_t w = j * s.stride_w + kw * s.dilation_w - s.pad_w;
              const bool inside = h >= 0 && h < s.ih && w >= 0 && w < s.iw;
              visit(at++, inside ? ((n * s.ih + h) * s.iw + w) * s.ic + c : -1);
            }
}

template <class T>
void check_values(const ConvShape& s, std::int64_t misalignment) {
  Values values(static_cast<std::uint64_t>(s.x_size()));
  const GuardedArray<T> x(values.integers<T>(s.x_size(), -100, 100), misalignment);
  const GuardedArray<T> col(col_size(s), misalignment + 1);
  im2col(s, x.data(), col.data());
  ASSERT_TRUE(x.intact() && col.intact());
  std::vector<T> expected(static_cast<std::size_t>(col.size()));
  for_col(s, [&](std::int64_t at, std::int64_t in) {
    expected[static_cast<std::size_t>(at)] = in < 0 ? 0 : x[in];
  });
  ASSERT_EQ(col.values(), expected);

  const GuardedArray<T> dcol(values.integers<T>(col_size(s), -100, 100), misalignment);
  const GuardedArray<T> dx(s.x_size(), misalignment);
  col2im(s, dcol.data(), dx.data());
  ASSERT_TRUE(dcol.intact() && dx.intact());
  std::vector<T> expected_dx(static_cast<std::size_t>(s.x_size()), 0);
  for_col(s, [&](std::int64_t at, std::int64_t in) {
    if (in >= 0) expected_dx[static_cast<std::size_t>(in)] += dcol[at];
  });
  ASSERT_EQ(dx.values(), expected_dx);

  // The adjoint identity <im2col(x), dcol> = <x, col2im(dcol)>, exact on integers.
  double forward = 0, backward = 0;
  for (std::int64_t i = 0; i < col.size(); ++i) forward += static_cast<double>(col[i]) * dcol[i];
  for (std::int64_t i = 0; i < x.size(); ++i) backward += static_cast<double>(x[i]) * dx[i];
  ASSERT_EQ(forward, backward);
}

void check_shape(const ConvShape& s, std::int64_t misalignment) {
  SCOPED_TRACE(testing::Message() << "image " << s.ih << "x" << s.iw << "x" << s.ic << " kernel "
                                  << s.kh << "x" << s.kw << " stride " << s.stride_h << "x"
                                  << s.stride_w << " pad " << s.pad_h << "x" << s.pad_w
                                  << " dilation " << s.dilation_h << "x" << s.dilation_w);
  check_values<float>(s, misalignment);
  check_values<double>(s, misalignment);
}

class Im2colTest : public EachSimd {};
NNKERNELS_EACH_SIMD(Im2colTest);

TEST_P(Im2colTest, AgreesWithReferenceForEveryNumberOfChannels) {
  for (std::int64_t ic = 1; ic <= 35; ++ic) {
    check_shape({.n = 2, .ih = 4, .iw = 5, .ic = ic, .kh = 2, .kw = 3, .pad_h = 1, .pad_w = 1},
                ic % 4);
    check_shape(
        {.n = 1, .ih = 6, .iw = 5, .ic = ic, .kh = 2, .kw = 2, .dilation_h = 2, .dilation_w = 3},
        ic % 3);
  }
}

TEST_P(Im2colTest, AgreesWithReferenceForEveryWindow) {
  for (const std::int64_t k : {1, 2, 3, 5}) {
    for (const std::int64_t stride : {1, 2, 3}) {
      for (const std::int64_t pad : {0, 1, 4}) {
        for (const std::int64_t dilation : {1, 2}) {
          ConvShape s = {.n = 2,
                         .ih = 6,
                         .iw = 7,
                         .ic = 2,
                         .kh = k,
                         .kw = 2,
                         .stride_h = stride,
                         .stride_w = 4 - stride,
                         .pad_h = pad,
                         .pad_w = pad,
                         .dilation_h = dilation,
                         .dilation_w = dilation};
          if (dilation * (k - 1) + 1 > s.ih + 2 * pad) continue;
          check_shape(s, pad);
          s.ih = 7, s.iw = 6, s.kh = 2, s.kw = k;
          check_shape(s, pad);
        }
      }
    }
  }
  // A kernel wider than the image, which lies in the middle of it.
  check_shape({.n = 1, .ih = 2, .iw = 2, .ic = 3, .kh = 8, .kw = 8, .pad_h = 4, .pad_w = 4}, 1);
}

/// im2col as the numpy tutorials define it, in their own layout: an image padded with zeros,
/// x[N][C][H][W]; col[N][C][kh][kw][OH][OW], filled by strided slices, then transposed to
/// [N][OH][OW][C][kh][kw].
std::vector<float> tutorial_im2col(const std::vector<float>& x, const ConvShape& s) {
  const auto at = [](std::int64_t i) { return static_cast<std::size_t>(i); };
  const std::int64_t ph = s.ih + 2 * s.pad_h, pw = s.iw + 2 * s.pad_w;
  std::vector<float> padded(at(s.n * s.ic * ph * pw), 0.0f);
  for (std::int64_t plane = 0; plane < s.n * s.ic; ++plane)
    for (std::int64_t h = 0; h < s.ih; ++h)
      for (std::int64_t w = 0; w < s.iw; ++w)
        padded[at((plane * ph + h + s.pad_h) * pw + w + s.pad_w)] =
            x[at((plane * s.ih + h) * s.iw + w)];
  std::vector<float> col;
  for (std::int64_t n = 0; n < s.n; ++n)
    for (std::int64_t i = 0; i < s.oh(); ++i)
      for (std::int64_t j = 0; j < s.ow(); ++j)
        for (std::int64_t c = 0; c < s.ic; ++c)
          for (std::int64_t y = 0; y < s.kh; ++y)
            for (std::int64_t z = 0; z < s.kw; ++z)
              col.push_back(
                  padded[at(((n * s.ic + c) * ph + y + i * s.stride_h) * pw + z + j * s.stride_w)]);
  return col;
}

TEST_P(Im2colTest, EqualsTheTutorialsUpToTheOrderOfColumns) {
  const ConvShape s = {.n = 2,
                       .ih = 7,
                       .iw = 6,
                       .ic = 3,
                       .kh = 3,
                       .kw = 2,
                       .stride_h = 2,
                       .stride_w = 1,
                       .pad_h = 1,
                       .pad_w = 1};
  const auto at = [](std::int64_t i) { return static_cast<std::size_t>(i); };
  const std::vector<float> nchw = Values(3).uniforms<float>(s.x_size(), -1, 1);
  std::vector<float> nhwc(nchw.size());
  for (std::int64_t n = 0; n < s.n; ++n)
    for (std::int64_t c = 0; c < s.ic; ++c)
      for (std::int64_t pixel = 0; pixel < s.ih * s.iw; ++pixel)
        nhwc[at((n * s.ih * s.iw + pixel) * s.ic + c)] =
            nchw[at((n * s.ic + c) * s.ih * s.iw + pixel)];
  std::vector<float> col(at(col_size(s)));
  im2col(s, nhwc.data(), col.data());
  const std::vector<float> tutorial = tutorial_im2col(nchw, s);
  ASSERT_EQ(tutorial.size(), col.size());

  const std::int64_t cols = s.kh * s.kw * s.ic;
  for (std::int64_t row = 0; row < s.n * s.oh() * s.ow(); ++row)
    for (std::int64_t kh = 0; kh < s.kh; ++kh)
      for (std::int64_t kw = 0; kw < s.kw; ++kw)
        for (std::int64_t c = 0; c < s.ic; ++c) {
          const std::int64_t ours = (kh * s.kw + kw) * s.ic + c;
          const std::int64_t theirs = (c * s.kh + kh) * s.kw + kw;
          EXPECT_EQ(col[at(row * cols + ours)], tutorial[at(row * cols + theirs)]);
        }
}

TEST_P(Im2colTest, SameBitsForAnyNumberOfThreads) {
  const ConvShape s = {
      .n = 5, .ih = 20, .iw = 21, .ic = 5, .kh = 3, .kw = 3, .pad_h = 1, .pad_w = 1};
  const std::vector<float> x = Values(4).uniforms<float>(s.x_size(), -1, 1);
  std::vector<float> col(static_cast<std::size_t>(col_size(s))), dx(x.size());
  expect_same_bits_for_threads([&] {
    im2col(s, x.data(), col.data());
    return col;
  });
  expect_same_bits_for_threads([&] {
    col2im(s, col.data(), dx.data());
    return dx;
  });
}

TEST(Im2colArgumentsTest, BadOnesAreRefused) {
  ConvShape s = {.n = 1, .ih = 4, .iw = 4, .kh = 3, .kw = 3};
  std::vector<float> x(16), col(36);
  expect_invalid_argument([&] { im2col<float>(s, nullptr, col.data()); },
                          {"im2col", "x is null", "16"});
  expect_invalid_argument([&] { im2col<float>(s, x.data(), nullptr); },
                          {"im2col", "col is null", "36"});
  expect_invalid_argument([&] { col2im<float>(s, nullptr, x.data()); }, {"col2im", "col is null"});
  s.kh = 5;
  expect_invalid_argument([&] { im2col(s, x.data(), col.data()); }, {"im2col"});
  expect_invalid_argument([&] { col2im(s, col.data(), x.data()); }, {"col2im"});
  s.kh = 3;
  s.n = 0;
  im2col<float>(s, nullptr, nullptr);
  col2im<float>(s, nullptr, nullptr);
}

}  // namespace
}  // namespace nnkernels
