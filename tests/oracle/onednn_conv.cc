// Convolutions, forward and both backward passes, against oneDNN's.
#include <algorithm>

#include "kernels/conv.h"
#include "tests/oracle/onednn.h"
#include "tests/oracle/shapes.h"
#include "tests/support/conv_shape_text.h"

namespace nnkernels::oracle {
namespace {

struct Operands {
  Floats x, w, bias, dy;
};

struct Results {
  Floats y, dx, dw, db;
};

/// How oneDNN is to compute it: on our layout as it is, or on the blocks that it prefers, to which
/// it reorders itself; they lead to different kernels of its.
enum class Layout { plain, preferred };

Results by_onednn(const ConvShape& s, Layout layout, Activation activation, const Operands& in) {
  using dnnl::memory;
  using dnnl::prop_kind;
  const std::int64_t ic = s.ic / s.groups, oc = s.oc / s.groups;
  const bool grouped = s.groups > 1;
  const memory::dims x_dims = {s.n, s.ic, s.ih, s.iw}, y_dims = {s.n, s.oc, s.oh(), s.ow()},
                     w_dims = grouped ? memory::dims{s.groups, oc, ic, s.kh, s.kw}
                                      : memory::dims{oc, ic, s.kh, s.kw};
  // Our [kh][kw][ic][oc], of whose oc the groups are the outer part.
  const memory::desc x = plain(x_dims, Tag::nhwc), y = plain(y_dims, Tag::nhwc),
                     b = plain({s.oc}, Tag::x),
                     w = grouped ? memory::desc(w_dims, memory::data_type::f32,
                                                {oc, 1, s.oc, s.kw * ic * s.oc, ic * s.oc})
                                 : plain(w_dims, Tag::hwio);
  const auto laid_out = [layout](const memory::desc& ours, const memory::dims& dims) {
    return layout == Layout::plain ? ours : plain(dims, Tag::any);
  };
  const memory::desc x_any = laid_out(x, x_dims), w_any = laid_out(w, w_dims),
                     y_any = laid_out(y, y_dims);
  const memory::dims strides = {s.stride_h, s.stride_w}, pad = {s.pad_h, s.pad_w},
                     dilates = {s.dilation_h - 1, s.dilation_w - 1};
  constexpr auto kDirect = dnnl::algorithm::convolution_direct;

  dnnl::primitive_attr attributes;
  if (activation == Activation::relu) {
    dnnl::post_ops operations;
    operations.append_eltwise(1.0f, dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
    attributes.set_post_ops(operations);
  }
  const dnnl::convolution_forward::primitive_desc forward(
      {prop_kind::forward_training, kDirect, x_any, w_any, b, y_any, strides, dilates, pad, pad},
      attributes, engine());
  const dnnl::convolution_backward_data::primitive_desc by_data(
      {kDirect, x_any, w_any, y_any, strides, dilates, pad, pad}, engine(), forward);
  const dnnl::convolution_backward_weights::primitive_desc by_weights(
      {kDirect, x_any, w_any, b, y_any, strides, dilates, pad, pad}, engine(), forward);
  const memory y_out(forward.dst_desc(), engine()), dx_out(by_data.diff_src_desc(), engine()),
      dw_out(by_weights.diff_weights_desc(), engine()), db_out(b, engine());
  execute(dnnl::convolution_forward(forward),
          {{DNNL_ARG_SRC, given(in.x, x, forward.src_desc())},
           {DNNL_ARG_WEIGHTS, given(in.w, w, forward.weights_desc())},
           {DNNL_ARG_BIAS, given(in.bias, b)},
           {DNNL_ARG_DST, y_out}});
  execute(dnnl::convolution_backward_data(by_data),
          {{DNNL_ARG_DIFF_DST, given(in.dy, y, by_data.diff_dst_desc())},
           {DNNL_ARG_WEIGHTS, given(in.w, w, by_data.weights_desc())},
           {DNNL_ARG_DIFF_SRC, dx_out}});
  execute(dnnl::convolution_backward_weights(by_weights),
          {{DNNL_ARG_SRC, given(in.x, x, by_weights.src_desc())},
           {DNNL_ARG_DIFF_DST, given(in.dy, y, by_weights.diff_dst_desc())},
           {DNNL_ARG_DIFF_WEIGHTS, dw_out},
           {DNNL_ARG_DIFF_BIAS, db_out}});
  return {taken(y_out, y), taken(dx_out, x), taken(dw_out, w), taken(db_out, b)};
}

Results by_us(const ConvShape& s, Activation activation, const Operands& in) {
  // Results are overwritten, so they start as NaN.
  const auto nothing = [](std::int64_t size) { return Floats(index(size), std::nanf("")); };
  Results out = {nothing(s.y_size()), nothing(s.x_size()), nothing(s.w_size()), nothing(s.oc)};
  conv_forward<float>(s, in.x.data(), in.w.data(), out.y.data(), {in.bias.data(), activation});
  conv_backward_data<float>(s, in.dy.data(), in.w.data(), out.dx.data());
  conv_backward_weights<float>(s, in.x.data(), in.dy.data(), out.dw.data(), out.db.data());
  return out;
}

}  // namespace

Outcome onednn_conv_case(Values& values) {
  const ConvShape s = draw_conv_shape(values);
  const auto layout = values.integer(0, 1) == 0 ? Layout::plain : Layout::preferred;
  const auto activation = values.integer(0, 2) == 0 ? Activation::relu : Activation::identity;
  Outcome outcome;
  outcome.shape = str(s);
  for (const Data data : {Data::integers, Data::reals}) {
    const auto draw = [&](std::int64_t size) {
      return data == Data::integers ? values.integers<float>(size, -4, 4)
                                    : values.uniforms<float>(size, -1, 1);
    };
    const Operands in = {draw(s.x_size()), draw(s.w_size()), draw(s.oc), draw(s.y_size())};
    const Results ours = by_us(s, activation, in), theirs = by_onednn(s, layout, activation, in);
    const Results size =
        by_onednn(s, layout, Activation::identity,
                  {absolute(in.x), absolute(in.w), absolute(in.bias), absolute(in.dy)});
    const std::int64_t taps = s.kh * s.kw, pixels = s.n * s.oh() * s.ow();
    compare_sums(ours.y, theirs.y, size.y, data, taps * (s.ic / s.groups) + 3, "y", outcome);
    compare_sums(ours.dx, theirs.dx, size.dx, data, taps * (s.oc / s.groups) + 3, "dx", outcome);
    compare_sums(ours.dw, theirs.dw, size.dw, data, pixels + 3, "dw", outcome);
    compare_sums(ours.db, theirs.db, size.db, data, pixels + 3, "db", outcome);
  }
  return outcome;
}

}  // namespace nnkernels::oracle
