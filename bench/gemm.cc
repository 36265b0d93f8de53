#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "bench/blas.h"
#include "bench/commands.h"
#include "bench/gemm_cases.h"
#include "bench/gemm_shapes.h"
#include "bench/library.h"
#include "bench/races.h"
#include "bench/runner.h"

namespace nnkernels::bench {
namespace {

using Libraries = std::vector<std::shared_ptr<const Blas>>;

/// Opens the libraries. Throws UsageError if one has no product of that type.
Libraries open(const std::vector<std::string>& names, Precision precision,
               const CommonOptions& options) {
  set_library_environment(options);
  Libraries libraries;
  for (const std::string& name : names) {
    libraries.push_back(std::make_shared<const Blas>(name));
    const Blas& blas = *libraries.back();
    if (precision == Precision::f32 ? !blas.gemm<float>().any() : !blas.gemm<double>().any()) {
      throw UsageError("gemm: --vs " + name + ": no matrix product of type " +
                       bench::name(precision) + " in " + blas.description());
    }
  }
  return libraries;
}

std::vector<Peer> peers(const Libraries& libraries) {
  std::vector<Peer> result;
  for (const auto& library : libraries) {
    const auto same = std::count_if(result.begin(), result.end(), [&library](const Peer& peer) {
      return peer.name.starts_with(library->name());
    });
    const std::string name = library->name() + (same == 0 ? "" : ' ' + std::to_string(same + 1));
    result.push_back({name, library->description(), library->uses_openmp(),
                      [library](int threads) { library->set_threads(threads); }});
  }
  return result;
}

}  // namespace

std::vector<Case> usual_gemm_cases() {
  std::vector<Case> all;
  for (const std::string& list : gemm_list_names()) {
    const std::vector<Case> more =
        gemm_cases(gemm_list(list, {"nn"}), Precision::f32, /*cold=*/false, {});
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

void run_gemm(const Arguments& arguments) {
  RaceOptions options;
  GemmFlags shape_flags;
  std::string type = "f32";
  std::vector<std::string> caches = {"hot"};
  std::vector<std::string> names;
  Options flags("gemm", "measures the matrix product C = op(A) op(B), row-major");
  shape_flags.add_to(flags);
  flags.choice("type", "type of the elements", {"f32", "f64"}, type);
  flags.choices("cache",
                "hot: operands stay in the caches if they fit; cold: every call finds its own in "
                "memory",
                {"hot", "cold"}, caches);
  flags.texts("vs", "LIBRARY",
              "race against the BLAS in this shared library, or against onednn or eigen; may be "
              "repeated",
              names);
  options.add_to(flags);
  if (!parse(flags, options, arguments)) return;

  const std::vector<GemmShape> shapes = shape_flags.chosen(flags);
  const Precision precision = precision_named(type);
  apply(options);
  const Libraries libraries = open(names, precision, options);
  Races races("gemm", options, Rate::flops, precision, "size: cube root of m n k",
              peers(libraries));
  for (const std::string& cache : caches) {
    Json parameters;
    parameters.add("cache", cache);
    races.run(gemm_cases(shapes, precision, cache == "cold", libraries), cache + " caches",
              parameters);
  }
  races.finish();
}

}  // namespace nnkernels::bench
