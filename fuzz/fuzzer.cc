// One fuzzer: libFuzzer calls this with its inputs. The build says which target it is.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using nnkernels::fuzz::Target;
  static const Target& kTarget = *std::find_if(
      nnkernels::fuzz::targets().begin(), nnkernels::fuzz::targets().end(),
      [](const Target& t) { return std::string_view(t.name) == NNKERNELS_FUZZ_TARGET; });
  kTarget.run({data, size});
  return 0;
}
