#include "cli/report_results.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "cli/output.h"
#include "cli/report_images.h"

namespace nnkernels::cli {
namespace {

constexpr std::int32_t kMaxMatrix = 50;
constexpr std::size_t kConfusedPairs = 10;
constexpr std::size_t kShownProbabilities = 3;

const std::string& name_of(const ReportInput& input, std::int32_t i) {
  return input.class_names[static_cast<std::size_t>(i)];
}

std::int64_t support_of(const ReportInput& input, std::int32_t i) {
  return input.classes.classes[static_cast<std::size_t>(i)].support;
}

/// Names head the columns while they are short, and numbers where they are not.
bool short_names(const ReportInput& input) {
  return std::all_of(input.class_names.begin(), input.class_names.end(),
                     [](const std::string& name) { return name.size() <= 4; });
}

/// Strong enough to be seen from one mistake on, never so strong that the count cannot be read.
double mistake_shade(std::int64_t count, std::int64_t largest) {
  return 0.1 + 0.45 * std::sqrt(static_cast<double>(count) / static_cast<double>(largest));
}

void add_cell(HtmlWriter& html, const ReportInput& input, nn::ConfusedPair cell,
              std::int64_t largest_mistake) {
  const std::int64_t support = support_of(input, cell.truth);
  const std::string text = std::to_string(cell.count);
  if (cell.count == 0) {
    html.element("td", text, {{"class", "none"}});
    return;
  }
  const double share = static_cast<double>(cell.count) / static_cast<double>(support);
  const bool right = cell.truth == cell.predicted;
  const double shade = right ? 0.5 * share : mistake_shade(cell.count, largest_mistake);
  html.element(
      "td", text,
      {{"class", right ? "right" : "wrong"},
       {"style", "--v:" + fixed(shade, 2)},
       {"title", name_of(input, cell.truth) + (right ? " recognised: " : " taken for ") +
                     (right ? "" : name_of(input, cell.predicted) + ": ") + grouped(cell.count) +
                     " of " + grouped(support) + ", " + percent(share)}});
}

void add_metrics_row(HtmlWriter& html, const std::string& head, const nn::ClassMetrics& metrics) {
  html.open("tr").element("th", head, {{"scope", "row"}});
  for (const double figure : {metrics.precision, metrics.recall, metrics.f1}) {
    html.element("td", percent(figure));
  }
  html.element("td", grouped(metrics.support)).close();
}

void add_pairs(HtmlWriter& html, const ReportInput& input) {
  const auto pairs = nn::most_confused(input.evaluation.confusion, kConfusedPairs);
  html.open("section").element("h3", "Most confused");
  if (pairs.empty()) {
    html.element("p", "No sample of the test set is taken for another class.").close();
    return;
  }
  html.open("table").open("thead").open("tr");
  html.element("th", "True class", {{"scope", "col"}, {"class", "text"}});
  html.element("th", "Taken for", {{"scope", "col"}, {"class", "text"}});
  html.element("th", "Samples", {{"scope", "col"}});
  html.element("th", "Of the class", {{"scope", "col"}}).close().close().open("tbody");
  for (const nn::ConfusedPair& pair : pairs) {
    const double share =
        static_cast<double>(pair.count) / static_cast<double>(support_of(input, pair.truth));
    html.open("tr").element("td", name_of(input, pair.truth), {{"class", "text"}});
    html.element("td", name_of(input, pair.predicted), {{"class", "text"}});
    html.element("td", grouped(pair.count)).element("td", percent(share)).close();
  }
  html.close().close().close();
}

void add_bars(HtmlWriter& html, const ReportInput& input, const nn::Mistake& mistake) {
  std::vector<std::size_t> order(mistake.probabilities.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return mistake.probabilities[a] > mistake.probabilities[b];
  });
  const auto truth = static_cast<std::size_t>(mistake.truth);
  const auto place = std::find(order.begin(), order.end(), truth) - order.begin();
  order.resize(std::min(order.size(), kShownProbabilities));
  if (static_cast<std::size_t>(place) >= order.size()) order.back() = truth;
  for (const std::size_t i : order) {
    const double p = mistake.probabilities[i];
    html.open("div", {{"class", i == truth ? "bar truth" : "bar"}});
    html.element("b", input.class_names[i]);
    html.open("i", {{"style", "width:" + fixed(std::isfinite(p) ? 100 * p : 0, 1) + "%"}}).close();
    html.element("span", std::isfinite(p) ? fixed(100 * p, 1) + " %" : "NaN").close();
  }
}

}  // namespace

