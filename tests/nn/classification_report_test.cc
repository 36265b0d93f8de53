#include "nn/classification_report.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdint>

namespace nnkernels::nn {
namespace {

template <std::size_t N>
ConfusionMatrix matrix(const std::array<std::array<int, N>, N>& counts) {
  ConfusionMatrix result(static_cast<std::int32_t>(N));
  for (std::size_t i = 0; i < N; ++i) {
    for (std::size_t j = 0; j < N; ++j) {
      for (int k = 0; k < counts[i][j]; ++k) {
        result.add(static_cast<std::int32_t>(i), static_cast<std::int32_t>(j));
      }
    }
  }
  return result;
}

TEST(ClassificationReport, AgreesWithFiguresByHand) {
  // Columns sum to 4, 7, 1; rows to 5, 6, 1.
  const auto report = classification_report(matrix<3>({{{{3, 2, 0}}, {{1, 5, 0}}, {{0, 0, 1}}}}));
  ASSERT_EQ(report.classes.size(), 3u);
  EXPECT_DOUBLE_EQ(report.classes[0].precision, 3.0 / 4);
  EXPECT_DOUBLE_EQ(report.classes[0].recall, 3.0 / 5);
  EXPECT_DOUBLE_EQ(report.classes[0].f1, 2.0 / 3);  // 6 / 9
  EXPECT_EQ(report.classes[0].support, 5);
  EXPECT_DOUBLE_EQ(report.classes[1].precision, 5.0 / 7);
  EXPECT_DOUBLE_EQ(report.classes[1].recall, 5.0 / 6);
  EXPECT_DOUBLE_EQ(report.classes[1].f1, 10.0 / 13);
  EXPECT_EQ(report.classes[1].support, 6);
  EXPECT_DOUBLE_EQ(report.classes[2].f1, 1.0);
  EXPECT_DOUBLE_EQ(report.accuracy, 9.0 / 12);
  EXPECT_DOUBLE_EQ(report.macro.recall, (3.0 / 5 + 5.0 / 6 + 1) / 3);
  EXPECT_DOUBLE_EQ(report.macro.f1, (2.0 / 3 + 10.0 / 13 + 1) / 3);
  EXPECT_EQ(report.macro.support, 12);
  EXPECT_DOUBLE_EQ(report.weighted.precision, (5 * 3.0 / 4 + 6 * 5.0 / 7 + 1) / 12);
  EXPECT_DOUBLE_EQ(report.weighted.recall, report.accuracy);
  EXPECT_DOUBLE_EQ(report.weighted.f1, (5 * 2.0 / 3 + 6 * 10.0 / 13 + 1) / 12);
}

TEST(ClassificationReport, WhatIsUndefinedIsZero) {
  // Class 1 is never right, class 2 has no sample and is never predicted.
  const auto report = classification_report(matrix<3>({{{{4, 0, 0}}, {{2, 0, 0}}, {{0, 0, 0}}}}));
  for (const std::size_t i : {1, 2}) {
    EXPECT_EQ(report.classes[i].precision, 0) << i;
    EXPECT_EQ(report.classes[i].recall, 0) << i;
    EXPECT_EQ(report.classes[i].f1, 0) << i;
  }
  EXPECT_EQ(report.classes[2].support, 0);
  EXPECT_DOUBLE_EQ(report.macro.recall, 1.0 / 3);
  EXPECT_DOUBLE_EQ(report.weighted.precision, (4 * 4.0 / 6) / 6);

  const auto empty = classification_report(ConfusionMatrix(2));
  EXPECT_TRUE(std::isnan(empty.accuracy));
  EXPECT_EQ(empty.macro.f1, 0);
  EXPECT_EQ(empty.weighted.f1, 0);
  EXPECT_TRUE(classification_report(ConfusionMatrix()).classes.empty());
}

TEST(MostConfused, IsSortedAndBreaksTiesByClass) {
  const ConfusionMatrix confusion = matrix<3>({{{{9, 1, 4}}, {{4, 9, 0}}, {{1, 7, 9}}}});
  const auto pairs = most_confused(confusion, 10);
  ASSERT_EQ(pairs.size(), 5u);  // (1, 2) never happened
  const std::array<std::array<int, 3>, 5> expected = {
      {{2, 1, 7}, {0, 2, 4}, {1, 0, 4}, {0, 1, 1}, {2, 0, 1}}};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(pairs[i].truth, expected[i][0]) << i;
    EXPECT_EQ(pairs[i].predicted, expected[i][1]) << i;
    EXPECT_EQ(pairs[i].count, expected[i][2]) << i;
  }
  EXPECT_EQ(most_confused(confusion, 2).size(), 2u);
  EXPECT_TRUE(most_confused(ConfusionMatrix(3), 5).empty());
}

}  // namespace
}  // namespace nnkernels::nn
