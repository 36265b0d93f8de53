// What is measured: one case, one row of a table.
#ifndef NNKERNELS_BENCH_CASE_H_
#define NNKERNELS_BENCH_CASE_H_

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "bench/report.h"

namespace nnkernels::bench {

/// Does something `times` times and returns the seconds that it took.
using Work = std::function<double(std::int64_t times)>;

/// The Work of calling body() again and again.
template <class Body>
Work timed(Body body) {
  return [body = std::move(body)](std::int64_t times) mutable {
    using Clock = std::chrono::steady_clock;
    const Clock::time_point begin = Clock::now();
    for (std::int64_t i = 0; i < times; ++i) {
      body();
      benchmark::ClobberMemory();
    }
    return std::chrono::duration<double>(Clock::now() - begin).count();
  };
}

/// The same job done in several ways.
struct Entries {
  Entries() = default;
  /// Ours alone. NOLINTNEXTLINE(google-explicit-constructor): that is what a Work is here.
  Entries(Work ours) { works.push_back(std::move(ours)); }

  std::vector<Work>
      works;  // ours first; one that cannot do the job is empty, or missing at the end
  /// How often each work is called in a turn; 0, or nothing, for as often as --min-time asks for.
  std::vector<std::int64_t> calls;
  /// Compares results: called for each work in turn after its first call, with its index. Returns
  /// how far its result is from that of work 0, in the unit of `tolerance`; a difference above
  /// that is a wrong result. May be empty.
  std::function<double(std::size_t work)> difference;
  double tolerance = 0;
};

/// One row of a table: what a call does, and how to get ready for it.
struct Case {
  std::string set;     // what means and worst cases are taken over; may be empty
  std::string series;  // what makes one picture of curves
  std::string name;
  Json parameters;             // the same for scripts
  double size = 0;             // its place on the x axis of the picture
  double flops = 0;            // floating-point operations of one call
  double bytes = 0;            // that one call must at least read and write
  std::int64_t footprint = 0;  // bytes of all operands: chooses the level of memory to compare with
  double items = 0;            // images of one call
  std::int64_t iterations = 0;  // 0: as many as --min-time asks for
  /// Allocates and fills the operands, which the works own; not timed.
  std::function<Entries()> prepare;
};

}  // namespace nnkernels::bench

#endif  // NNKERNELS_BENCH_CASE_H_
