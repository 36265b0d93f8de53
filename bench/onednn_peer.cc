#include "bench/onednn_peer.h"

#include <cmath>
#include <cstddef>
#include <limits>
#include <memory>
#include <stdexcept>

#include "bench/library.h"

namespace nnkernels::bench {
namespace {

void* opened_library() {
  std::string reason;
  static void* const library = open_library(beside_nnbench("libnnbench_onednn.so"), reason);
  if (library == nullptr) {
    throw std::runtime_error(
        "--vs onednn: nnbench was built without oneDNN 2 (Debian: apt install libdnnl-dev, then "
        "configure and build again): " +
        reason);
  }
  return library;
}

double scaled_difference(const std::vector<float>& theirs, const std::vector<float>& ours) {
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    const double delta = static_cast<double>(theirs[i]) - static_cast<double>(ours[i]);
    difference += delta * delta;
    norm += static_cast<double>(ours[i]) * static_cast<double>(ours[i]);
  }
  constexpr double kUnit = std::numeric_limits<float>::epsilon() / 2;
  return difference == 0 ? 0 : std::sqrt(difference / norm) / kUnit;
}

}  // namespace

void OneDnnFlag::add_to(Options& options) {
  options.choice("vs", "race against oneDNN in its own layouts", {"onednn"}, vs);
}

const OneDnn* OneDnnFlag::open(Precision precision, const CommonOptions& options) const {
  if (vs.empty()) return nullptr;
  if (precision != Precision::f32) throw UsageError("--vs onednn: for --type f32 only");
  set_library_environment(options);
  return symbol<const OneDnn* (*)()>(opened_library(), "nnbench_onednn")();
}

std::vector<Peer> onednn_peers(const OneDnn* onednn, const std::vector<OneDnnForm>& forms) {
  std::vector<Peer> peers;
  if (onednn == nullptr) return peers;
  for (const OneDnnForm& form : forms) {
    peers.push_back({form.name, onednn->version() + ", " + form.layout,
                     uses_openmp(opened_library()),
                     [](int threads) { set_library_threads(opened_library(), threads); }});
  }
  return peers;
}

void add_job(Entries& entries, const OneDnn::Job& job, const float* ours, std::int64_t size,
             double terms) {
  entries.works.push_back(job.work);
  const auto results = std::make_shared<std::vector<float>>();
  entries.difference = [job, ours, size, results, others = entries.difference,
                        index = entries.works.size() - 1](std::size_t work) {
    const double other = others ? others(work) : 0.0;
    if (work == 0) results->assign(ours, ours + size);
    return work == index ? scaled_difference(job.result(), *results) : other;
  };
  entries.tolerance = 2.0 * (terms + 3);
}

}  // namespace nnkernels::bench
