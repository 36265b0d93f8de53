#include "kernels/conv.h"

#include <algorithm>
#include <type_traits>

#include "bench/commands.h"
#include "bench/conv_shapes.h"
#include "bench/data.h"
#include "bench/onednn_peer.h"
#include "bench/races.h"
#include "bench/runner.h"

namespace nnkernels::bench {
namespace {

struct NamedPass {
  const char* name;
  Pass pass;
};
constexpr NamedPass kPasses[] = {
    {"forward", Pass::forward}, {"data", Pass::backward_data}, {"weights", Pass::backward_weights}};

std::vector<std::string> pass_names() {
  std::vector<std::string> names;
  for (const NamedPass& each : kPasses) names.emplace_back(each.name);
  return names;
}

template <class T>
struct Operands {
  explicit Operands(const ConvShape& shape)
      : x(random_array<T>(shape.x_size(), 1)),
        w(random_array<T>(shape.w_size(), 2)),
        y(random_array<T>(shape.y_size(), 3)),
        b(random_array<T>(shape.oc, 4)) {}
  Array<T> x, w, y, b;
};

template <class T>
Work our_conv(const ConvShape& shape, Pass pass, const Operands<T>& o) {
  if (pass == Pass::forward) {
    return timed([=] {
      conv_forward<T>(shape, o.x.data(), o.w.data(), o.y.data(),
                      {.bias = o.b.data(), .activation = Activation::relu});
    });
  }
  if (pass == Pass::backward_data) {
    return timed([=] { conv_backward_data<T>(shape, o.y.data(), o.w.data(), o.x.data()); });
  }
  return timed(
      [=] { conv_backward_weights<T>(shape, o.x.data(), o.y.data(), o.w.data(), o.b.data()); });
}

/// Adds oneDNN's convolution, whose result must be that of ours.
void add_onednn(Entries& entries, const OneDnn& onednn, const ConvShape& s, Pass pass,
                const Operands<float>& o) {
  const Array<float>& result = pass == Pass::forward         ? o.y
                               : pass == Pass::backward_data ? o.x
                                                             : o.w;
  const std::int64_t terms = pass == Pass::forward         ? s.kh * s.kw * s.ic / s.groups
                             : pass == Pass::backward_data ? s.kh * s.kw * s.oc / s.groups
                                                           : s.n * s.oh() * s.ow();
  add_job(entries, onednn.conv(s, pass, o.x.data(), o.w.data(), o.b.data(), o.y.data()),
          result.data(), result.size(), static_cast<double>(terms));
}

template <class T>
Entries prepare(const ConvShape& shape, Pass pass, const OneDnn* onednn) {
  const Operands<T> operands(shape);
  Entries entries(our_conv(shape, pass, operands));
  if constexpr (std::is_same_v<T, float>) {
    if (onednn != nullptr) add_onednn(entries, *onednn, shape, pass, operands);
  }
  return entries;
}

std::vector<Case> cases(const std::vector<NamedConv>& convs, const std::vector<std::string>& passes,
                        Precision precision, const OneDnn* onednn) {
  std::vector<Case> result;
  for (const NamedPass& named : kPasses) {
    if (std::find(passes.begin(), passes.end(), named.name) == passes.end()) continue;
    for (const NamedConv& conv : convs) {
      Case one;
      one.set = one.series = named.name;
      one.name = conv_name(conv) + ' ' + named.name;
      one.parameters = conv_parameters(conv.shape).add("pass", named.name);
      const std::int64_t terms = conv.shape.kh * conv.shape.kw * conv.shape.ic / conv.shape.groups;
      one.flops = 2.0 * static_cast<double>(conv.shape.y_size()) * static_cast<double>(terms);
      one.size = one.flops;
      one.prepare = [shape = conv.shape, pass = named.pass, precision, onednn] {
        return precision == Precision::f32 ? prepare<float>(shape, pass, onednn)
                                           : prepare<double>(shape, pass, onednn);
      };
      result.push_back(one);
    }
  }
  return result;
}

}  // namespace

std::vector<Case> usual_conv_cases() {
  return cases(named_convs(), pass_names(), Precision::f32, nullptr);
}

void run_conv(const Arguments& arguments) {
  RaceOptions options;
  ConvFlags shapes;
  OneDnnFlag vs;
  std::vector<std::string> passes = pass_names();
  std::string type = "f32";
  Options flags("conv", "measures convolutions; multiply-adds with padding zeros count as work");
  shapes.add_to(flags);
  shapes.add_groups_to(flags);
  flags.choices("pass", "forward (with bias and ReLU), gradients by data or by weights",
                pass_names(), passes);
  flags.choice("type", "type of the elements", {"f32", "f64"}, type);
  vs.add_to(flags);
  options.add_to(flags);
  if (!parse(flags, options, arguments)) return;

  const std::vector<NamedConv> convs = shapes.chosen(flags);
  const Precision precision = precision_named(type);
  apply(options);
  const OneDnn* onednn = vs.open(precision, options);
  Races races("conv", options, Rate::flops, precision, "floating-point operations of one call",
              onednn_peers(onednn, {{"oneDNN", "the layouts that it chooses"}}));
  races.run(cases(convs, passes, precision, onednn));
  races.finish();
}

}  // namespace nnkernels::bench
