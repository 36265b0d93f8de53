// Max and average poolings, forward and backward, against oneDNN's.
#include "kernels/pool.h"
#include "tests/oracle/onednn.h"
#include "tests/oracle/shapes.h"

namespace nnkernels::oracle {
namespace {

struct Results {
  Floats y, dx;
};

/// Also of absolute values of dy: the winners are those in x.
Results by_onednn(const PoolShape& s, dnnl::algorithm algorithm, const Floats& x,
                  const Floats& dy) {
  using dnnl::memory;
  const memory::dims strides = {s.stride_h, s.stride_w}, kernel = {s.kh, s.kw},
                     pad = {s.pad_h, s.pad_w};
  const memory::desc x_desc = plain({s.n, s.c, s.ih, s.iw}, Tag::nhwc),
                     y_desc = plain({s.n, s.c, s.oh(), s.ow()}, Tag::nhwc);
  const dnnl::pooling_forward::primitive_desc forward(
      {dnnl::prop_kind::forward_training, algorithm, x_desc, y_desc, strides, kernel, pad, pad},
      engine());
  const dnnl::pooling_backward::primitive_desc backward(
      {algorithm, x_desc, y_desc, strides, kernel, pad, pad}, engine(), forward);
  const memory y(y_desc, engine()), dx(x_desc, engine());
  Arguments there = {{DNNL_ARG_SRC, given(x, x_desc)}, {DNNL_ARG_DST, y}},
            back = {{DNNL_ARG_DIFF_DST, given(dy, y_desc)}, {DNNL_ARG_DIFF_SRC, dx}};
  if (algorithm == dnnl::algorithm::pooling_max) {
    const memory winners(forward.workspace_desc(), engine());
    there.insert({DNNL_ARG_WORKSPACE, winners});
    back.insert({DNNL_ARG_WORKSPACE, winners});
  }
  execute(dnnl::pooling_forward(forward), there);
  execute(dnnl::pooling_backward(backward), back);
  return {taken(y, y_desc), taken(dx, x_desc)};
}

/// Each pixel of dx is a sum over the windows that it is in, at most kh * kw of them.
std::int64_t terms(const PoolShape& s) { return s.kh * s.kw + 3; }

void run_max(const PoolShape& s, Data data, Values& values, Outcome& outcome) {
  const auto draw = [&](std::int64_t size) {
    // Few different integers: many ties, of which the first must win here and there.
    return data == Data::integers ? values.integers<float>(size, -4, 4)
                                  : values.uniforms<float>(size, -1, 1);
  };
  const Floats x = draw(s.x_size()), dy = draw(s.y_size());
  Results ours = {Floats(index(s.y_size())), Floats(index(s.x_size()))};
  std::vector<std::int32_t> argmax(index(s.y_size()));
  max_pool_forward<float>(s, x.data(), ours.y.data(), argmax.data());
  max_pool_backward<float>(s, dy.data(), argmax.data(), ours.dx.data());
  constexpr auto kMax = dnnl::algorithm::pooling_max;
  const Results theirs = by_onednn(s, kMax, x, dy), size = by_onednn(s, kMax, x, absolute(dy));
  // The largest is one of the numbers, not a sum.
  compare_sums(ours.y, theirs.y, size.y, Data::integers, 0, "max y", outcome);
  compare_sums(ours.dx, theirs.dx, size.dx, data, terms(s), "max dx", outcome);
}

void run_average(const PoolShape& s, PoolDivisor divisor, Values& values, Outcome& outcome) {
  const auto x = values.uniforms<float>(s.x_size(), -1, 1);
  const auto dy = values.uniforms<float>(s.y_size(), -1, 1);
  Results ours = {Floats(index(s.y_size())), Floats(index(s.x_size()))};
  average_pool_forward<float>(s, divisor, x.data(), ours.y.data());
  average_pool_backward<float>(s, divisor, dy.data(), ours.dx.data());
  const auto algorithm = divisor == PoolDivisor::inside
                             ? dnnl::algorithm::pooling_avg_exclude_padding
                             : dnnl::algorithm::pooling_avg_include_padding;
  const Results theirs = by_onednn(s, algorithm, x, dy),
                size = by_onednn(s, algorithm, absolute(x), absolute(dy));
  const std::string name = divisor == PoolDivisor::inside ? "average inside " : "average window ";
  compare_sums(ours.y, theirs.y, size.y, Data::reals, terms(s), name + "y", outcome);
  compare_sums(ours.dx, theirs.dx, size.dx, Data::reals, terms(s), name + "dx", outcome);
}

}  // namespace

Outcome onednn_pool_case(Values& values) {
  PoolShape s = draw_pool_shape(values);
  if (values.integer(0, 7) == 0) {  // global
    s.kh = s.ih;
    s.kw = s.iw;
    s.pad_h = s.pad_w = 0;
  }
  Outcome outcome;
  outcome.shape = str(s);
  run_max(s, Data::integers, values, outcome);
  run_max(s, Data::reals, values, outcome);
  run_average(s, PoolDivisor::inside, values, outcome);
  run_average(s, PoolDivisor::window, values, outcome);
  return outcome;
}

}  // namespace nnkernels::oracle
