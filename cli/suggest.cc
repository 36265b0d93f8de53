#include "cli/suggest.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <vector>

namespace nnkernels::cli {
namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

/// Optimal string alignment: the Damerau-Levenshtein distance in which no substring is edited
/// twice. d[i][j] is the distance of the first i characters of a and the first j of b.
std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substitute = d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      d[i][j] = std::min({substitute, d[i - 1][j] + 1, d[i][j - 1] + 1});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

}  // namespace

std::string closest(std::string_view word, std::span<const std::string> known) {
  // The table is quadratic, and nobody mistypes a word this long.
  constexpr std::size_t kLongest = 64;
  if (word.size() > kLongest) return {};
  const std::string wanted = lower(word);
  std::string best;
  std::size_t best_distance = kLongest;
  for (const std::string& candidate : known) {
    const std::string name = lower(candidate);
    // A beginning counts as one edit, but not "--", which every option begins with.
    const bool beginning = wanted.size() >= 4 && name.starts_with(wanted);
    const std::size_t edits = beginning ? 1 : distance(wanted, name);
    if (edits < best_distance && edits * 3 <= std::max(wanted.size(), name.size())) {
      best = candidate;
      best_distance = edits;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view word, std::span<const std::string> known) {
  const std::string best = closest(word, known);
  return best.empty() ? best : "; did you mean " + best + "?";
}

}  // namespace nnkernels::cli
