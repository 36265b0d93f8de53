#include "cli/machine.h"

#include <cstdlib>
#include <fstream>
#include <optional>
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
  std::optional<bool> pin = options.pin;
  try {
    if (options.threads != 0) {
      set_threads(options.threads);
    } else if (const std::optional<int> count = environment_threads()) {
      set_threads(*count);
    }
    if (!pin) pin = environment_pinning();
  } catch (const std::invalid_argument& error) {
    throw UsageError(error.what());
  }
  set_pinning(pin ? *pin : machine_is_free());
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
