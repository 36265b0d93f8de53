#include "cli/html.h"

#include <gtest/gtest.h>

#include <cmath>

#include "cli/report_chart.h"

namespace nnkernels::cli {
namespace {

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t found = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) {
    ++found;
  }
  return found;
}

TEST(Html, EscapesWhateverItIsGiven) {
  EXPECT_EQ(escaped("<a b='c' d=\"e\">&amp;"), "&lt;a b=&#39;c&#39; d=&quot;e&quot;&gt;&amp;amp;");
  EXPECT_EQ(escaped("a\tb\nc\x01\x7f"), "a b c\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(escaped("\xC3\xA9 \xFF \xC3"), "\xC3\xA9 \xEF\xBF\xBD \xEF\xBF\xBD");
  EXPECT_EQ(escaped("\xEF\xBF\xBF"), "\xEF\xBF\xBD");
}

TEST(Html, ClosesWhatItOpens) {
  HtmlWriter html;
  html.open("p", {{"title", "\"<"}}).text("5 < 7").empty("br", {}).element("b", "x").close();
  EXPECT_EQ(html.str(), "<p title=\"&quot;&lt;\">5 &lt; 7<br/><b>x</b>\n</p>\n");
}

TEST(Chart, DrawsOnePointAndLeavesOutWhatIsMissing) {
  HtmlWriter html;
  add_chart(html, {.title = "Loss"},
            {{"train", "train", {{1, 0.5}}}, {"test", "test", {{1, std::nan("")}}}});
  EXPECT_EQ(count(html.str(), "<circle"), 1u);
  EXPECT_EQ(html.str().find("test"), std::string::npos);
  EXPECT_EQ(html.str().find("nan"), std::string::npos);
  HtmlWriter nothing;
  add_chart(nothing, {.title = "Loss"}, {{"train", "train", {}}});
  EXPECT_EQ(nothing.str(), "");
}

TEST(Chart, ThinsOutThousandsOfPointsButKeepsThePeak) {
  std::vector<ChartPoint> points;
  points.reserve(5000);
  for (int i = 1; i <= 5000; ++i) points.push_back({static_cast<double>(i), i == 2345 ? 9.0 : 1.0});
  HtmlWriter html;
  add_chart(html, {.title = "Loss"}, {{"train", "train", points}});
  EXPECT_LT(html.str().size(), 12'000u);
  EXPECT_EQ(count(html.str(), "<circle"), 0u);
  // The peak lies a twentieth of the range below the upper edge.
  EXPECT_NE(html.str().find(" 20"), std::string::npos);
}

TEST(Chart, SpansDecadesLogarithmically) {
  HtmlWriter html;
  add_chart(html, {.title = "Loss"}, {{"train", "train", {{1, 2.0}, {2, 0.001}}}});
  EXPECT_NE(html.str().find("Loss (logarithmic)"), std::string::npos);
  HtmlWriter accuracy;
  add_chart(accuracy, {.title = "Accuracy", .percent = true},
            {{"test", "test", {{1, 0.01}, {2, 0.99}}}});
  EXPECT_EQ(accuracy.str().find("logarithmic"), std::string::npos);
}

}  // namespace
}  // namespace nnkernels::cli
