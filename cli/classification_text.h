// What a classifier gets right and wrong, as text for a terminal. `names` are those of the classes.
#ifndef NNKERNELS_CLI_CLASSIFICATION_TEXT_H_
#define NNKERNELS_CLI_CLASSIFICATION_TEXT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "nn/classification_report.h"

namespace nnkernels::cli {

/// The number of classes up to which a confusion matrix still fits a wide terminal.
inline constexpr std::int32_t kMaxShownClasses = 26;

/// One row a true class, one column a predicted one; the last column is the share of the row on the
/// diagonal. Zeros off the diagonal are dots: what is left are the mistakes.
std::string confusion_table(const nn::ConfusionMatrix& confusion,
                            const std::vector<std::string>& names);

/// Precision, recall, F1 and support of each class, and their means.
std::string classification_table(const nn::ClassificationReport& report,
                                 const std::vector<std::string>& names);

/// A line a pair: "4 taken for 9: 12 times (1.22 % of all 4)".
std::string confused_text(const std::vector<nn::ConfusedPair>& pairs,
                          const nn::ClassificationReport& report,
                          const std::vector<std::string>& names);

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_CLASSIFICATION_TEXT_H_
