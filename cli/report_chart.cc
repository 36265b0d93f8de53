#include "cli/report_chart.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "cli/output.h"

namespace nnkernels::cli {
namespace {

// The picture is scaled to its column, 300 to 550 pixels wide: a text of 13 stays readable.
constexpr double kWidth = 420;
constexpr double kHeight = 270;
constexpr double kLeft = 56;
constexpr double kRight = 408;
constexpr double kTop = 10;
constexpr double kBottom = 230;

struct Range {
  double low;
  double high;
};

struct Tick {
  double at;
  std::string text;
};

/// Rounded to a tenth of a unit of the picture.
std::string place(double value) {
  std::string text = fixed(value, 1);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text;
}

/// Four digits: 0.0125, 1.2e-05.
std::string short_number(double value) {
  std::array<char, 32> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                 std::chars_format::general, 4);
  return {buffer.data(), end.ptr};
}

std::string value_text(double value, bool as_percent) {
  return as_percent ? percent(value) : short_number(value);
}

/// One of 1, 2, 5 times a power of ten, at least `least`.
double round_step(double least) {
  const double power = std::pow(10, std::floor(std::log10(least)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= least * (1 - 1e-9)) return factor * power;
  }
  return 10 * power;
}

/// Round values from range.low to range.high, `most` or so of them.
std::vector<Tick> linear_ticks(Range range, int most, bool as_percent, double smallest_step = 0) {
  const double factor = as_percent ? 100 : 1;
  const double width = (range.high - range.low) * factor;
  const double step = std::max(round_step(width / most), smallest_step);
  const int digits = std::clamp(static_cast<int>(-std::floor(std::log10(step) + 1e-9)), 0, 9);
  std::vector<Tick> ticks;
  const auto first = static_cast<std::int64_t>(std::ceil(range.low * factor / step - 1e-9));
  const auto last = static_cast<std::int64_t>(std::floor(range.high * factor / step + 1e-9));
  ticks.reserve(static_cast<std::size_t>(std::max<std::int64_t>(0, last - first + 1)));
  for (std::int64_t i = first; i <= last; ++i) {
    const double value = static_cast<double>(i) * step;
    const bool tiny = step < 1e-4;
    ticks.push_back({value / factor, (tiny ? short_number(value) : fixed(value, digits)) +
                                         (as_percent ? " %" : "")});
  }
  return ticks;
}

/// Powers of ten; their 2 and 5 times too where there are few of them.
std::vector<Tick> logarithmic_ticks(Range range) {
  const bool few = range.high / range.low < 1e3;
  std::vector<Tick> ticks;
  const auto last = static_cast<int>(std::floor(std::log10(range.high)));
  for (auto power = static_cast<int>(std::floor(std::log10(range.low))); power <= last; ++power) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double value = factor * std::pow(10, power);
      const bool inside = value >= range.low * (1 - 1e-9) && value <= range.high * (1 + 1e-9);
      if (inside && (few || factor < 1.5)) ticks.push_back({value, short_number(value)});
    }
  }
  return ticks;
}

/// Where values lie in the picture.
class Axes {
 public:
  Axes(const std::vector<ChartLine>& lines, bool as_percent) : x_{1e300, -1e300}, y_{x_} {
    for (const ChartLine& line : lines) {
      for (const ChartPoint& point : line.points) {
        x_ = {std::min(x_.low, point.x), std::max(x_.high, point.x)};
        y_ = {std::min(y_.low, point.y), std::max(y_.high, point.y)};
      }
    }
    if (!as_percent && y_.low > 0 && y_.high > 50 * y_.low) logarithmic_ = true;
    if (x_.low == x_.high) x_ = {x_.low - 1, x_.high + 1};
    if (logarithmic_) {
      y_ = {y_.low / 1.1, y_.high * 1.1};
    } else {
      const double margin =
          y_.low == y_.high ? std::max(std::abs(y_.low) / 10, 1e-6) : (y_.high - y_.low) / 20;
      // No room for what cannot be: a loss below zero, an accuracy above one.
      const double floor = y_.low >= 0 ? 0 : y_.low - margin;
      const double ceiling = as_percent && y_.high <= 1 ? 1 : y_.high + margin;
      y_ = {std::max(floor, y_.low - margin), std::min(ceiling, y_.high + margin)};
    }
  }

  double x(double value) const {
    return kLeft + (value - x_.low) / (x_.high - x_.low) * (kRight - kLeft);
  }
  double y(double value) const {
    const double share = logarithmic_ ? std::log(value / y_.low) / std::log(y_.high / y_.low)
                                      : (value - y_.low) / (y_.high - y_.low);
    return kBottom - share * (kBottom - kTop);
  }
  bool logarithmic() const { return logarithmic_; }
  std::vector<Tick> x_ticks() const { return linear_ticks(x_, 6, false, 1); }
  std::vector<Tick> y_ticks(bool as_percent) const {
    return logarithmic_ ? logarithmic_ticks(y_) : linear_ticks(y_, 5, as_percent);
  }

