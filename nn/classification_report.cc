#include "nn/classification_report.h"

#include <algorithm>
#include <tuple>

namespace nnkernels::nn {
namespace {

double ratio(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

void add(ClassMetrics& sum, const ClassMetrics& each, double weight) {
  sum.precision += weight * each.precision;
  sum.recall += weight * each.recall;
  sum.f1 += weight * each.f1;
}

}  // namespace

ClassificationReport classification_report(const ConfusionMatrix& confusion) {
  const std::int32_t classes = confusion.classes();
  const std::int64_t total = confusion.total();
  ClassificationReport report;
  report.accuracy = confusion.accuracy();
  report.macro.support = total;
  report.weighted.support = total;
  report.classes.reserve(static_cast<std::size_t>(classes));
  for (std::int32_t i = 0; i < classes; ++i) {
    std::int64_t of_class = 0;
    std::int64_t taken_for_it = 0;
    for (std::int32_t j = 0; j < classes; ++j) {
      of_class += confusion.at(i, j);
      taken_for_it += confusion.at(j, i);
    }
    const std::int64_t right = confusion.at(i, i);
    report.classes.push_back({.precision = ratio(right, taken_for_it),
                              .recall = ratio(right, of_class),
                              .f1 = ratio(2 * right, of_class + taken_for_it),
                              .support = of_class});
    add(report.macro, report.classes.back(), 1.0 / classes);
    add(report.weighted, report.classes.back(), ratio(of_class, total));
  }
  return report;
}

std::vector<ConfusedPair> most_confused(const ConfusionMatrix& confusion, std::size_t k) {
  std::vector<ConfusedPair> pairs;
  for (std::int32_t i = 0; i < confusion.classes(); ++i) {
    for (std::int32_t j = 0; j < confusion.classes(); ++j) {
      if (i != j && confusion.at(i, j) > 0) pairs.push_back({i, j, confusion.at(i, j)});
    }
  }
  const auto before = [](const ConfusedPair& a, const ConfusedPair& b) {
    return std::tuple(-a.count, a.truth, a.predicted) < std::tuple(-b.count, b.truth, b.predicted);
  };
  std::sort(pairs.begin(), pairs.end(), before);
  pairs.resize(std::min(pairs.size(), k));
  return pairs;
}

}  // namespace nnkernels::nn
