// Line charts as SVG, for the page of cli/report.h.
#ifndef NNKERNELS_CLI_REPORT_CHART_H_
#define NNKERNELS_CLI_REPORT_CHART_H_

#include <string>
#include <vector>

#include "cli/html.h"

namespace nnkernels::cli {

struct ChartPoint {
  double x = 0;
  double y = 0;
};

struct ChartLine {
  std::string name;
  std::string style;               // a class of the page's style sheet
  std::vector<ChartPoint> points;  // x rises
};

struct ChartOptions {
  std::string title;
  bool percent = false;  // y is a fraction, shown in per cent
};

/// Adds a figure with a title, a legend and the lines over the epochs. Lines without points are
/// left out, points that are not finite too; with nothing left, nothing is added. A single point is
/// drawn as a dot; lines of many points are thinned out to the highest and lowest of each stretch.
/// The y axis is logarithmic where the values are positive and span more than a factor of 50.
void add_chart(HtmlWriter& html, const ChartOptions& options, std::vector<ChartLine> lines);

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_REPORT_CHART_H_
