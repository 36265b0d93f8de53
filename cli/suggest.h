// "Did you mean ...?" for words that were mistyped.
#ifndef NNKERNELS_CLI_SUGGEST_H_
#define NNKERNELS_CLI_SUGGEST_H_

#include <span>
#include <string>
#include <string_view>

namespace nnkernels::cli {

/// The one of `known` with the smallest edit distance to `word` (insertions, deletions,
/// substitutions and swaps of neighbours, each 1; case is ignored), or of which `word` is the
/// beginning. Empty if none is close: more than a third of the longer word would have to change.
std::string closest(std::string_view word, std::span<const std::string> known);

/// "; did you mean X?", or nothing if no word is close.
std::string did_you_mean(std::string_view word, std::span<const std::string> known);

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_SUGGEST_H_
