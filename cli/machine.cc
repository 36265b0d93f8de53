#include "cli/machine.h"

#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "cli/exit_code.h"
#include "kernels/parallel.h"
#include "kernels/simd.h"

namespace nnkernels::cli {

void use_machine(const MachineOptions& options) {
  const char* variable = std::getenv("NNKERNELS_SIMD");
  const bool from_option = !options.simd.empty();
  const std::string name = from_option ? options.simd : variable == nullptr ? "" : variable;
  if (from_option || !name.empty()) {
    try {
      set_simd(name);
    } catch (const std::invalid_argument&) {
      std::string message = from_option ? "--simd" : "NNKERNELS_SIMD";
      message += ": no instruction set \"" + name + "\" here; there is";
      for (const std::string& known : available_simd()) message += " " + known;
      throw UsageError(message);
    }
  }
  if (options.threads != 0) set_threads(options.threads);
  set_pinning(options.pin);
}

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

}  // namespace nnkernels::cli
