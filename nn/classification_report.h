// What a confusion matrix says about each class: precision, recall, F1, and the pairs that are
// taken for each other.
#ifndef NNKERNELS_NN_CLASSIFICATION_REPORT_H_
#define NNKERNELS_NN_CLASSIFICATION_REPORT_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "nn/metrics.h"

namespace nnkernels::nn {

/// How one class is recognised, with tp samples of it taken for it, fp samples of other classes
/// taken for it, and fn samples of it taken for others:
///
///     precision = tp / (tp + fp)    recall = tp / (tp + fn)    f1 = 2 tp / (2 tp + fp + fn)
///
/// A quotient of 0 by 0 is 0. `support` is tp + fn, the samples of the class.
struct ClassMetrics {
  double precision = 0;
  double recall = 0;
  double f1 = 0;
  std::int64_t support = 0;
};

struct ClassificationReport {
  std::vector<ClassMetrics> classes;  // one each
  double accuracy = 0;                // NaN without samples
  /// The mean over all classes, also over those without a sample (C. J. van Rijsbergen's measures,
  /// macro-averaged); its support is the number of samples.
  ClassMetrics macro;
  /// The mean over all samples: each class counts by its support. All 0 without samples.
  ClassMetrics weighted;
};

/// The figures of scikit-learn's classification_report(labels=range(classes), zero_division=0).
/// Summed in double, in the order of the classes.
ClassificationReport classification_report(const ConfusionMatrix& confusion);

/// `count` samples of class `truth` were taken for class `predicted`.
struct ConfusedPair {
  std::int32_t truth = 0;
  std::int32_t predicted = 0;
  std::int64_t count = 0;
};

/// The most frequent mistakes, at most `k` kinds of them, the most frequent first; of equal counts
/// the smaller true class first, then the smaller predicted one. (a, b) and (b, a) are two kinds.
std::vector<ConfusedPair> most_confused(const ConfusionMatrix& confusion, std::size_t k);

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_CLASSIFICATION_REPORT_H_
