// nnbench peak: the yardsticks themselves, for every number of threads.
#include "bench/commands.h"
#include "bench/memory_levels.h"
#include "bench/peak.h"
#include "bench/runner.h"
#include "kernels/parallel.h"

namespace nnkernels::bench {
namespace {

/// 1, 2, 4... and `most`.
std::vector<std::int64_t> thread_counts(std::int64_t most) {
  std::vector<std::int64_t> counts;
  for (std::int64_t count = 1; count < most; count *= 2) counts.push_back(count);
  counts.push_back(most);
  return counts;
}

/// Many short rounds: where others work too, at least some are not disturbed.
constexpr int kRounds = 24;

}  // namespace

void run_peak(const Arguments& arguments) {
  CommonOptions common;
  common.threads = thread_counts(threads());
  Options flags("peak",
                "measures what this machine can do: multiply-adds in registers and copies in each "
                "level of memory, for each number of threads");
  common.add_machine_to(flags);
  if (!parse(flags, common, arguments)) return;
  apply(common);
  announce("peak", common);

  const Table table({{"what", 24}, {"threads", 7}, {"speed", 8}, {"unit", 7}}, common.silent());
  std::vector<Json> flops, copies;
  for (const Precision precision : {Precision::f32, Precision::f64}) {
    for (const std::int64_t count : common.threads) {
      const Crew crew{static_cast<int>(count), !common.no_pin};
      const double rate = multiply_add_yardstick(precision, crew).measure(kRounds) * 1e-9;
      table.row({std::string("multiply-add ") + name(precision), std::to_string(count),
                 fixed(rate, 1), "GFLOP/s"});
      Json entry;
      entry.add("type", name(precision)).add("threads", count).add("gflops", rate);
      flops.push_back(entry);
    }
  }
  for (const std::int64_t count : common.threads) {
    const Crew crew{static_cast<int>(count), !common.no_pin};
    for (const MemoryLevel& level : memory_levels(crew.threads)) {
      const double rate = copy_yardstick(level.footprint, crew).measure(kRounds) * 1e-9;
      const auto footprint = static_cast<double>(level.footprint);
      table.row({"copy " + level.name + " (" + byte_size(footprint) + ")", std::to_string(count),
                 fixed(rate, 1), "GB/s"});
      Json entry;
      entry.add("level", level.name).add("threads", count).add("footprint_bytes", level.footprint);
      copies.push_back(entry.add("gigabytes_per_second", rate));
    }
  }
  save_json(document("peak", common).add("multiply_add", flops).add("copy", copies), common);
}

}  // namespace nnkernels::bench
