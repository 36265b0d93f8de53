#include "fuzz/targets.h"

#include <array>
#include <cstdio>
#include <cstdlib>

namespace nnkernels::fuzz {

std::span<const Target> targets() {
  static constexpr std::array kTargets = {Target{"architecture", run_architecture},
                                          Target{"augmentation", run_augmentation},
                                          Target{"config", run_config},
                                          Target{"csv", run_csv},
                                          Target{"gzip", run_gzip},
                                          Target{"idx", run_idx},
                                          Target{"model", run_model},
                                          Target{"netpbm", run_netpbm},
                                          Target{"npy", run_npy},
                                          Target{"npz", run_npz},
                                          Target{"png", run_png},
                                          Target{"record", run_record},
                                          Target{"safetensors", run_safetensors},
                                          Target{"zip", run_zip}};
  return kTargets;
}

void require(bool holds, const char* property) {
  if (holds) return;
  std::fprintf(stderr, "violated: %s\n", property);
  std::abort();
}

void require_message(const nn::FileError& error) {
  const std::string_view what = error.what();
  require(what.starts_with(std::string(kPath) + ": ") && what.size() < 1000, "a short message");
  require(what.find('\n') == std::string_view::npos, "a message of one line");
}

}  // namespace nnkernels::fuzz
