#include "kernels/gemm.h"

#include <string>
#include <vector>

#include "bench/commands.h"
#include "bench/gemm_operands.h"
#include "bench/gemm_race.h"
#include "bench/gemm_shapes.h"
#include "bench/runner.h"

namespace nnkernels::bench {
namespace {

template <class T>
std::vector<Case> cases(const std::vector<GemmShape>& shapes) {
  std::vector<Case> result;
  for (const GemmShape& shape : shapes) {
    Case one;
    one.name = shape.name();
    one.parameters = gemm_parameters(shape);
    one.flops = shape.flops();
    one.prepare = [shape] { return our_gemm(GemmOperands<T>(shape), Array<T>(shape.m * shape.n)); };
    result.push_back(one);
  }
  return result;
}

struct ShapeFlags {
  std::int64_t m = 256, n = 256, k = 256;
  std::vector<std::string> layouts = {"nn"};
  std::vector<std::string> lists = {"squares"};

  void add_to(Options& flags) {
    constexpr std::int64_t kMost = 1 << 20;
    flags.choices("shapes", "lists of shapes", gemm_list_names(), lists);
    flags.integer("m", "N", "rows of C; --m, --n or --k replace the lists by one shape", m, 1,
                  kMost);
    flags.integer("n", "N", "columns of C", n, 1, kMost);
    flags.integer("k", "N", "length of the sums", k, 1, kMost);
    flags.choices("layout",
                  "how A and B are stored, t for transposed; the lists mlp and conv have their own",
                  gemm_layouts(), layouts);
  }

  std::vector<GemmShape> chosen(const Options& flags) const {
    std::vector<GemmShape> shapes;
    if (flags.given("m") || flags.given("n") || flags.given("k")) {
      if (flags.given("shapes")) throw UsageError("gemm: --shapes excludes --m, --n and --k");
      for (const std::string& layout : layouts) shapes.push_back(with_layout(layout, m, n, k));
    } else {
      for (const std::string& list : lists) {
        const std::vector<GemmShape> more = gemm_list(list, layouts);
        shapes.insert(shapes.end(), more.begin(), more.end());
      }
    }
    return shapes;
  }
};

}  // namespace

Json gemm_parameters(const GemmShape& shape) {
  Json json;
  json.add("layout", shape.layout()).add("m", shape.m).add("n", shape.n).add("k", shape.k);
  return json;
}

void run_gemm(const Arguments& arguments) {
  CommonOptions common;
  ShapeFlags shape_flags;
  std::string type = "f32";
  std::vector<std::string> peers;
  Options flags("gemm", "measures the matrix product C = op(A) op(B), row-major");
  shape_flags.add_to(flags);
  flags.choice("type", "type of the elements", {"f32", "f64"}, type);
  flags.texts("vs", "LIBRARY.so", "race against the BLAS in this shared library; may be repeated",
              peers);
  common.add_to(flags);
  if (!parse(flags, common, arguments)) return;

  const std::vector<GemmShape> shapes = shape_flags.chosen(flags);
  const Precision precision = precision_named(type);
  apply(common);
  if (!peers.empty()) return race_gemm(shapes, peers, precision, common);
  run_cases("gemm", common, Rate::flops, precision,
            precision == Precision::f32 ? cases<float>(shapes) : cases<double>(shapes));
}

}  // namespace nnkernels::bench
