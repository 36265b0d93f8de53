// `--vs onednn` of the commands that measure more than a matrix product.
#ifndef NNKERNELS_BENCH_ONEDNN_PEER_H_
#define NNKERNELS_BENCH_ONEDNN_PEER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "bench/onednn.h"
#include "bench/options.h"
#include "bench/peak.h"
#include "bench/races.h"

namespace nnkernels::bench {

/// The flag, and what it opens.
struct OneDnnFlag {
  std::string vs;

  void add_to(Options& options);
  /// nullptr unless the flag was given. Throws UsageError for another type than f32, and
  /// std::runtime_error, saying what to install, if nnbench was built without oneDNN.
  const OneDnn* open(Precision precision, const CommonOptions& options) const;
};

/// A form of its jobs in which oneDNN takes part.
struct OneDnnForm {
  std::string name;
  std::string layout;
};

/// Those that race; none if `onednn` is nullptr.
std::vector<Peer> onednn_peers(const OneDnn* onednn, const std::vector<OneDnnForm>& forms);

/// Adds oneDNN's job to `entries`, whose result is `ours` after our call: the difference is that of
/// the Euclidean norms, |theirs - ours| / (u |ours|), which `terms` roundings a number keep below
/// 2 (terms + 3). `ours` must live as long as the entries' works.
void add_job(Entries& entries, const OneDnn::Job& job, const float* ours, std::int64_t size,
             double terms);

}  // namespace nnkernels::bench

#endif  // NNKERNELS_BENCH_ONEDNN_PEER_H_
