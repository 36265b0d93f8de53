// nnbench packed and nnbench batched: the matrix product in other ways than by gemm() on what lies
// in memory, in turn with that.
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "bench/commands.h"
#include "bench/data.h"
#include "bench/gemm_operands.h"
#include "bench/gemm_referee.h"
#include "bench/gemm_shapes.h"
#include "bench/peak.h"
#include "bench/race.h"
#include "bench/runner.h"
#include "kernels/gemm.h"
#include "kernels/gemm_batched.h"
#include "kernels/gemm_packed.h"
#include "kernels/parallel.h"

namespace nnkernels::bench {
namespace {

/// Times the works of every case in turn, on every number of threads asked for. `ways` are their
/// names; the gain is the time of the first over that of the second.
void compare(const std::string& command, const CommonOptions& options,
             const std::vector<std::string>& ways, const std::vector<Case>& cases) {
  announce(command, options);
  std::size_t widest = 0;
  for (const Case& each : cases) widest = std::max(widest, each.name.size());
  std::vector<Table::Column> columns = {{"case", widest}, {"threads", 7}};
  for (const std::string& way : ways) columns.push_back({way, 8});
  columns.push_back({"gain", 5});
  const Table table(columns, options.silent());
  std::vector<Json> results;
  for (const std::int64_t threads : options.threads) {
    const auto get_ready = [threads] { set_threads(static_cast<int>(threads)); };
    std::vector<Contestant> contestants;
    contestants.reserve(ways.size());
    for (const std::string& way : ways) contestants.emplace_back(way, get_ready);
    for (const Case& each : cases) {
      const std::vector<Timing> timings =
          race(each.name, contestants, each.prepare(), nullptr, options, /*rest=*/false).timings;
      std::vector<std::string> cells = {each.name, std::to_string(threads)};
      Json result;
      result.add("name", each.name).add("parameters", each.parameters).add("threads", threads);
      for (std::size_t i = 0; i < ways.size(); ++i) {
        cells.push_back(duration(timings[i].seconds));
        result.add(ways[i] + "_seconds", timings[i].seconds);
      }
      const double gain = timings[0].seconds / timings[1].seconds;
      cells.push_back(fixed(gain, 2));
      table.row(cells);
      results.push_back(result.add("gain", gain));
    }
  }
  save_json(document(command, options).add("results", results), options);
}

/// gemm() with B as it lies, with B packed before, and the packing.
template <class T>
Entries packed_entries(const GemmShape& shape) {
  const GemmOperands<T> operands(shape, 0);
  const auto place = operands.next();
  const MatrixView<const T> a = operands.a_view(place), b = operands.b_view(place);
  const MatrixView<T> c(place.c, shape.m, shape.n);
  const auto packed = std::make_shared<PackedMatrix<T>>(b);
  const auto again = std::make_shared<PackedMatrix<T>>(b);
  Entries entries;
  entries.works = {timed([operands, a, b, c] { gemm(T{1}, a, b, T{0}, c); }),
                   timed([operands, a, packed, c] { gemm(T{1}, a, *packed, T{0}, c); }),
                   timed([operands, again, b] { again->pack(b); })};
  entries.difference = [referee = Referee<T>(operands)](std::size_t work) mutable {
    return work < 2 ? referee(work) : 0.0;  // packing alone leaves nothing to compare
  };
  entries.tolerance = Referee<T>::tolerance(shape.k);
  return entries;
}

/// A loop of gemm(), and gemm_batched(), on matrices that follow each other.
template <class T>
Entries batched_entries(const GemmShape& shape, std::int64_t batch) {
  const std::int64_t a_size = shape.m * shape.k, b_size = shape.k * shape.n,
                     c_size = shape.m * shape.n;
  const Array<T> a = random_array<T>(batch * a_size, 1), b = random_array<T>(batch * b_size, 2);
  const Array<T> c(batch * c_size);
  const auto product = [shape, a, b, c, a_size, b_size, c_size](std::int64_t i, auto use) {
    const T *ai = a.data() + i * a_size, *bi = b.data() + i * b_size;
    use(shape.transpose_a ? MatrixView<const T>(ai, shape.k, shape.m).transposed()
                          : MatrixView<const T>(ai, shape.m, shape.k),
        shape.transpose_b ? MatrixView<const T>(bi, shape.n, shape.k).transposed()
                          : MatrixView<const T>(bi, shape.k, shape.n),
        MatrixView<T>(c.data() + i * c_size, shape.m, shape.n));
  };
  Entries entries;
  entries.works = {timed([product, batch] {
                     for (std::int64_t i = 0; i < batch; ++i) {
                       product(i, [](const auto& ai, const auto& bi, const auto& ci) {
                         gemm(T{1}, ai, bi, T{0}, ci);
                       });
                     }
                   }),
                   timed([product, batch, a_size, b_size, c_size] {
                     product(0, [&](const auto& a0, const auto& b0, const auto& c0) {
                       gemm_batched(batch, T{1}, a0, a_size, b0, b_size, T{0}, c0, c_size);
                     });
                   })};
  // Numbers are at most 1, so |a_i| |b_j| <= k for rows of A and columns of B, as in Referee.
  entries.difference = [c, size = batch * c_size, k = shape.k,
                        loop = std::vector<T>()](std::size_t work) mutable {
    if (work == 0) loop.assign(c.data(), c.data() + size);
    double worst = 0;
    for (std::int64_t i = 0; i < size; ++i) {
      const double difference = std::abs(static_cast<double>(loop[static_cast<std::size_t>(i)]) -
                                         static_cast<double>(c.data()[i]));
      if (std::isnan(difference)) return HUGE_VAL;
      worst = std::max(worst, difference);
    }
    std::fill_n(c.data(), size, T{0});
    return worst / (std::numeric_limits<T>::epsilon() / 2 * static_cast<double>(k));
  };
  entries.tolerance = Referee<T>::tolerance(shape.k);
  return entries;
}

Case case_of(const GemmShape& shape, const std::string& type) {
  Case one;
  one.name = shape.name();
  one.parameters.add("type", type).add("layout", shape.layout());
  one.parameters.add("m", shape.m).add("n", shape.n).add("k", shape.k);
  return one;
}

}  // namespace

void run_packed(const Arguments& arguments) {
  CommonOptions common;
  GemmFlags shapes;
  shapes.lists = {"weights"};
  std::string type = "f32";
  Options flags("packed",
                "compares the matrix product with B packed before (PackedMatrix) with gemm(), and "
                "shows what the packing takes");
  shapes.add_to(flags);
  flags.choice("type", "type of the elements", {"f32", "f64"}, type);
  common.add_to(flags);
  if (!parse(flags, common, arguments)) return;

  const Precision precision = precision_named(type);
  std::vector<Case> cases;
  for (const GemmShape& shape : shapes.chosen(flags)) {
    cases.push_back(case_of(shape, type));
    cases.back().prepare = [shape, precision] {
      return precision == Precision::f32 ? packed_entries<float>(shape)
                                         : packed_entries<double>(shape);
    };
  }
  apply(common);
  compare("packed", common, {"plain", "packed", "pack"}, cases);
}

void run_batched(const Arguments& arguments) {
  CommonOptions common;
  std::int64_t batch = 96, m = 128, n = 128, k = 64;
  std::vector<std::string> layouts = {"nn"};
  std::string type = "f32";
  Options flags("batched",
                "compares gemm_batched() with a loop of gemm(); without a size, 96 products of "
                "128x128x64 and 12 of 128x64x128");
  constexpr std::int64_t kMost = 1 << 14;
  flags.integer("batch", "N", "products of one shape", batch, 1, kMost);
  flags.integer("m", "N", "rows of C", m, 1, kMost);
  flags.integer("n", "N", "columns of C", n, 1, kMost);
  flags.integer("k", "N", "length of the sums", k, 1, kMost);
  flags.choices("layout", "how A and B are stored, t for transposed", gemm_layouts(), layouts);
  flags.choice("type", "type of the elements", {"f32", "f64"}, type);
  common.add_to(flags);
  if (!parse(flags, common, arguments)) return;

  const Precision precision = precision_named(type);
  const bool one = flags.given("batch") || flags.given("m") || flags.given("n") || flags.given("k");
  std::vector<Case> cases;
  const auto add = [&](std::int64_t count, const GemmShape& shape) {
    cases.push_back(case_of(shape, type));
    cases.back().name += " times " + std::to_string(count);
    cases.back().parameters.add("batch", count);
    cases.back().prepare = [count, shape, precision] {
      return precision == Precision::f32 ? batched_entries<float>(shape, count)
                                         : batched_entries<double>(shape, count);
    };
  };
  for (const std::string& layout : layouts) {
    add(batch, with_layout("batched", layout, m, n, k));
    if (!one) add(12, with_layout("batched", layout, 128, 64, 128));
  }
  apply(common);
  compare("batched", common, {"loop", "batched"}, cases);
}

}  // namespace nnkernels::bench
