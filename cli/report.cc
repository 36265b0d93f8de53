#include "cli/report.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <system_error>

#include "cli/class_name.h"
#include "cli/html.h"
#include "cli/model_record.h"
#include "cli/output.h"
#include "cli/report_chart.h"
#include "cli/report_images.h"
#include "cli/report_results.h"
#include "cli/report_style.h"
#include "nn/data/file.h"
#include "nn/summary.h"

namespace nnkernels::cli {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMistakes = 24;

using Figure = std::optional<double> nn::EpochRecord::*;

ChartLine line_of(const ReportInput& input, const char* name, const char* style, Figure figure) {
  ChartLine line{name, style, {}};
  line.points.reserve(input.epochs.size());
  for (const nn::EpochRecord& epoch : input.epochs) {
    if (epoch.*figure) line.points.push_back({static_cast<double>(epoch.epoch), *(epoch.*figure)});
  }
  return line;
}

/// The values of one figure, without the epochs that lack it.
std::vector<double> values_of(const ReportInput& input, Figure figure) {
  std::vector<double> values;
  values.reserve(input.epochs.size());
  for (const nn::EpochRecord& epoch : input.epochs) {
    if (epoch.*figure) values.push_back(*(epoch.*figure));
  }
  return values;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
}

double sum(const std::vector<double>& values) {
  double total = 0;
  for (const double each : values) total += each;
  return total;
}

std::string time_text(double seconds) {
  return seconds < 1 ? fixed(1000 * seconds, 0) + " ms" : duration(seconds);
}

void add_card(HtmlWriter& html, const char* name, const std::string& value,
              const std::string& note = {}) {
  html.open("div").element("dt", name).element("dd", value);
  if (!note.empty()) html.element("dd", note, {{"class", "note"}});
  html.close();
}

std::string loss_name(nn::LossKind kind) {
  if (kind == nn::LossKind::squared) return "squared error";
  return kind == nn::LossKind::sigmoid ? "sigmoid cross-entropy" : "cross-entropy";
}

void add_headline(HtmlWriter& html, const ReportInput& input) {
  const nn::ConfusionMatrix& confusion = input.evaluation.confusion;
  html.open("header").element("h1", input.title);
  html.element("p",
               "Tested on " + grouped(confusion.total()) + " samples of " +
                   std::to_string(confusion.classes()) + " classes. " + input.run,
               {{"class", "soft"}});
  html.open("dl", {{"class", "cards"}});
  add_card(html, "Test accuracy", percent(input.evaluation.accuracy),
           grouped(confusion.total() - confusion.correct()) + " mistakes");
  add_card(html, "Test loss", loss_text(input.evaluation.loss), loss_name(input.loss));
  add_card(html, "F1", percent(input.classes.macro.f1), "mean over classes");
  add_card(html, "Parameters", grouped(input.net->parameter_count()));
  const std::vector<double> seconds = values_of(input, &nn::EpochRecord::train_seconds);
  if (!seconds.empty()) {
    add_card(html, "Training", time_text(sum(seconds)),
             std::to_string(seconds.size()) + (seconds.size() == 1 ? " epoch" : " epochs"));
  }
  html.close().close();
}

std::string optional_text(const std::optional<double>& value, std::string (*text)(double)) {
  return value ? text(*value) : "-";
}

/// At most a hundred epochs, evenly chosen, the last one among them.
void add_epoch_table(HtmlWriter& html, const ReportInput& input) {
  constexpr std::size_t kRows = 100;
  struct Column {
    const char* head;
    Figure figure;
    std::string (*text)(double);
  };
  constexpr Column kColumns[] = {
      {"Train loss", &nn::EpochRecord::train_loss, loss_text},
      {"Validation loss", &nn::EpochRecord::val_loss, loss_text},
      {"Validation accuracy", &nn::EpochRecord::val_accuracy, percent},
      {"Test loss", &nn::EpochRecord::test_loss, loss_text},
      {"Test accuracy", &nn::EpochRecord::test_accuracy, percent},
      {"Learning rate", &nn::EpochRecord::learning_rate, loss_text},
      {"Time", &nn::EpochRecord::train_seconds, time_text},
  };
  std::vector<Column> shown;
  for (const Column& column : kColumns) {
    if (!values_of(input, column.figure).empty()) shown.push_back(column);
  }
  html.open("details").element("summary", "Epoch by epoch");
  html.open("div", {{"class", "wide"},
                    {"tabindex", "0"},
                    {"role", "region"},
                    {"aria-label", "Figures of each epoch"}});
  html.open("table").open("thead").open("tr").element("th", "Epoch", {{"scope", "col"}});
  for (const Column& column : shown) html.element("th", column.head, {{"scope", "col"}});
  html.close().close().open("tbody");
  const std::size_t rows = std::min(kRows, input.epochs.size());
  for (std::size_t i = 0; i < rows; ++i) {
    const nn::EpochRecord& epoch = input.epochs[(i + 1) * input.epochs.size() / rows - 1];
    html.open("tr").element("th", std::to_string(epoch.epoch), {{"scope", "row"}});
    for (const Column& column : shown) {
      html.element("td", optional_text(epoch.*column.figure, column.text));
    }
    html.close();
  }
  html.close().close().close().close();
}

void add_curves(HtmlWriter& html, const ReportInput& input) {
  if (input.epochs.empty()) return;
  html.open("section").element("h2", "Learning curves").open("div", {{"class", "charts"}});
  add_chart(html, {.title = "Loss"},
            {line_of(input, "train", "train", &nn::EpochRecord::train_loss),
             line_of(input, "validation", "val", &nn::EpochRecord::val_loss),
             line_of(input, "test", "test", &nn::EpochRecord::test_loss)});
  add_chart(html, {.title = "Accuracy", .percent = true},
            {line_of(input, "validation", "val", &nn::EpochRecord::val_accuracy),
             line_of(input, "test", "test", &nn::EpochRecord::test_accuracy)});
  add_chart(html, {.title = "Learning rate"},
            {line_of(input, "rate", "train", &nn::EpochRecord::learning_rate)});
  html.close();
  add_epoch_table(html, input);
  html.close();
}

void add_filters(HtmlWriter& html, const ReportInput& input) {
  const FilterImages images = filter_images(*input.net);
  if (images.filters.empty()) return;
  html.open("section").element("h2", "First-layer filters");
  const std::string which =
      images.total == static_cast<std::int64_t>(images.filters.size())
          ? "All " + grouped(images.total)
          : "The first " + std::to_string(images.filters.size()) + " of " + grouped(images.total);
  const bool colours = input.net->input_shape()[2] == 3;
  html.element("p",
               which + " of " + images.layer + ". " +
                   (colours ? "Grey is zero" : "Red weights are above zero, blue ones below") +
                   "; each filter is scaled to its own largest weight.",
               {{"class", "soft"}});
  html.open("div", {{"class", "filters"}});
  for (std::size_t i = 0; i < images.filters.size(); ++i) {
    html.empty("img", {{"src", images.filters[i].address}, {"alt", "Filter " + std::to_string(i)}});
  }
  html.close().close();
}

void add_layer(HtmlWriter& html, const std::string& name, const nn::LayerSummary& layer) {
  html.open("tr").element("th", name, {{"scope", "row"}});
  html.element("td", layer.output.rank() == 0 ? "" : layer.output.str());
  html.element("td", grouped(layer.parameters)).element("td", grouped(layer.multiply_adds));
  html.element("td", bytes_text(layer.activation_bytes)).close();
}

void add_architecture(HtmlWriter& html, const ReportInput& input) {
  const nn::Summary summary = nn::summarize(*input.net);
  html.open("section").element("h2", "Architecture");
  html.open("div",
            {{"class", "wide"}, {"tabindex", "0"}, {"role", "region"}, {"aria-label", "Layers"}});
  html.open("table").element("caption", "Input " + summary.input.str() +
                                            "; work and activations are those of one sample.");
  html.open("thead").open("tr").element("th", "Layer", {{"scope", "col"}, {"class", "text"}});
  for (const char* head : {"Output", "Parameters", "Multiply-adds", "Activations"}) {
    html.element("th", head, {{"scope", "col"}});
  }
  html.close().close().open("tbody");
  for (const nn::LayerSummary& layer : summary.layers) add_layer(html, layer.description, layer);
  html.close().open("tfoot");
  add_layer(html, "Total",
            {.description = {},
             .output = {},
             .parameters = summary.parameters,
             .multiply_adds = summary.multiply_adds,
             .activation_bytes = summary.activation_bytes});
  html.close().close().close().close();
}

void add_setting(HtmlWriter& html, const std::string& name, const std::string& value) {
  html.open("tr").element("th", name, {{"scope", "row"}}).element("td", value).close();
}

void add_timings(HtmlWriter& html, const ReportInput& input) {
  const std::vector<double> seconds = values_of(input, &nn::EpochRecord::train_seconds);
  if (seconds.empty()) return;
  html.open("section").element("h2", "Timings");
  html.open("table", {{"class", "settings"}}).open("tbody");
  add_setting(html, "Training, without tests", time_text(sum(seconds)));
  add_setting(html, "Epoch, median", time_text(median(seconds)));
  add_setting(html, "Epoch, fastest", time_text(*std::min_element(seconds.begin(), seconds.end())));
  add_setting(html, "Epoch, slowest", time_text(*std::max_element(seconds.begin(), seconds.end())));
  const std::vector<double> speed = values_of(input, &nn::EpochRecord::images_per_second);
  if (!speed.empty()) {
    add_setting(html, "Samples a second, median", grouped(std::llround(median(speed))));
  }
  html.close().close().close();
}

void add_config(HtmlWriter& html, const ReportInput& input) {
  if (input.config.empty()) return;
  html.open("section").element("h2", "Configuration");
  html.open("table", {{"class", "settings"}}).open("tbody");
  for (const auto& [name, value] : input.config) add_setting(html, name, value);
  html.close().close().close();
}

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

}  // namespace

