#include "kernels/im2col.h"

#include "bench/commands.h"
#include "bench/conv_shapes.h"
#include "bench/data.h"
#include "bench/races.h"
#include "bench/runner.h"

namespace nnkernels::bench {
namespace {

std::int64_t col_size(const ConvShape& shape) {
  return shape.n * shape.oh() * shape.ow() * shape.kh * shape.kw * shape.ic;
}

template <class T>
Entries prepare(const ConvShape& shape, bool forward) {
  const Array<T> x = random_array<T>(shape.x_size(), 1);
  const Array<T> col = random_array<T>(col_size(shape), 2);
  return forward ? timed([=] { im2col<T>(shape, x.data(), col.data()); })
                 : timed([=] { col2im<T>(shape, col.data(), x.data()); });
}

std::vector<Case> cases(const std::vector<NamedConv>& convs, Precision precision) {
  const std::int64_t element = precision == Precision::f32 ? sizeof(float) : sizeof(double);
  std::vector<Case> result;
  for (const NamedConv& conv : convs) {
    const ConvShape shape = conv.shape;
    for (const bool forward : {true, false}) {
      Case one;
      one.set = one.series = forward ? "im2col" : "col2im";
      one.name = conv_name(conv) + (forward ? " im2col" : " col2im");
      one.parameters = conv_parameters(shape).add("function", forward ? "im2col" : "col2im");
      one.footprint = (shape.x_size() + col_size(shape)) * element;
      one.bytes = one.size = static_cast<double>(one.footprint);
      one.prepare = [shape, forward, precision] {
        return precision == Precision::f32 ? prepare<float>(shape, forward)
                                           : prepare<double>(shape, forward);
      };
      result.push_back(one);
    }
  }
  return result;
}

}  // namespace

void run_im2col(const Arguments& arguments) {
  RaceOptions options;
  ConvFlags shapes;
  shapes.networks = {"mnist", "lenet", "resnet"};
  std::string type = "f32";
  Options flags("im2col", "measures im2col and col2im; bytes are those of image and matrix, once");
  shapes.add_to(flags);
  flags.choice("type", "type of the elements", {"f32", "f64"}, type);
  options.add_to(flags);
  if (!parse(flags, options, arguments)) return;

  const std::vector<NamedConv> convs = shapes.chosen(flags);
  apply(options);
  const Precision precision = precision_named(type);
  Races races("im2col", options, Rate::copies, precision, "bytes read and written by one call", {});
  races.run(cases(convs, precision));
  races.finish();
}

}  // namespace nnkernels::bench
