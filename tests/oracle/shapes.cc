#include "tests/oracle/shapes.h"

#include <algorithm>

#include "tests/oracle/campaign.h"

namespace nnkernels::oracle {
namespace {

/// How many products one pass has, those with padding included.
std::int64_t products(const ConvShape& s) { return s.y_size() * s.kh * s.kw * (s.ic / s.groups); }

}  // namespace

ConvShape draw_conv_shape(Values& values) {
  ConvShape s;
  s.n = values.integer(1, 3);
  s.kh = values.integer(1, 5);
  s.kw = values.integer(0, 2) == 0 ? values.integer(1, 5) : s.kh;
  s.stride_h = values.integer(1, 3);
  s.stride_w = values.integer(0, 2) == 0 ? values.integer(1, 3) : s.stride_h;
  s.dilation_h = values.integer(0, 2) == 0 ? values.integer(1, 3) : 1;
  s.dilation_w = values.integer(0, 2) == 0 ? values.integer(1, 3) : s.dilation_h;
  s.pad_h = values.integer(0, s.kh);
  s.pad_w = values.integer(0, 2) == 0 ? values.integer(0, s.kw) : std::min(s.pad_h, s.kw);
  const auto smallest = [](std::int64_t kernel, std::int64_t dilation, std::int64_t pad) {
    return std::max<std::int64_t>(1, dilation * (kernel - 1) + 1 - 2 * pad);
  };
  s.ih = smallest(s.kh, s.dilation_h, s.pad_h) + values.integer(0, 13);
  s.iw = smallest(s.kw, s.dilation_w, s.pad_w) + values.integer(0, 18);
  const std::int64_t kind = values.integer(0, 5);
  if (kind == 0) {  // depthwise
    s.groups = s.ic = s.oc = draw_size(values, 70);
  } else if (kind == 1) {
    s.groups = values.integer(2, 4);
    s.ic = s.groups * values.integer(1, 9);
    s.oc = s.groups * values.integer(1, 20);
  } else {
    s.ic = kind == 2 ? values.integer(1, 3) : draw_size(values, 70);
    s.oc = draw_size(values, 70);
  }
  while (products(s) > 200'000) {
    if (s.n > 1) {
      s.n = 1;
    } else if (s.groups > 1) {
      // A multiple of the groups stays one.
      const std::int64_t per_group_in = s.ic / s.groups, per_group_out = s.oc / s.groups;
      s.groups = (s.groups + 1) / 2;
      s.ic = s.groups * per_group_in;
      s.oc = s.groups * per_group_out;
    } else {
      s.ic = (s.ic + 1) / 2;
      s.oc = (s.oc + 1) / 2;
      s.ih = std::max(smallest(s.kh, s.dilation_h, s.pad_h), s.ih - 1);
      s.iw = std::max(smallest(s.kw, s.dilation_w, s.pad_w), s.iw - 1);
    }
  }
  return s;
}

std::string str(const PoolShape& s) {
  return "n" + std::to_string(s.n) + " i" + std::to_string(s.ih) + "x" + std::to_string(s.iw) +
         "x" + std::to_string(s.c) + " k" + std::to_string(s.kh) + "x" + std::to_string(s.kw) +
         " s" + std::to_string(s.stride_h) + "x" + std::to_string(s.stride_w) + " p" +
         std::to_string(s.pad_h) + "x" + std::to_string(s.pad_w);
}

PoolShape draw_pool_shape(Values& values) {
  PoolShape s;
  s.n = values.integer(1, 3);
  s.c = draw_size(values, 70);
  s.kh = values.integer(1, 5);
  s.kw = values.integer(0, 1) == 0 ? s.kh : values.integer(1, 5);
  s.stride_h = values.integer(1, 4);
  s.stride_w = values.integer(0, 1) == 0 ? s.stride_h : values.integer(1, 4);
  s.pad_h = values.integer(0, s.kh / 2);
  s.pad_w = values.integer(0, s.kw / 2);
  s.ih = std::max<std::int64_t>(1, s.kh - 2 * s.pad_h) + values.integer(0, 12);
  s.iw = std::max<std::int64_t>(1, s.kw - 2 * s.pad_w) + values.integer(0, 16);
  return s;
}

}  // namespace nnkernels::oracle
