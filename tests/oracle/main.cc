// The main program of random campaigns.
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/simd.h"
#include "tests/oracle/campaign.h"
#include "tests/support/each_simd.h"

namespace nnkernels::oracle {
namespace {

struct Settings {
  std::int64_t cases = -1;  // all of the campaign
  std::int64_t first = 0;
  std::int64_t seed = 1;
};

/// Where the stream of a case starts: a hash, since the streams of neighbouring seeds overlap.
std::uint64_t start(std::int64_t seed, std::int64_t index) {
  Values hash(static_cast<std::uint64_t>(seed));
  return Values(hash.bits() ^ static_cast<std::uint64_t>(index)).bits();
}

/// Whether every case was right.
bool run(const Campaign& campaign, const Settings& settings) {
  const std::vector<std::string> sets = available_simd();
  constexpr int kThreads[] = {1, 2, 3, 8};
  const std::int64_t end = settings.first + (settings.cases < 0 ? campaign.cases : settings.cases);
  std::int64_t wrong = 0;
  double ratio = 0, quality = 0;
  for (std::int64_t index = settings.first; index < end;) {
    const std::int64_t block = index / campaign.block;
    const auto set = static_cast<std::size_t>(block) % sets.size();
    const std::size_t threads = static_cast<std::size_t>(block) / sets.size() % std::size(kThreads);
    set_simd(sets[set]);
    const ForceThreads forced(kThreads[threads]);
    for (; index < end && index / campaign.block == block; ++index) {
      Values values(start(settings.seed, index));
      const Outcome outcome = campaign.run(values);
      ratio = std::max(ratio, outcome.ratio);
      quality = std::max(quality, outcome.quality);
      if (outcome.wrong.empty()) continue;
      ++wrong;
      if (wrong > 10) continue;
      std::printf("%s case %lld (%s, %d threads): %s: %s\n", campaign.name,
                  static_cast<long long>(index), sets[set].c_str(), kThreads[threads],
                  outcome.shape.c_str(), outcome.wrong.c_str());
    }
  }
  std::printf("%s: %lld cases from %lld, seed %lld, %zu instruction sets: %lld wrong",
              campaign.name, static_cast<long long>(end - settings.first),
              static_cast<long long>(settings.first), static_cast<long long>(settings.seed),
              sets.size(), static_cast<long long>(wrong));
  if (ratio > 0) std::printf("; largest error / bound %.3f", ratio);
  if (quality > 0) std::printf("; zero-mean %.2f u", quality);
  std::printf("\n");
  return wrong == 0;
}

int usage(const char* program) {
  std::fprintf(stderr,
               "usage: %s all|CAMPAIGN [--cases N] [--first N] [--seed N]\n"
               "--first I --cases 1 repeats case I. Campaigns, and their cases unless --cases:\n",
               program);
  for (const Campaign& campaign : campaigns()) {
    std::fprintf(stderr, "  %-18s %6lld %s\n", campaign.name,
                 static_cast<long long>(campaign.cases), campaign.what);
  }
  return 2;
}

bool parse(std::string_view text, std::int64_t& number) {
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && rest == text.data() + text.size() && number >= 0;
}

int main(int argc, char** argv) {
  const std::vector<std::string_view> words(argv + 1, argv + argc);
  if (words.size() % 2 != 1) return usage(argv[0]);
  Settings settings;
  for (std::size_t i = 1; i < words.size(); i += 2) {
    std::int64_t* const number = words[i] == "--cases"   ? &settings.cases
                                 : words[i] == "--first" ? &settings.first
                                 : words[i] == "--seed"  ? &settings.seed
                                                         : nullptr;
    if (number == nullptr || !parse(words[i + 1], *number)) return usage(argv[0]);
  }
  bool known = false, right = true;
  for (const Campaign& campaign : campaigns()) {
    if (words[0] != "all" && words[0] != campaign.name) continue;
    known = true;
    right = run(campaign, settings) && right;
  }
  if (!known) return usage(argv[0]);
  return right ? 0 : 1;
}

}  // namespace
}  // namespace nnkernels::oracle

int main(int argc, char** argv) {
  try {
    return nnkernels::oracle::main(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", argv[0], error.what());
    return 1;
  }
}
