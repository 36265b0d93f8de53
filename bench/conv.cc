#include "kernels/conv.h"

#include "bench/commands.h"
#include "bench/conv_shapes.h"
#include "bench/data.h"
#include "bench/runner.h"

namespace nnkernels::bench {
namespace {

constexpr const char* kForward = "forward";
constexpr const char* kData = "data";
constexpr const char* kWeights = "weights";

template <class T>
Work prepare(const ConvShape& shape, const std::string& pass) {
  const Array<T> x = random_array<T>(shape.x_size(), 1);
  const Array<T> w = random_array<T>(shape.w_size(), 2);
  const Array<T> y = random_array<T>(shape.y_size(), 3);
  const Array<T> b = random_array<T>(shape.oc, 4);
  if (pass == kForward) {
    return timed([=] {
      conv_forward<T>(shape, x.data(), w.data(), y.data(),
                      {.bias = b.data(), .activation = Activation::relu});
    });
  }
  if (pass == kData) {
    return timed([=] { conv_backward_data<T>(shape, y.data(), w.data(), x.data()); });
  }
  return timed([=] { conv_backward_weights<T>(shape, x.data(), y.data(), w.data(), b.data()); });
}

template <class T>
std::vector<Case> cases(const std::vector<NamedConv>& convs,
                        const std::vector<std::string>& passes) {
  std::vector<Case> result;
  for (const NamedConv& conv : convs) {
    for (const std::string& pass : passes) {
      Case one;
      one.name = conv_name(conv) + ' ' + pass;
      one.parameters = conv_parameters(conv.shape).add("pass", pass);
      one.flops = 2.0 * static_cast<double>(conv.shape.y_size()) *
                  static_cast<double>(conv.shape.kh * conv.shape.kw * conv.shape.ic);
      one.prepare = [shape = conv.shape, pass] { return prepare<T>(shape, pass); };
      result.push_back(one);
    }
  }
  return result;
}

}  // namespace

void run_conv(const Arguments& arguments) {
  CommonOptions common;
  ConvFlags shapes;
  std::vector<std::string> passes = {kForward, kData, kWeights};
  std::string type = "f32";
  Options flags("conv", "measures convolutions; multiply-adds with padding zeros count as work");
  shapes.add_to(flags);
  flags.choices("pass", "forward (with bias and ReLU), gradients by data or by weights",
                {kForward, kData, kWeights}, passes);
  flags.choice("type", "type of the elements", {"f32", "f64"}, type);
  common.add_to(flags);
  if (!parse(flags, common, arguments)) return;

  const std::vector<NamedConv> convs = shapes.chosen(flags);
  apply(common);
  const Precision precision = precision_named(type);
  run_cases(
      "conv", common, Rate::flops, precision,
      precision == Precision::f32 ? cases<float>(convs, passes) : cases<double>(convs, passes));
}

}  // namespace nnkernels::bench
