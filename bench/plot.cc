#include "bench/plot.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include "bench/report.h"

namespace nnkernels::bench {
namespace {

// All lengths are in the units of the view box, which the viewer scales.
constexpr double kWidth = 800, kPanelHeight = 330;
constexpr double kLeft = 66, kRight = 20, kAbove = 34, kBelow = 56;
constexpr double kRoom = 0.25;  // beside the first and the last size: of log2
constexpr double kLegendLine = 22, kTitleHeight = 40;

/// Ours, then the peers: the palette of M. Okabe and K. Ito (2008), which the colour-blind can tell
/// apart, without its yellow, which does not show on white.
constexpr std::array<const char*, 6> kColours = {"#d55e00", "#0072b2", "#009e73",
                                                 "#cc79a7", "#56b4e9", "#e69f00"};
constexpr const char* kLimitColour = "#555555";

const char* colour(std::size_t curve) { return kColours[curve % kColours.size()]; }

std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '&') {
      result += "&amp;";
    } else if (c == '<') {
      result += "&lt;";
    } else if (c == '"') {
      result += "&quot;";
    } else {
      result += c;
    }
  }
  return result;
}

std::string number(double value) { return fixed(value, 1); }

std::string text(double x, double y, const std::string& attributes, const std::string& content) {
  return "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" " + attributes + ">" +
         escaped(content) + "</text>\n";
}

std::string line(double x1, double y1, double x2, double y2, const std::string& attributes) {
  return "<line x1=\"" + number(x1) + "\" y1=\"" + number(y1) + "\" x2=\"" + number(x2) +
         "\" y2=\"" + number(y2) + "\" " + attributes + "/>\n";
}

std::string stroke(const char* colour, const char* width, const char* more = "") {
  return std::string("stroke=\"") + colour + "\" stroke-width=\"" + width + R"(" fill="none" )" +
         more;
}

/// Each curve has its own mark, for prints without colour.
std::string mark(std::size_t curve, Point at) {
  const char* fill = colour(curve);
  if (curve == 0) {
    return "<circle cx=\"" + number(at.x) + "\" cy=\"" + number(at.y) + R"(" r="4" fill=")" + fill +
           "\"/>\n";
  }
  constexpr std::array<const char*, 4> kShapes = {"M-3.5-3.5h7v7h-7z", "M0-4.5L4.5 3.5H-4.5z",
                                                  "M0-5L5 0L0 5L-5 0z", "M-4-4L4 4M-4 4L4-4"};
  return std::string("<path transform=\"translate(") + number(at.x) + ' ' + number(at.y) +
         ")\" d=\"" + kShapes[(curve - 1) % kShapes.size()] + "\" " + stroke(fill, "1.6") + "/>\n";
}

/// 1, 2 or 5 times a power of ten, such that at most about `most` steps fill `range`.
double step_of(double range, int most) {
  const double least = range / most;
  const double power = std::pow(10.0, std::floor(std::log10(least)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= least) return factor * power;
  }
  return 10 * power;
}

/// "4", "1024", "16k", "2M": sizes on an axis.
std::string short_number(double value) {
  if (value < 1e4) return fixed(value, value < 1 ? 2 : 0);
  if (value < 1e6) return fixed(value * 1e-3, 0) + 'k';
  if (value < 1e9) return fixed(value * 1e-6, 0) + 'M';
  return fixed(value * 1e-9, 0) + 'G';
}

/// The axes of one panel, and where they put a point.
class Axes {
 public:
  Axes(const Panel& panel, double top) : top_(top + kAbove), bottom_(top + kPanelHeight - kBelow) {
    double low = HUGE_VAL, high = 0;
    const auto include = [&](const Curve& curve) {
      for (const Point& point : curve.points) {
        low = std::min(low, point.x);
        high = std::max(high, point.x);
        highest_ = std::max(highest_, point.y);
      }
    };
    for (const Curve& curve : panel.curves) include(curve);
    include(panel.limit);
    // A little room on both sides, and something to divide by where there is one size only.
    low_ = std::log2(low) - kRoom;
    high_ = std::log2(high) + kRoom;
    // Not before highest_ is known. NOLINTNEXTLINE(cppcoreguidelines-prefer-member-initializer)
    step_ = step_of(highest_ * 1.02, 6);
    highest_ = step_ * std::ceil(highest_ * 1.02 / step_);
  }

  Point place(Point point) const {
    return {kLeft + (std::log2(point.x) - low_) / (high_ - low_) * (kWidth - kLeft - kRight),
            bottom_ - point.y / highest_ * (bottom_ - top_)};
  }

  /// Powers of two for sizes of matrices; of ten, with their doubles and halves if there is room,
  /// for bytes and operations.
  std::vector<double> ticks() const {
    constexpr double kLarge = 1e5;
    std::vector<double> all;
    const auto add = [&](double x) {
      if (std::log2(x) >= low_ && std::log2(x) <= high_) all.push_back(x);
    };
    if (high_ < std::log2(kLarge)) {
      // Powers of two are exact.
      // NOLINTNEXTLINE(cert-flp30-c,clang-analyzer-security.FloatLoopCounter)
      for (double x = 1; x < kLarge; x *= 2) add(x);
    } else {
      const bool room = high_ - low_ < 2 * std::log2(10.0);
      // So are these of ten. NOLINTNEXTLINE(cert-flp30-c,clang-analyzer-security.FloatLoopCounter)
      for (double x = 1; x < 1e18; x *= 10) {
        add(x);
        if (room) add(2 * x);
        if (room) add(5 * x);
      }
    }
    if (all.empty()) all.push_back(std::exp2((low_ + high_) / 2));
    return all;
  }

