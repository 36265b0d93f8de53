#include <stdexcept>
#include <string>
#include <vector>

#include "cli/class_name.h"
#include "cli/classification_text.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/json_writer.h"
#include "cli/machine.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/run_folder.h"
#include "cli/trained.h"
#include "nn/architecture.h"
#include "nn/classification_report.h"
#include "nn/file_error.h"
#include "nn/metrics.h"

namespace nnkernels::cli {
namespace {

constexpr std::size_t kConfusedPairs = 5;

/// What there is to tell about a network on a test set.
struct Result {
  nn::Evaluation evaluation;
  nn::ClassificationReport report;
  std::vector<nn::ConfusedPair> confused;
  std::vector<std::string> names;  // of the classes
};

void add_metrics(JsonWriter& json, const nn::ClassMetrics& metrics) {
  json.member("precision", metrics.precision)
      .member("recall", metrics.recall)
      .member("f1", metrics.f1)
      .member("support", metrics.support)
      .end_object();
}

void add_classes(JsonWriter& json, const Result& result) {
  json.key("classes").begin_array();
  for (std::size_t i = 0; i < result.names.size(); ++i) {
    add_metrics(json.begin_object().member("class", i).member("name", result.names[i]),
                result.report.classes[i]);
  }
  json.end_array();
  add_metrics(json.key("macro").begin_object(), result.report.macro);
  add_metrics(json.key("weighted").begin_object(), result.report.weighted);
  json.key("most_confused").begin_array();
  for (const nn::ConfusedPair& pair : result.confused) {
    json.begin_object()
        .member("true", pair.truth)
        .member("predicted", pair.predicted)
        .member("count", pair.count)
        .end_object();
  }
  json.end_array();
}

std::string result_json(const EvalOptions& options, const Trained& trained, const Result& result) {
  const nn::Evaluation& evaluation = result.evaluation;
  JsonWriter json;
  json.begin_object()
      .member("run", options.run.string())
      .member("architecture", nn::architecture_of(trained.model.net))
      .member("parameters", trained.model.net.parameter_count())
      .member("dataset", trained.data.name)
      .member("data", trained.data.path.string())
      .member("images", evaluation.confusion.total())
      .member("correct", evaluation.confusion.correct())
      .member("test_accuracy", evaluation.accuracy)
      .member("test_loss", evaluation.loss)
      .member("weights_sha256", nn::weights_sha256(trained.model.net))
      .key("confusion")
      .begin_array();
  for (std::int32_t i = 0; i < evaluation.confusion.classes(); ++i) {
    json.begin_array();
    for (std::int32_t j = 0; j < evaluation.confusion.classes(); ++j) {
      json.value(evaluation.confusion.at(i, j));
    }
    json.end_array();
  }
  json.end_array();
  add_classes(json, result);
  json.end_object();
  return json.str() + "\n";
}

std::string result_text(const EvalOptions& options, const Trained& trained, const Result& result) {
  const nn::Evaluation& evaluation = result.evaluation;
  std::string text = "test accuracy  " + percent(evaluation.accuracy) + " (" +
                     grouped(evaluation.confusion.correct()) + " of " +
                     grouped(evaluation.confusion.total()) + ")\ntest loss      " +
                     loss_text(evaluation.loss) + "\ndata           " + trained.data.path.string() +
                     "\nnetwork        " + nn::architecture_of(trained.model.net) + " (" +
                     grouped(trained.model.net.parameter_count()) + " parameters)\n\n";
  if (options.confusion || evaluation.confusion.classes() <= kMaxShownClasses) {
    text += confusion_table(evaluation.confusion, result.names) + "\n";
  }
  return text + classification_table(result.report, result.names) + "\n" +
         confused_text(result.confused, result.report, result.names);
}

void write_page(const EvalOptions& options, Trained& trained, const nn::Evaluation& evaluation) {
  try {
    write_report(options.report, report_input(options.run, trained.model.net, trained.model.info,
                                              trained.data, evaluation));
  } catch (const nn::WriteError& error) {
    throw std::runtime_error(std::string(error.what()) + "; choose another --report FILE");
  }
}

}  // namespace

int eval(const EvalOptions& options) {
  use_machine(options.machine);
  refuse_run_files("--report", options.run, options.report, Output::page);
  Trained trained = load_trained(options.run, options.data);
  refuse_input("--report", trained.data.path, options.report);
  const nn::Dataset& test = trained.data.sets.test;
  Result result{.evaluation = nn::evaluate(trained.model.net, test,
                                           trained.model.info.preprocessing, 500, trained.loss),
                .report = {},
                .confused = {},
                .names = class_names(test)};
  result.report = nn::classification_report(result.evaluation.confusion);
  result.confused = nn::most_confused(result.evaluation.confusion, kConfusedPairs);

  print(options.json ? result_json(options, trained, result)
                     : result_text(options, trained, result));
  if (!options.report.empty()) write_page(options, trained, result.evaluation);
  const double accuracy = result.evaluation.accuracy;
  if (!options.min_accuracy || accuracy >= *options.min_accuracy) return kSuccess;
  report("nncli: the test accuracy, " + percent(accuracy) + ", is below the " +
         percent(*options.min_accuracy) + " of --min-accuracy");
  return kMissedAccuracy;
}

}  // namespace nnkernels::cli
