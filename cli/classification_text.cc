#include "cli/classification_text.h"

#include <algorithm>

#include "cli/output.h"

namespace nnkernels::cli {
namespace {

const std::string& at(const std::vector<std::string>& names, std::int32_t i) {
  return names[static_cast<std::size_t>(i)];
}

std::size_t longest(const std::vector<std::string>& names, std::size_t at_least) {
  for (const std::string& name : names) at_least = std::max(at_least, width_of(name));
  return at_least;
}

/// Columns are headed by the classes' numbers: names may be long. Where a row's name is not that
/// number, both stand in front of it.
std::vector<std::string> row_heads(const std::vector<std::string>& names) {
  std::vector<std::string> heads = names;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] != std::to_string(i)) heads[i] = names[i] + " " + std::to_string(i);
  }
  return heads;
}

std::string metrics_row(const std::string& head, std::size_t width, const nn::ClassMetrics& row) {
  return right(head, width) + right(percent(row.precision), 12) + right(percent(row.recall), 10) +
         right(percent(row.f1), 10) + right(grouped(row.support), 10) + "\n";
}

}  // namespace

std::string confusion_table(const nn::ConfusionMatrix& confusion,
                            const std::vector<std::string>& names) {
  const std::int32_t classes = confusion.classes();
  std::int64_t largest = classes - 1;
  for (std::int32_t i = 0; i < classes; ++i) {
    for (std::int32_t j = 0; j < classes; ++j) largest = std::max(largest, confusion.at(i, j));
  }
  constexpr std::int32_t kFew = 12;
  const std::size_t digits = std::to_string(largest).size();
  const std::size_t width = classes <= kFew ? std::max<std::size_t>(6, digits + 1) : digits + 1;
  const std::vector<std::string> heads = row_heads(names);
  const std::size_t head = longest(heads, 5);

  std::string table = "confusion matrix: a row is a true class, a column a predicted one\n" +
                      std::string(head, ' ');
  for (std::int32_t j = 0; j < classes; ++j) table += right(std::to_string(j), width);
  table += "    recall\n";
  for (std::int32_t i = 0; i < classes; ++i) {
    std::int64_t row = 0;
    table += right(at(heads, i), head);
    for (std::int32_t j = 0; j < classes; ++j) {
      const std::int64_t count = confusion.at(i, j);
      row += count;
      table += right(count == 0 && i != j ? "." : std::to_string(count), width);
    }
    const auto correct = static_cast<double>(confusion.at(i, i));
    table += right(row == 0 ? "-" : percent(correct / static_cast<double>(row)), 10) + "\n";
  }
  return table;
}

std::string classification_table(const nn::ClassificationReport& report,
                                 const std::vector<std::string>& names) {
  const std::size_t head = longest(names, 8);
  std::string table = right("class", head) + "   precision    recall        F1   support\n";
  for (std::size_t i = 0; i < names.size(); ++i) {
    table += metrics_row(names[i], head, report.classes[i]);
  }
  return table + metrics_row("macro", head, report.macro) +
         metrics_row("weighted", head, report.weighted);
}

std::string confused_text(const std::vector<nn::ConfusedPair>& pairs,
                          const nn::ClassificationReport& report,
                          const std::vector<std::string>& names) {
  if (pairs.empty()) return "no mistakes\n";
  std::string text = "most confused:\n";
  for (const nn::ConfusedPair& pair : pairs) {
    const auto support =
        static_cast<double>(report.classes[static_cast<std::size_t>(pair.truth)].support);
    text += "  " + at(names, pair.truth) + " taken for " + at(names, pair.predicted) + ": " +
            grouped(pair.count) + (pair.count == 1 ? " time (" : " times (") +
            percent(static_cast<double>(pair.count) / support) + " of all " +
            at(names, pair.truth) + ")\n";
  }
  return text;
}

}  // namespace nnkernels::cli
