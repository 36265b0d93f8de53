#include "bench/onednn.h"

#include <dnnl.hpp>
#include <unordered_map>
#include <utility>

namespace nnkernels::bench {
namespace {

using dnnl::memory;
using dnnl::prop_kind;
using Tag = memory::format_tag;
using Arguments = std::unordered_map<int, memory>;

memory::desc described(const memory::dims& dims, Tag tag) {
  return {dims, memory::data_type::f32, tag};
}

using Job = OneDnn::Job;

const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

void reorder(memory from, memory to) {
  dnnl::stream stream(engine());
  dnnl::reorder(from, to).execute(stream, from, to);
  stream.wait();
}

/// Elements in our layout (`tag`), brought into the layout `wanted`.
memory given(const float* elements, const memory::dims& dims, Tag tag, const memory::desc& wanted) {
  memory from(described(dims, tag), engine(), const_cast<float*>(elements));
  memory to(wanted, engine());
  reorder(from, to);
  return to;
}

Job job(const dnnl::primitive& primitive, const Arguments& arguments, const memory& to,
        const memory::dims& dims, Tag tag) {
  const Work work = timed([primitive, arguments, stream = dnnl::stream(engine())]() mutable {
    primitive.execute(stream, arguments);
    stream.wait();
  });
  const auto result = [to, dims, tag] {
    const memory::desc ours = described(dims, tag);
    std::vector<float> elements(ours.get_size() / sizeof(float));
    reorder(to, memory(ours, engine(), elements.data()));
    return elements;
  };
  return {work, result};
}

std::string version() {
  const dnnl_version_t& number = *dnnl_version();
  return "oneDNN " + std::to_string(number.major) + '.' + std::to_string(number.minor) + '.' +
         std::to_string(number.patch);
}

Job conv(const ConvShape& s, Pass pass, const float* x, const float* w, const float* b,
         const float* y) {
  const memory::dims x_dims = {s.n, s.ic, s.ih, s.iw}, y_dims = {s.n, s.oc, s.oh(), s.ow()},
                     b_dims = {s.oc};
  // Our channels out, [oc], are [groups][oc / groups].
  const memory::dims w_dims =
      s.groups == 1 ? memory::dims{s.oc, s.ic, s.kh, s.kw}
                    : memory::dims{s.groups, s.oc / s.groups, s.ic / s.groups, s.kh, s.kw};
  const Tag w_tag = s.groups == 1 ? Tag::hwio : Tag::hwigo;
  const memory::dims strides = {s.stride_h, s.stride_w}, pad = {s.pad_h, s.pad_w},
                     dilates = {s.dilation_h - 1, s.dilation_w - 1};
  const memory::desc any_x = described(x_dims, Tag::any), any_w = described(w_dims, Tag::any),
                     any_y = described(y_dims, Tag::any), b_desc = described(b_dims, Tag::x);
  constexpr auto kDirect = dnnl::algorithm::convolution_direct;

  dnnl::primitive_attr relu;
  dnnl::post_ops operations;
  operations.append_eltwise(1.0f, dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
  relu.set_post_ops(operations);
  const dnnl::convolution_forward::primitive_desc forward(
      {prop_kind::forward_training, kDirect, any_x, any_w, b_desc, any_y, strides, dilates, pad,
       pad},
      relu, engine());
  if (pass == Pass::forward) {
    const memory to(forward.dst_desc(), engine());
    return job(dnnl::convolution_forward(forward),
               {{DNNL_ARG_SRC, given(x, x_dims, Tag::nhwc, forward.src_desc())},
                {DNNL_ARG_WEIGHTS, given(w, w_dims, w_tag, forward.weights_desc())},
                {DNNL_ARG_BIAS, given(b, b_dims, Tag::x, b_desc)},
                {DNNL_ARG_DST, to}},
               to, y_dims, Tag::nhwc);
  }
  if (pass == Pass::backward_data) {
    const dnnl::convolution_backward_data::primitive_desc backward(
        {kDirect, any_x, any_w, any_y, strides, dilates, pad, pad}, engine(), forward);
    const memory to(backward.diff_src_desc(), engine());
    return job(dnnl::convolution_backward_data(backward),
               {{DNNL_ARG_DIFF_DST, given(y, y_dims, Tag::nhwc, backward.diff_dst_desc())},
                {DNNL_ARG_WEIGHTS, given(w, w_dims, w_tag, backward.weights_desc())},
                {DNNL_ARG_DIFF_SRC, to}},
               to, x_dims, Tag::nhwc);
  }
  const dnnl::convolution_backward_weights::primitive_desc backward(
      {kDirect, any_x, any_w, b_desc, any_y, strides, dilates, pad, pad}, engine(), forward);
  const memory to(backward.diff_weights_desc(), engine());
  return job(dnnl::convolution_backward_weights(backward),
             {{DNNL_ARG_SRC, given(x, x_dims, Tag::nhwc, backward.src_desc())},
              {DNNL_ARG_DIFF_DST, given(y, y_dims, Tag::nhwc, backward.diff_dst_desc())},
              {DNNL_ARG_DIFF_WEIGHTS, to},
              {DNNL_ARG_DIFF_BIAS, memory(b_desc, engine())}},
             to, w_dims, w_tag);
}

Job max_pool(const PoolShape& s, MaxPool pass, bool blocked, const float* x, const float* dy) {
  const memory::dims x_dims = {s.n, s.c, s.ih, s.iw}, y_dims = {s.n, s.c, s.oh(), s.ow()};
  const memory::dims strides = {s.stride_h, s.stride_w}, kernel = {s.kh, s.kw},
                     pad = {s.pad_h, s.pad_w};
  const Tag tag = blocked ? Tag::nChw16c : Tag::nhwc;
  const memory::desc x_desc = described(x_dims, tag), y_desc = described(y_dims, tag);
  constexpr auto kMax = dnnl::algorithm::pooling_max;
  const bool inference = pass == MaxPool::inference;
  const dnnl::pooling_forward::primitive_desc forward(
      {inference ? prop_kind::forward_inference : prop_kind::forward_training, kMax, x_desc, y_desc,
       strides, kernel, pad, pad},
      engine());
  const memory y(y_desc, engine());
  Arguments arguments = {{DNNL_ARG_SRC, given(x, x_dims, Tag::nhwc, x_desc)}, {DNNL_ARG_DST, y}};
  memory winners;
  if (!inference) {
    winners = memory(forward.workspace_desc(), engine());
    arguments.insert({DNNL_ARG_WORKSPACE, winners});
  }
  Job forward_job = job(dnnl::pooling_forward(forward), arguments, y, y_dims, Tag::nhwc);
  if (pass != MaxPool::gradient) return forward_job;
  forward_job.work(1);  // the backward pass needs the winners
  const dnnl::pooling_backward::primitive_desc backward(
      {kMax, x_desc, y_desc, strides, kernel, pad, pad}, engine(), forward);
  const memory dx(x_desc, engine());
  return job(dnnl::pooling_backward(backward),
             {{DNNL_ARG_DIFF_DST, given(dy, y_dims, Tag::nhwc, y_desc)},
              {DNNL_ARG_WORKSPACE, winners},
              {DNNL_ARG_DIFF_SRC, dx}},
             dx, x_dims, Tag::nhwc);
}

Job activation(Activation kind, Pass pass, std::int64_t size, const float* x, const float* dy) {
  const auto algorithm = kind == Activation::relu ? dnnl::algorithm::eltwise_relu_use_dst_for_bwd
                         : kind == Activation::tanh
                             ? dnnl::algorithm::eltwise_tanh_use_dst_for_bwd
                             : dnnl::algorithm::eltwise_logistic_use_dst_for_bwd;
  const memory::dims dims = {size};
  const memory::desc desc = described(dims, Tag::x);
  const dnnl::eltwise_forward::primitive_desc forward(
      {prop_kind::forward_training, algorithm, desc}, engine());
  const memory from = given(x, dims, Tag::x, desc), to(desc, engine());
  if (pass == Pass::forward) {
    return job(dnnl::eltwise_forward(forward), {{DNNL_ARG_SRC, from}, {DNNL_ARG_DST, to}}, to, dims,
               Tag::x);
  }
  const dnnl::eltwise_backward::primitive_desc backward({algorithm, desc, desc}, engine(), forward);
  return job(dnnl::eltwise_backward(backward),
             {{DNNL_ARG_DST, from},
              {DNNL_ARG_DIFF_DST, given(dy, dims, Tag::x, desc)},
              {DNNL_ARG_DIFF_SRC, to}},
             to, dims, Tag::x);
}

Job softmax(Pass pass, std::int64_t rows, std::int64_t cols, const float* x, const float* dy) {
  const memory::dims dims = {rows, cols};
  const memory::desc desc = described(dims, Tag::nc);
  constexpr int kAxis = 1;
  const dnnl::softmax_forward::primitive_desc forward({prop_kind::forward_training, desc, kAxis},
                                                      engine());
  const memory from = given(x, dims, Tag::nc, desc), to(desc, engine());
  if (pass == Pass::forward) {
    return job(dnnl::softmax_forward(forward), {{DNNL_ARG_SRC, from}, {DNNL_ARG_DST, to}}, to, dims,
               Tag::nc);
  }
  const dnnl::softmax_backward::primitive_desc backward({desc, desc, kAxis}, engine(), forward);
  return job(dnnl::softmax_backward(backward),
             {{DNNL_ARG_DST, from},
              {DNNL_ARG_DIFF_DST, given(dy, dims, Tag::nc, desc)},
              {DNNL_ARG_DIFF_SRC, to}},
             to, dims, Tag::nc);
}

}  // namespace

extern "C" {

// The one thing that nnbench looks for in this library.
#pragma GCC visibility push(default)
const OneDnn* nnbench_onednn();
#pragma GCC visibility pop

const OneDnn* nnbench_onednn() {
  static const OneDnn functions = {version, conv, max_pool, activation, softmax};
  return &functions;
}

}  // extern "C"
}  // namespace nnkernels::bench
