#include "kernels/conv_pool_sparse.h"

#include <algorithm>
#include <cstddef>

#include "kernels/conv_tiles.h"
#include "kernels/scratch.h"
#include "kernels/strip_sums.h"

namespace nnkernels::detail {
namespace {

/// So many bytes of x at a time are read for one output channel after the other.
constexpr std::int64_t kSlabBytes = 24 << 10;

/// The kernel's strips: in an image, whose rows are `row_length` elements apart, and packed.
struct Strips {
  Strips(const ConvShape& s, std::int64_t row_length)
      : count(s.kh * segments_of_row(s)),
        length(s.kh * s.kw * s.ic / count),
        in_image(scratch<std::ptrdiff_t>(Purpose::offsets, 2 * count)),
        packed(in_image + count) {
    kernel_segments(s, row_length, in_image);
    for (std::int64_t i = 0; i < count; ++i) packed[i] = i * length;
  }

  std::int64_t count, length;
  std::ptrdiff_t* in_image;
  std::ptrdiff_t* packed;
};

/// How far the four pixels of a window are from its first one, by the winner's number.
struct Corners {
  Corners(const ConvShape& s, std::int64_t row_length)
      : row_step(s.stride_h * row_length),
        col_step(s.stride_w * s.ic),
        offset{0, col_step, row_step, row_step + col_step} {}

  std::ptrdiff_t row_step, col_step;
  std::ptrdiff_t offset[4];
};

}  // namespace

template <class T>
void sparse_backward_weights(const ConvShape& s, const T* x, const T* dy,
                             const std::uint8_t* winner, std::int64_t first, std::int64_t last,
                             T* sums) {
  const StripSumsKernel<T> add = strip_sums_kernel<T>();
  const std::int64_t rows = s.oh() / 2, cols = s.ow() / 2, depth = s.kh * s.kw * s.ic;
  std::fill_n(sums, s.oc * depth, T{0});
  const std::int64_t row_bytes = (s.iw + 2 * s.pad_w) * s.ic * static_cast<std::int64_t>(sizeof(T));
  const std::int64_t slab = std::clamp<std::int64_t>(
      (kSlabBytes / row_bytes - (s.kh - 1) * s.dilation_h) / (2 * s.stride_h), 1, rows);
  const T** const terms = scratch<const T*>(Purpose::packed_a, slab * cols);
  T* const factors = scratch<T>(Purpose::packed_b, slab * cols);
  for (std::int64_t image = first; image < last; ++image) {
    for (std::int64_t top = 0; top < rows; top += slab) {
      const std::int64_t bottom = std::min(rows, top + slab);
      const Window<T> in = input_window(s, x + image * s.ih * s.iw * s.ic, 2 * top, 2 * bottom);
      const Strips strips(s, in.row_length);
      const Corners corners(s, in.row_length);
      for (std::int64_t channel = 0; channel < s.oc; ++channel) {
        std::int64_t at = (image * rows + top) * cols * s.oc + channel, count = 0;
        for (std::int64_t i = 0; i < bottom - top; ++i) {
          const T* corner = in.data + 2 * i * corners.row_step;
          for (std::int64_t j = 0; j < cols; ++j, at += s.oc, corner += 2 * corners.col_step) {
            // Always written, kept if it counts: no branch that cannot be foretold.
            terms[count] = corner + corners.offset[winner[at]];
            factors[count] = dy[at];
            count += dy[at] != T{0};
          }
        }
        add({.to = sums + channel * depth,
             .to_places = strips.packed,
             .from_places = strips.in_image,
             .strips = strips.count,
             .length = strips.length,
             .terms = terms,
             .factors = factors,
             .count = count});
      }
    }
  }
}

template <class T>
void sparse_backward_data(const ConvShape& s, const T* dy, const std::uint8_t* winner,
                          const T* transposed, T* dx) {
  const StripSumsKernel<T> add = strip_sums_kernel<T>();
  const std::int64_t depth = s.kh * s.kw * s.ic;
  const std::int64_t ih = (s.oh() - 1) * s.stride_h + (s.kh - 1) * s.dilation_h + 1;
  const std::int64_t iw = (s.ow() - 1) * s.stride_w + (s.kw - 1) * s.dilation_w + 1;
  // The gradient of the padded image, without what no output reads; dx itself where that is dx.
  const bool direct = s.pad_h == 0 && s.pad_w == 0;
  const std::int64_t row_length = direct ? s.iw * s.ic : iw * s.ic;
  T* const padded = direct ? dx : scratch<T>(Purpose::image, ih * row_length);
  std::fill_n(padded, direct ? s.ih * row_length : ih * row_length, T{0});

  const Strips strips(s, row_length);
  const Corners corners(s, row_length);
  const T** const terms = scratch<const T*>(Purpose::packed_a, 4 * s.oc);
  T* const factors = scratch<T>(Purpose::packed_b, 4 * s.oc);
  for (std::int64_t i = 0; i < s.oh() / 2; ++i) {
    T* corner = padded + 2 * i * corners.row_step;
    for (std::int64_t j = 0; j < s.ow() / 2; ++j, corner += 2 * corners.col_step) {
      std::int64_t count[4] = {};
      for (std::int64_t channel = 0; channel < s.oc; ++channel) {
        const std::size_t which = winner[channel];
        const std::int64_t at = static_cast<std::int64_t>(which) * s.oc + count[which];
        terms[at] = transposed + channel * depth;
        factors[at] = dy[channel];
        count[which] += dy[channel] != T{0};
      }
      dy += s.oc;
      winner += s.oc;
      for (std::size_t which = 0; which < 4; ++which) {
        if (count[which] == 0) continue;
        add({.to = corner + corners.offset[which],
             .to_places = strips.in_image,
             .from_places = strips.packed,
             .strips = strips.count,
             .length = strips.length,
             .terms = terms + static_cast<std::int64_t>(which) * s.oc,
             .factors = factors + static_cast<std::int64_t>(which) * s.oc,
             .count = count[which]});
      }
    }
  }
  if (direct) return;
  const std::int64_t copied = std::clamp<std::int64_t>(iw - s.pad_w, 0, s.iw) * s.ic;
  for (std::int64_t i = 0; i < s.ih; ++i, dx += s.iw * s.ic) {
    const bool read = i + s.pad_h < ih;
    if (read) std::copy_n(padded + (i + s.pad_h) * row_length + s.pad_w * s.ic, copied, dx);
    std::fill(dx + (read ? copied : 0), dx + s.iw * s.ic, T{0});
  }
}

template void sparse_backward_weights(const ConvShape&, const float*, const float*,
                                      const std::uint8_t*, std::int64_t, std::int64_t, float*);
template void sparse_backward_weights(const ConvShape&, const double*, const double*,
                                      const std::uint8_t*, std::int64_t, std::int64_t, double*);
template void sparse_backward_data(const ConvShape&, const float*, const std::uint8_t*,
                                   const float*, float*);
template void sparse_backward_data(const ConvShape&, const double*, const std::uint8_t*,
                                   const double*, double*);

}  // namespace nnkernels::detail