 private:
  Range x_;
  Range y_;
  bool logarithmic_ = false;
};

/// The lowest and the highest point of each of some 300 stretches, in their order.
std::vector<ChartPoint> thinned(const std::vector<ChartPoint>& points) {
  constexpr std::size_t kStretches = 300;
  if (points.size() <= 2 * kStretches) return points;
  std::vector<ChartPoint> kept;
  kept.reserve(2 * kStretches);
  for (std::size_t i = 0; i < kStretches; ++i) {
    const auto begin = points.begin() + static_cast<std::ptrdiff_t>(i * points.size() / kStretches);
    const auto end =
        points.begin() + static_cast<std::ptrdiff_t>((i + 1) * points.size() / kStretches);
    auto [first, second] = std::minmax_element(
        begin, end, [](const ChartPoint& a, const ChartPoint& b) { return a.y < b.y; });
    if (second < first) std::swap(first, second);
    kept.push_back(*first);
    if (second != first) kept.push_back(*second);
  }
  return kept;
}

void add_line(HtmlWriter& html, const Axes& axes, const ChartLine& line, bool as_percent) {
  constexpr std::size_t kDots = 40;  // more would hide the line
  std::string path;
  for (const ChartPoint& point : thinned(line.points)) {
    path += (path.empty() ? "M" : "L") + place(axes.x(point.x)) + " " + place(axes.y(point.y));
  }
  html.empty("path", {{"class", "line " + line.style}, {"d", path}});
  if (line.points.size() > kDots) return;
  for (const ChartPoint& point : line.points) {
    html.open("circle", {{"class", "dot " + line.style},
                         {"cx", place(axes.x(point.x))},
                         {"cy", place(axes.y(point.y))},
                         {"r", "2.5"}});
    html.element("title", line.name + ", epoch " + short_number(point.x) + ": " +
                              value_text(point.y, as_percent));
    html.close();
  }
}

void add_axes(HtmlWriter& html, const Axes& axes, bool as_percent) {
  for (const Tick& tick : axes.y_ticks(as_percent)) {
    const std::string y = place(axes.y(tick.at));
    html.empty("path",
               {{"class", "grid"}, {"d", "M" + place(kLeft) + " " + y + "H" + place(kRight)}});
    html.element("text", tick.text,
                 {{"x", place(kLeft - 6)}, {"y", y}, {"dy", "4"}, {"text-anchor", "end"}});
  }
  for (const Tick& tick : axes.x_ticks()) {
    html.element(
        "text", tick.text,
        {{"x", place(axes.x(tick.at))}, {"y", place(kBottom + 18)}, {"text-anchor", "middle"}});
  }
  html.empty("path", {{"class", "axis"},
                      {"d", "M" + place(kLeft) + " " + place(kBottom) + "H" + place(kRight)}});
  html.element(
      "text", "epoch",
      {{"x", place((kLeft + kRight) / 2)}, {"y", place(kHeight - 5)}, {"text-anchor", "middle"}});
}

/// What the picture shows, for those who do not see it.
std::string description(const ChartOptions& options, const std::vector<ChartLine>& lines) {
  std::string text = options.title + " by epoch";
  for (const ChartLine& line : lines) {
    text += "; " + line.name + ": " + value_text(line.points.front().y, options.percent);
    if (line.points.size() > 1) text += " to " + value_text(line.points.back().y, options.percent);
  }
  return text;
}

}  // namespace

void add_chart(HtmlWriter& html, const ChartOptions& options, std::vector<ChartLine> lines) {
  for (ChartLine& line : lines) {
    std::erase_if(line.points, [](const ChartPoint& point) { return !std::isfinite(point.y); });
  }
  std::erase_if(lines, [](const ChartLine& line) { return line.points.empty(); });
  if (lines.empty()) return;
  const Axes axes(lines, options.percent);
  html.open("figure").open("figcaption");
  html.element("strong", options.title + (axes.logarithmic() ? " (logarithmic)" : ""));
  for (const ChartLine& line : lines) {
    html.open("span", {{"class", "key"}});
    html.open("svg", {{"viewBox", "0 0 26 10"}, {"aria-hidden", "true"}});
    html.empty("path", {{"class", "line " + line.style}, {"d", "M1 5H25"}});
    html.close().text(line.name + " " + value_text(line.points.back().y, options.percent)).close();
  }
  html.close();
  html.open("svg", {{"class", "chart"},
                    {"viewBox", "0 0 " + place(kWidth) + " " + place(kHeight)},
                    {"role", "img"},
                    {"aria-label", description(options, lines)}});
  add_axes(html, axes, options.percent);
  for (const ChartLine& line : lines) add_line(html, axes, line, options.percent);
  html.close().close();
}

}  // namespace nnkernels::cli
