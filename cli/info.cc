#include <sched.h>

#include <string>
#include <system_error>
#include <vector>

#include "cli/commands.h"
#include "cli/dataset.h"
#include "cli/exit_code.h"
#include "cli/json_writer.h"
#include "cli/machine.h"
#include "cli/output.h"
#include "kernels/parallel.h"
#include "kernels/simd.h"

namespace nnkernels::cli {
namespace {

int allowed_cpus() {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
}

/// The bundled data's folder, or an empty path: info is what people run when something is missing.
std::string data_folder() {
  for (const std::filesystem::path& place : bundled_data_places("mnist")) {
    std::error_code error;
    if (std::filesystem::is_directory(place, error)) return place.string();
  }
  return {};
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

}  // namespace

int info(const InfoOptions& options) {
  const int cpus = allowed_cpus();  // before this thread is bound to one of them
  use_machine(options.machine);
  if (options.json) {
    JsonWriter json;
    json.begin_object()
        .member("version", NNKERNELS_VERSION)
        .member("simd", simd())
        .member("simd_available", available_simd())
        .member("threads", threads())
        .member("pin", pinning())
        .member("cpus", cpus)
        .member("cpu", cpu_name())
        .member("data", data_folder())
        .end_object();
    print(json.str() + "\n");
    return kSuccess;
  }
  const std::string data = data_folder();
  print(std::string("version          ") + NNKERNELS_VERSION + "\ninstruction set  " + simd() +
        " (available: " + joined(available_simd()) + ")\nthreads          " +
        std::to_string(threads()) +
        (pinning() ? "\npinned           yes" : "\npinned           no") + "\nCPU              " +
        cpu_name() + ", " + std::to_string(cpus) + " usable\ndata             " +
        (data.empty() ? "not found" : data) + "\n");
  return kSuccess;
}

}  // namespace nnkernels::cli
