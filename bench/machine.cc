// nnbench peak: the yardsticks themselves, for every number of threads.
#include <iostream>

#include "bench/commands.h"
#include "bench/runner.h"
#include "kernels/parallel.h"

namespace nnkernels::bench {
namespace {

/// 1, 2, 4... and `most`.
std::vector<int> thread_counts(int most) {
  std::vector<int> counts;
  for (int count = 1; count < most; count *= 2) counts.push_back(count);
  counts.push_back(most);
  return counts;
}

}  // namespace

void run_peak(const Arguments& arguments) {
  CommonOptions common;
  common.threads = threads();
  Options flags("peak",
                "measures what this machine can do: multiply-adds in registers and copies in each "
                "level of memory, for 1, 2, 4... threads up to --threads");
  common.add_machine_to(flags);
  if (!parse(flags, common, arguments)) return;
  apply(common);
  announce("peak", common);

  const Table table({{"what", 24}, {"threads", 7}, {"speed", 8}, {"unit", 7}}, common.json);
  std::vector<Json> flops, copies;
  const std::vector<int> counts = thread_counts(static_cast<int>(common.threads));
  for (const Precision precision : {Precision::f32, Precision::f64}) {
    for (const int count : counts) {
      const double rate = measure_fma_peak(precision, {count, !common.no_pin}) * 1e-9;
      table.row({std::string("multiply-add ") + name(precision), std::to_string(count),
                 fixed(rate, 1), "GFLOP/s"});
      Json entry;
      entry.add("type", name(precision)).add("threads", count).add("gflops", rate);
      flops.push_back(entry);
    }
  }
  for (const int count : counts) {
    for (const CopySpeed& speed : measure_copy({count, !common.no_pin})) {
      const double rate = speed.bytes_per_second * 1e-9;
      const auto footprint = static_cast<double>(speed.footprint);
      table.row({"copy " + speed.level + " (" + byte_size(footprint) + ")", std::to_string(count),
                 fixed(rate, 1), "GB/s"});
      Json entry;
      entry.add("level", speed.level).add("threads", count).add("footprint_bytes", speed.footprint);
      copies.push_back(entry.add("gigabytes_per_second", rate));
    }
  }
  if (common.json) {
    Json report = document("peak", common);
    std::cout << report.add("multiply_add", flops).add("copy", copies).text() << '\n';
  }
}

}  // namespace nnkernels::bench