  std::string draw(const Panel& panel) const {
    std::string out = text(kLeft, top_ - 12, "font-weight=\"bold\"", panel.title);
    const int lines = static_cast<int>(std::lround(highest_ / step_));
    for (int i = 0; i <= lines; ++i) {
      const double y = i * step_;
      const double at = place({1, y}).y;
      out += line(kLeft, at, kWidth - kRight, at, stroke("#dddddd", "1"));
      out += text(kLeft - 8, at + 4, "text-anchor=\"end\"", fixed(y, step_ < 1 ? 1 : 0));
    }
    for (const double x : ticks()) {
      const double at = place({x, 0}).x;
      out += line(at, bottom_, at, bottom_ + 5, stroke("#333333", "1"));
      out += text(at, bottom_ + 20, "text-anchor=\"middle\"", short_number(x));
    }
    out += line(kLeft, bottom_, kWidth - kRight, bottom_, stroke("#333333", "1"));
    const double middle = (kLeft + kWidth - kRight) / 2;
    out += text(middle, bottom_ + 42, "text-anchor=\"middle\"", panel.x_axis);
    const double half = (top_ + bottom_) / 2;
    return out + text(16, half,
                      R"(text-anchor="middle" transform="rotate(-90 16 )" + number(half) + ")\"",
                      panel.y_axis);
  }

 private:
  double top_, bottom_;
  double low_ = 0, high_ = 0;  // of log2(x)
  double highest_ = 0, step_ = 1;
};

std::vector<Point> sorted(std::vector<Point> points) {
  std::sort(points.begin(), points.end(), [](const Point& a, const Point& b) { return a.x < b.x; });
  return points;
}

/// The limit of a single size goes all the way across: a line needs two points.
std::vector<Point> limit_line(const Curve& limit) {
  std::vector<Point> points = sorted(limit.points);
  if (points.empty() || points.front().x < points.back().x) return points;
  const auto [x, y] = points.front();
  return {{x / std::exp2(kRoom), y}, {x * std::exp2(kRoom), y}};
}

bool joined(const std::vector<Point>& points) {
  return std::adjacent_find(points.begin(), points.end(), [](const Point& a, const Point& b) {
           return a.x == b.x;
         }) == points.end();
}

std::string polyline(const Axes& axes, const std::vector<Point>& points,
                     const std::string& attributes) {
  std::string out = "<polyline points=\"";
  for (const Point& point : points) {
    const Point at = axes.place(point);
    out += number(at.x) + ',' + number(at.y) + ' ';
  }
  return out + "\" " + attributes + "/>\n";
}

std::string draw(const Panel& panel, double top) {
  const Axes axes(panel, top);
  std::string out = axes.draw(panel);
  out += polyline(axes, limit_line(panel.limit),
                  stroke(kLimitColour, "1.5", "stroke-dasharray=\"6 4\""));
  // Ours last, on top of the others.
  for (std::size_t i = panel.curves.size(); i-- > 0;) {
    const std::vector<Point> points = sorted(panel.curves[i].points);
    if (joined(points)) {
      out += polyline(axes, points, stroke(colour(i), i == 0 ? "2.6" : "1.5"));
    }
    for (const Point& point : points) out += mark(i, axes.place(point));
  }
  return out;
}

std::string legend(const Panel& panel, double top) {
  std::string out;
  double x = kLeft;
  const auto entry = [&](const std::string& name) {
    out += text(x + 36, top + 4, "", name);
    // About as wide as the letters of a sans-serif font.
    x += 64 + 7.2 * static_cast<double>(name.size());
  };
  for (std::size_t i = 0; i < panel.curves.size(); ++i) {
    out += line(x, top, x + 28, top, stroke(colour(i), i == 0 ? "2.6" : "1.5"));
    out += mark(i, {x + 14, top});
    entry(panel.curves[i].name);
  }
  out += line(x, top, x + 28, top, stroke(kLimitColour, "1.5", "stroke-dasharray=\"6 4\""));
  entry(panel.limit.name);
  return out;
}

}  // namespace

std::string svg(const std::string& title, const std::vector<Panel>& panels) {
  const double above = kTitleHeight + kLegendLine;
  const double height = above + kPanelHeight * static_cast<double>(panels.size());
  std::string out = R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 )" + number(kWidth) +
                    ' ' + number(height) +
                    "\" width=\"100%\" font-family=\"sans-serif\" font-size=\"13\">\n"
                    "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n";
  out += text(kLeft, 26, R"(font-size="16" font-weight="bold")", title);
  if (!panels.empty()) out += legend(panels.front(), kTitleHeight + kLegendLine / 2);
  double top = above;
  for (const Panel& panel : panels) {
    out += draw(panel, top);
    top += kPanelHeight;
  }
  return out + "</svg>\n";
}

}  // namespace nnkernels::bench
