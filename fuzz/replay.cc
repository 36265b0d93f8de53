// fuzz_replay TARGET CORPUS: runs one target over the files in CORPUS/TARGET, as its fuzzer would.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "fuzz/targets.h"
#include "nn/data/file.h"

int main(int argc, char** argv) {
  namespace fs = std::filesystem;
  using nnkernels::fuzz::Target;
  const std::span<const Target> targets = nnkernels::fuzz::targets();
  const std::string name = argc == 3 ? argv[1] : "";
  const auto target =
      std::find_if(targets.begin(), targets.end(), [&](const Target& t) { return t.name == name; });
  if (target == targets.end()) {
    std::fprintf(stderr, "usage: fuzz_replay TARGET CORPUS; targets are");
    for (const Target& each : targets) std::fprintf(stderr, " %s", each.name);
    std::fprintf(stderr, "\n");
    return 2;
  }
  int count = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(fs::path(argv[2]) / name)) {
    std::printf("%s\n", entry.path().c_str());  // the last one is the one that crashes
    std::fflush(stdout);
    target->run(nnkernels::nn::read_file(entry.path().string(), std::int64_t{1} << 20));
    ++count;
  }
  std::printf("%d files\n", count);
  return count > 0 ? 0 : 1;
}
