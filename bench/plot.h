// Pictures of speeds over sizes, as SVG.
#ifndef NNKERNELS_BENCH_PLOT_H_
#define NNKERNELS_BENCH_PLOT_H_

#include <string>
#include <vector>

namespace nnkernels::bench {

struct Point {
  double x = 0, y = 0;
};

struct Curve {
  std::string name;
  std::vector<Point> points;
};

/// One pair of axes: x logarithmic, y from 0.
struct Panel {
  std::string title;
  std::string x_axis, y_axis;  // labels, with units
  std::vector<Curve> curves;   // ours first, which is drawn strongest
  Curve limit;                 // what the machine can do, drawn dashed
};

/// An SVG document with the panels one below the other and one legend for all. It scales to any
/// width. Points are joined by lines where each size occurs once in a curve; where different shapes
/// have the same size they are left alone.
std::string svg(const std::string& title, const std::vector<Panel>& panels);

}  // namespace nnkernels::bench

#endif  // NNKERNELS_BENCH_PLOT_H_