ReportInput report_input(const fs::path& run, nn::Sequential<float>& net, const nn::ModelInfo& info,
                         const NamedData& data, const nn::Evaluation& evaluation) {
  const auto model = info.metadata.find("model");
  ReportInput input{
      .title = (model == info.metadata.end() ? "A network" : model->second) + " on " + data.name,
      .run = run.string(),
      .net = &net,
      .test = &data.sets.test,
      .class_names = class_names(data.sets.test),
      .evaluation = evaluation,
      .loss = recorded_loss(info.metadata).kind,
      .classes = nn::classification_report(evaluation.confusion),
      .mistakes = nn::worst_mistakes(net, data.sets.test, info.preprocessing, kMistakes, 500,
                                     recorded_loss(info.metadata).kind),
      .epochs = {},
      .config = {}};
  if (const fs::path metrics = run / "metrics.jsonl"; is_file(metrics)) {
    input.epochs = nn::read_metrics(metrics.string());
  }
  if (const fs::path config = run / "config.json"; is_file(config)) {
    input.config = nn::read_config(config.string());
  }
  return input;
}

std::string report_page(const ReportInput& input) {
  HtmlWriter html;
  html.open("html", {{"lang", "en"}}).open("head").empty("meta", {{"charset", "utf-8"}});
  html.empty("meta", {{"name", "viewport"}, {"content", "width=device-width, initial-scale=1"}});
  html.element("title", input.title + ": " + percent(input.evaluation.accuracy));
  html.element("style", report_style()).close().open("body");
  add_headline(html, input);
  html.open("main");
  add_curves(html, input);
  add_confusion(html, input);
  add_classes(html, input);
  add_mistakes(html, input);
  add_filters(html, input);
  add_architecture(html, input);
  add_timings(html, input);
  add_config(html, input);
  html.close();
  html.element("footer", std::string("Written by nncli ") + NNKERNELS_VERSION +
                             ". This page holds all that it shows.");
  html.close().close();
  return "<!DOCTYPE html>\n" + html.str();
}

void write_report(const fs::path& path, const ReportInput& input) {
  nn::write_file_atomically(path.string(), std::string_view(report_page(input)));
}

}  // namespace nnkernels::cli
