// torch_cases OUT.npz [--cases N] [--first N] [--seed N]: see torch_cases.h. A case depends on the
// seed and its number alone, its instruction set and its number of threads (1 or 2) included.
#include "tests/oracle/torch_cases.h"

#include <charconv>
#include <cstdio>
#include <exception>
#include <string_view>

#include "kernels/simd.h"
#include "nn/data/file.h"
#include "tests/support/each_simd.h"

namespace nnkernels::oracle {
namespace {

struct Settings {
  std::int64_t cases = 760;
  std::int64_t first = 0;
  std::int64_t seed = 1;
};

void write_cases(const char* path, const Settings& settings) {
  std::vector<Kind> kinds;
  for (const auto& some : {kernel_kinds(), layer_kinds(), loss_kinds()}) {
    kinds.insert(kinds.end(), some.begin(), some.end());
  }
  const std::vector<std::string> sets = available_simd();
  nn::ZipWriter archive;
  for (std::int64_t i = settings.first; i < settings.first + settings.cases; ++i) {
    const auto number = static_cast<std::size_t>(i);
    const Kind& kind = kinds[number % kinds.size()];
    const std::size_t round = number / kinds.size();
    set_simd(sets[round % sets.size()]);
    const ForceThreads forced(1 + static_cast<int>(round / sets.size() % 2));
    Values hash(static_cast<std::uint64_t>(settings.seed));
    Values values(Values(hash.bits() ^ static_cast<std::uint64_t>(i)).bits());
    CaseArrays out(archive, std::to_string(i) + "." + kind.name + ".");
    (values.integer(0, 3) == 0 ? kind.in_double : kind.in_float)(values, out);
  }
  nn::write_file_atomically(path, archive.finish());
}

int usage() {
  std::fprintf(stderr, "usage: torch_cases OUT.npz [--cases N] [--first N] [--seed N]\n");
  return 2;
}

bool parse(std::string_view text, std::int64_t& number) {
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && rest == text.data() + text.size() && number >= 0;
}

int main(int argc, char** argv) {
  if (argc < 2 || argc % 2 != 0) return usage();
  Settings settings;
  for (int i = 2; i < argc; i += 2) {
    const std::string_view word = argv[i];
    std::int64_t* const number = word == "--cases"   ? &settings.cases
                                 : word == "--first" ? &settings.first
                                 : word == "--seed"  ? &settings.seed
                                                     : nullptr;
    if (number == nullptr || !parse(argv[i + 1], *number)) return usage();
  }
  write_cases(argv[1], settings);
  return 0;
}

}  // namespace
}  // namespace nnkernels::oracle

int main(int argc, char** argv) {
  try {
    return nnkernels::oracle::main(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "torch_cases: %s\n", error.what());
    return 1;
  }
}