void add_confusion(HtmlWriter& html, const ReportInput& input) {
  const nn::ConfusionMatrix& confusion = input.evaluation.confusion;
  const std::int32_t classes = confusion.classes();
  html.open("section").element("h2", "Confusion matrix");
  if (classes > kMaxMatrix) {
    html.element("p", std::to_string(classes) +
                          " classes are too many for a table; the most confused pairs are below.");
    html.close();
    return;
  }
  std::int64_t largest = 1;
  for (const nn::ConfusedPair& pair : nn::most_confused(confusion, 1)) largest = pair.count;
  const bool named = short_names(input);
  html.open("div", {{"class", "wide"},
                    {"tabindex", "0"},
                    {"role", "region"},
                    {"aria-label", "Confusion matrix"}});
  html.open("table", {{"class", "matrix"}});
  html.element("caption", "A row is a true class, a column a predicted one.");
  html.open("thead").open("tr").element("th", "true", {{"scope", "col"}});
  for (std::int32_t j = 0; j < classes; ++j) {
    html.element("th", named ? name_of(input, j) : std::to_string(j),
                 {{"scope", "col"}, {"title", "predicted " + name_of(input, j)}});
  }
  html.close().close().open("tbody");
  for (std::int32_t i = 0; i < classes; ++i) {
    html.open("tr").element("th", (named ? "" : std::to_string(i) + " ") + name_of(input, i),
                            {{"scope", "row"}});
    for (std::int32_t j = 0; j < classes; ++j) {
      add_cell(html, input, {i, j, confusion.at(i, j)}, largest);
    }
    html.close();
  }
  html.close().close().close().close();
}

void add_classes(HtmlWriter& html, const ReportInput& input) {
  html.open("section").element("h2", "Classes").open("div", {{"class", "columns"}});
  html.open("section").element("h3", "Precision, recall, F1");
  html.open("div", {{"class", "wide"},
                    {"tabindex", "0"},
                    {"role", "region"},
                    {"aria-label", "Figures of each class"}});
  html.open("table").open("thead").open("tr");
  html.element("th", "Class", {{"scope", "col"}, {"class", "text"}});
  for (const char* head : {"Precision", "Recall", "F1", "Samples"}) {
    html.element("th", head, {{"scope", "col"}});
  }
  html.close().close().open("tbody");
  for (std::size_t i = 0; i < input.class_names.size(); ++i) {
    add_metrics_row(html, input.class_names[i], input.classes.classes[i]);
  }
  html.close().open("tfoot");
  add_metrics_row(html, "Mean over classes", input.classes.macro);
  add_metrics_row(html, "Mean over samples", input.classes.weighted);
  html.close().close().close().close();
  add_pairs(html, input);
  html.close().close();
}

void add_mistakes(HtmlWriter& html, const ReportInput& input) {
  html.open("section").element("h2", "Worst mistakes");
  if (input.mistakes.empty()) {
    html.element("p", "The network makes no mistake on the test set.").close();
    return;
  }
  html.element(
      "p",
      "The samples taken for another class whose loss is largest, the worst first. Blue is "
      "the probability of the true class.",
      {{"class", "soft"}});
  html.open("ul", {{"class", "mistakes"}});
  for (const nn::Mistake& mistake : input.mistakes) {
    const std::string truth = name_of(input, mistake.truth);
    const std::string predicted = name_of(input, mistake.predicted);
    const std::string number = std::to_string(mistake.index);
    html.open("li").empty(
        "img", {{"src", sample_image(*input.test, mistake.index).address},
                {"alt", "Test sample " + number + ": " + truth + " taken for " + predicted}});
    html.open("div").element("strong", truth).text(" taken for ").element("strong", predicted);
    html.close();
    add_bars(html, input, mistake);
    html.element("div", "sample " + number + ", loss " + loss_text(mistake.loss),
                 {{"class", "soft"}});
    html.close();
  }
  html.close().close();
}

}  // namespace nnkernels::cli
